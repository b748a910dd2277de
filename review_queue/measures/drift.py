"""Whether somebody's override rate has changed, decision by decision (METHODS 4.4).

An exponentially weighted average cannot signal a fall here: at usual rates its lower limit lies below zero. A
risk-adjusted CUSUM can.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from review_queue.measures.expected import expected_rates
from review_queue.measures.groups import split
from review_queue.measures.overrides import ENOUGH, IN_USUAL_RANGE, NOT_ENOUGH, WORTH_A_LOOK, is_override, judged

COLUMNS = ("group", "n", "mean_expected", "direction", "score", "limit", "signalled_at", "state")
LOWEST_RATE = 0.08  #: mean chance of an override below which a change cannot be monitored
TOO_LOW = "rate too low to monitor"


@dataclass(frozen=True, slots=True)
class Watch:
    """What change a chart looks for."""

    direction: str
    odds_ratio: float  #: of the odds of an override, changed over expected
    limit: float  #: the score that signals


#: METHODS 4.4: in its simulation about 615 decisions between false signals; 46 to detect the ratio, 32 to detect 0.1.
FALL = Watch("fall", 0.25, 3.5)
#: "Reject everything". The limit is ours, simulated with a seed (20 000 charts, chance 0.15 and 0.2): 3.6 gives 550 and
#: 454 decisions between false signals where ``FALL`` gives 554 and 438; 26 and 23 to detect the ratio.
RISE = Watch("rise", 3.0, 3.6)


def scores(made: ArrayLike, chances: ArrayLike, watch: Watch = FALL) -> NDArray[np.float64]:
    """The score after each decision: C = max(0, C + W), W = x·ln(OR) − ln(1 − p + OR·p).

    Args:
        made: 1 where the decision was an override, in the order of the decisions.
        chances: of an override, 0 to 1, given the mix.

    Source: S. H. Steiner, R. J. Cook, V. T. Farewell and T. Treasure (2000), Biostatistics 1, 441-452.
    """
    hit, chance = np.asarray(made, dtype=float), np.asarray(chances, dtype=float)
    steps = hit * np.log(watch.odds_ratio) - np.log(1 - chance + watch.odds_ratio * chance)
    walk = np.cumsum(steps)
    # The distance from the lowest point so far, 0 at the start, is the same as stopping at 0 in every step.
    score: NDArray[np.float64] = walk - np.minimum(np.minimum.accumulate(walk), 0.0) if len(walk) else walk
    return score


def drift(
    reviews: pd.DataFrame,
    *,
    tolerance: float,
    groups: pd.Series | None = None,
    tiers: pd.Series | None = None,
    acknowledged: datetime | None = None,
) -> pd.DataFrame:
    """Whether the override rate of each group fell or rose, against what its mix lets expect.

    Args:
        reviews: with ``state``, ``final``, ``ai`` and ``decided_at``; ``band`` and ``hours_to_deadline`` for the
            expectation, as ``overrides`` reads them. Decisions at an unknown time are left out.
        acknowledged: UTC; after a signal was looked at, charts begin anew with the decisions after it.

    Returns:
        Two rows a group, ``direction`` "fall" and "rise": ``n`` decisions, ``mean_expected`` (chance), ``score`` after
        the last, its ``limit``, ``signalled_at`` (the first decision at which it was reached; NaT: never). ``state``
        is "not enough data" below 20 decisions, "rate too low to monitor" below a mean chance of 8 %, else "worth a
        look" after a signal. One chart in about 500 decisions signals falsely: over a long past, some will.
    """
    decided = judged(reviews)
    made = is_override(decided, tolerance=tolerance)
    rows = decided[["decided_at"]].assign(made=made, chance=expected_rates(decided, made, tiers=tiers))
    rows = rows[rows["decided_at"].notna()]
    if acknowledged is not None:
        rows = rows[rows["decided_at"] > pd.Timestamp(acknowledged)]
    # Of decisions at one instant the order is unknown; by their chance it is at least always the same.
    rows = rows.sort_values(["decided_at", "chance", "made"], kind="stable")
    found = [_row(name, part, watch) for name, part in split(rows, groups) for watch in (FALL, RISE)]
    return pd.DataFrame(found, columns=list(COLUMNS))


def _row(name: str | None, part: pd.DataFrame, watch: Watch) -> dict[str, object]:
    score = scores(part["made"], part["chance"], watch)
    reached = np.flatnonzero(score >= watch.limit)
    mean = float(part["chance"].mean())
    is_shown = len(part) >= ENOUGH and mean >= LOWEST_RATE
    return {
        "group": name,
        "n": len(part),
        "mean_expected": mean,
        "direction": watch.direction,
        "score": float(score[-1]) if is_shown else float("nan"),
        "limit": watch.limit,
        "signalled_at": part["decided_at"].iloc[reached[0]] if is_shown and len(reached) else pd.NaT,
        "state": _state(len(part), mean, is_signal=len(reached) > 0),
    }


def _state(n: int, mean: float, *, is_signal: bool) -> str:
    if n < ENOUGH:
        return NOT_ENOUGH
    if mean < LOWEST_RATE:
        return TOO_LOW
    return WORTH_A_LOOK if is_signal else IN_USUAL_RANGE
