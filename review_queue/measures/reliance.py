"""How much weight people give the AI once they have named a number of their own (METHODS 4.9).

Only human-first items: ``mode`` is ``human_first`` and ``initial_value`` was committed before the AI's was shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from review_queue.measures.facts import numbers, truths
from review_queue.measures.groups import split
from review_queue.measures.overrides import judged

HUMAN_FIRST = "human_first"
TOO_NEAR = 0.25  #: usual misses: a nearer advice can be neither followed nor ignored
FOLLOWED = 0.5  #: weight of advice above which it was followed
SHOWN_FROM, CONCLUDED_FROM = 20, 40
COMPARED_FROM = 15  #: items with, and without, something that the AI does not know
ADVICE_COLUMNS = ("group", "n", "median", "away", "beyond")
RELIANCE_COLUMNS = ("group", "ai_better", "rair", "own_better", "rsr")


@dataclass(frozen=True, slots=True)
class AdviceGap:
    """Whether people weigh the AI less where they know something that it does not."""

    n_without: int
    n_with: int
    difference: float  #: median weight without private information minus with; healthy above 0; NaN below 15 each


def weight_of_advice(initial: pd.Series, ai: pd.Series, final: pd.Series, scale: pd.Series) -> pd.Series:
    """(final − initial) / (ai − initial): 0 keeps one's own value, 1 takes the AI's; NaN where these are too near.

    Too near is below a quarter of ``scale``, the usual miss in the unit; unknown without it.

    Vectors: (100, 140, 120) → 0.5; (100, 140, 90) → −0.25; (100, 140, 150) → 1.25.

    Source: Harvey and Fischer (1997); METHODS 4.9.
    """
    apart = ai - initial
    return (final - initial) / apart.where((apart != 0) & (apart.abs() >= TOO_NEAR * scale))


def advice(reviews: pd.DataFrame, *, groups: pd.Series | None = None) -> pd.DataFrame:
    """The weight of the AI's advice by group: shown from 20 human-first items, concluded from 40.

    Reads ``state``, ``mode``, ``initial_value``, ``ai``, ``final`` and ``scale``.

    Returns:
        ``n`` items with a defined weight; ``median`` of the weights clipped to 0 to 1; ``away`` and ``beyond``, the
        shares of raw weights below 0 and above 1; NaN below 20. People are said to give advice about 0.3.
    """
    rows = [_advice_row(name, part["weight"]) for name, part in split(_weighed(reviews), groups)]
    return pd.DataFrame(rows, columns=list(ADVICE_COLUMNS))


def advice_gap(reviews: pd.DataFrame) -> AdviceGap:
    """ΔWOA: the median weight where nothing private was known minus where something was; from 15 items of each.

    Reads ``knew_more`` and what ``advice`` does; who did not say does not count. About 0 is naïve advice weighting.
    """
    weighed = _weighed(reviews)
    if "knew_more" not in weighed:
        return AdviceGap(0, 0, float("nan"))
    said, knew = weighed["knew_more"].notna(), truths(weighed, "knew_more")
    without, private = weighed.loc[said & ~knew, "weight"], weighed.loc[knew, "weight"]
    is_enough = min(len(without), len(private)) >= COMPARED_FROM
    difference = float(without.median() - private.median()) if is_enough else float("nan")
    return AdviceGap(len(without), len(private), difference)


def reliance(reviews: pd.DataFrame, *, groups: pd.Series | None = None) -> pd.DataFrame:
    """Whether people followed the AI where it was right, and kept their own value where that was.

    The AI was better where ``|ai − actual| < |initial − actual| − scale/4``, the human the other way round; followed
    is a weight above one half. Known only in hindsight: not a target above what people could know.

    Reads what ``advice`` does, with ``actual`` and ``is_lower_bound`` (such rows do not count).

    Returns:
        ``ai_better`` and ``own_better`` (items), ``rair``, the share followed of the first, and ``rsr``, the share kept
        of the second, 0 to 1; NaN below 20 of its items. Always the AI is (rsr 0, rair 1), always oneself (1, 0); on
        the line between, nothing is told apart.

    Source: METHODS 4.9, after Schemmer et al. (2023), adapted to amounts.
    """
    known = _weighed(reviews)
    known = known[known["actual"].notna() & ~truths(known, "is_lower_bound")]
    ai_miss = (known["ai"] - known["actual"]).abs()
    own_miss = (known["initial_value"] - known["actual"]).abs()
    room = TOO_NEAR * known["scale"]
    rows = pd.DataFrame(
        {
            "ai_better": ai_miss < own_miss - room,
            "own_better": own_miss < ai_miss - room,
            "followed": known["weight"] > FOLLOWED,
        },
        index=known.index,
    )
    found = [_reliance_row(name, part) for name, part in split(rows, groups)]
    return pd.DataFrame(found, columns=list(RELIANCE_COLUMNS))


def _weighed(reviews: pd.DataFrame) -> pd.DataFrame:
    """Human-first decisions whose weight of advice is defined, with it as ``weight``."""
    decided = judged(reviews)
    is_first = decided["mode"].eq(HUMAN_FIRST) if "mode" in decided else pd.Series(False, index=decided.index)
    decided = decided.assign(initial_value=numbers(decided, "initial_value"), scale=numbers(decided, "scale"))
    weight = weight_of_advice(decided["initial_value"], decided["ai"], decided["final"], decided["scale"])
    return decided.assign(weight=weight)[is_first & weight.notna()]


def _advice_row(name: str | None, weight: pd.Series) -> dict[str, object]:
    row: dict[str, object] = {"group": name, "n": len(weight)}
    if len(weight) < SHOWN_FROM:
        return {**row, "median": np.nan, "away": np.nan, "beyond": np.nan}
    return {
        **row,
        "median": float(weight.clip(0, 1).median()),
        "away": float((weight < 0).mean()),
        "beyond": float((weight > 1).mean()),
    }


def _reliance_row(name: str | None, part: pd.DataFrame) -> dict[str, object]:
    followed = part.loc[part["ai_better"], "followed"]
    kept = ~part.loc[part["own_better"], "followed"]
    return {
        "group": name,
        "ai_better": len(followed),
        "rair": float(followed.mean()) if len(followed) >= SHOWN_FROM else np.nan,
        "own_better": len(kept),
        "rsr": float(kept.mean()) if len(kept) >= SHOWN_FROM else np.nan,
    }
