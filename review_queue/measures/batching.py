"""Decisions in bursts, in the last hours, under a full queue, in long runs (METHODS 4.6).

These are findings about capacity before they are findings about people: print utilisation beside them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from review_queue.measures.facts import numbers, texts, times, truths
from review_queue.measures.groups import split
from review_queue.measures.overrides import is_override, judged

SMALLEST_BURST = 5  #: decisions
SHORTEST_PAUSE = 10.0  #: seconds; a shorter one does not end a burst
LAST_SHARE = 0.10  #: of the time from arrival to deadline
NOTHING = (float("nan"), float("nan"), float("nan"))
LOAD_FROM = 200  #: decisions
RARE_RUN = 0.001  #: chance below which a run is noted, and never alone
RISES, FALLS = "rises with the queue", "falls with the queue"
CANNOT_TELL, NOT_ENOUGH = "can't tell yet", "not enough data"
RUN_COLUMNS = ("group", "n", "longest", "chance", "is_rare")


@dataclass(frozen=True, slots=True)
class Load:
    """Whether acceptance depends on how much waits: of a team, never of a person."""

    n: int  #: decisions
    slope: float  #: log odds of acceptance per ten more items in the queue, at the same gap and weekday
    low: float  #: 95 % interval
    high: float
    verdict: str


def in_bursts(reviews: pd.DataFrame) -> pd.Series:
    """For each flagged item that somebody decided at a known time, whether it went in a burst.

    A burst is 5 decisions or more by one person with less than 10 seconds between each and the next, flagged or not,
    or a batch (confirmed together) of 5 or more.

    Reads ``state``, ``reviewer``, ``decided_at``, ``flagged`` and, where there is one, ``batch``.
    """
    decided = reviews[(reviews["state"] == "decided") & reviews["reviewer"].notna() & reviews["decided_at"].notna()]
    rows = decided[["reviewer", "decided_at"]].sort_values(["reviewer", "decided_at"], kind="stable")
    pause = rows["decided_at"].diff().dt.total_seconds()
    begins = (rows["reviewer"] != rows["reviewer"].shift()) | ~(pause < SHORTEST_PAUSE)
    run = begins.cumsum()
    is_burst = run.map(run.value_counts()).ge(SMALLEST_BURST).reindex(decided.index)
    batch = texts(decided, "batch")
    is_batch = batch.ne("") & batch.map(batch.value_counts()).ge(SMALLEST_BURST)
    marks: pd.Series = (is_burst | is_batch)[truths(decided, "flagged")].astype(bool)
    return marks


def in_last_tenth(reviews: pd.DataFrame) -> pd.Series:
    """For each flagged item with a deadline, whether it was decided in the last tenth of its time.

    The time is from ``created_at`` to ``due_at``; what was left of it is ``hours_to_deadline``, or from ``decided_at``
    where that is unknown. Overdue is not in the last tenth. Reads ``state`` and ``flagged`` besides.
    """
    decided = reviews[(reviews["state"] == "decided") & truths(reviews, "flagged")]
    due = times(decided, "due_at")
    window = (due - times(decided, "created_at")).dt.total_seconds() / 3600
    left = numbers(decided, "hours_to_deadline")
    left = left.fillna((due - times(decided, "decided_at")).dt.total_seconds() / 3600)
    known = left.notna() & (window > 0)
    return ((left >= 0) & (left <= LAST_SHARE * window))[known]


def load_dependence(reviews: pd.DataFrame, *, tolerance: float) -> Load:
    """How acceptance depends on the length of the queue, at the same gap and weekday; for a team only.

    Logistic regression of acceptance on ``queue_length`` (in tens) and ``abs(u)``, with the weekday (UTC) of
    ``decided_at``; reads ``state``, ``final`` and ``ai`` besides. NaN below 200 decisions where all is known, and where
    there is nothing to learn from: all accepted, or always the same queue.

    Source: METHODS 4.6; statsmodels' binomial GLM. Weekdays as the control for the day are ours.
    """
    decided = judged(reviews)
    queue, distance = numbers(decided, "queue_length"), numbers(decided, "u").abs()
    day = times(decided, "decided_at").dt.dayofweek
    known = queue.notna() & distance.notna() & day.notna()
    accepted = (~is_override(decided, tolerance=tolerance))[known].astype(float)
    nothing = Load(len(accepted), *NOTHING, NOT_ENOUGH)
    if len(accepted) < LOAD_FROM or accepted.nunique() < 2 or queue[known].nunique() < 2:
        return nothing
    import statsmodels.api as sm  # half a second that no start should wait for

    inputs = pd.DataFrame({"queue": queue[known] / 10, "distance": distance[known]})
    days = pd.get_dummies(day[known].astype(int), prefix="day", drop_first=True, dtype=float)
    fitted = sm.GLM(accepted, sm.add_constant(inputs.join(days)), family=sm.families.Binomial()).fit()
    low, high = fitted.conf_int().loc["queue"]
    verdict = RISES if low > 0 else FALLS if high < 0 else CANNOT_TELL
    return Load(len(accepted), float(fitted.params["queue"]), float(low), float(high), verdict)


def longest_run(accepted: ArrayLike) -> int:
    """The most acceptances in a row."""
    hits = np.asarray(accepted, dtype=bool)
    ends = np.flatnonzero(np.concatenate([[True], ~hits, [True]]))
    return int(np.diff(ends).max() - 1)


def chance_of_run(length: int, chances: ArrayLike) -> float:
    """The chance of a run of at least ``length`` (1 or more) acceptances, each decision with its own chance.

    Exact, by the distribution of the run that is under way after each decision.

    Vectors (METHODS 4.6, simulated): 100 decisions at 0.85, 34 in a row: 5 %; at 0.9, 47.
    """
    under_way = np.zeros(length)
    under_way[0] = 1.0
    reached = 0.0
    for chance in np.asarray(chances, dtype=float):
        reached += chance * under_way[-1]
        broken = (1 - chance) * under_way.sum()
        under_way[1:] = chance * under_way[:-1]
        under_way[0] = broken
    return float(reached)


def runs(reviews: pd.DataFrame, *, tolerance: float, groups: pd.Series | None = None) -> pd.DataFrame:
    """The longest run of acceptances of each group, and how likely one so long is at the group's own rate.

    Weak evidence: a burst makes one, and so does chance. ``is_rare`` (below 0.1 %) is never shown alone.

    Args:
        reviews: with ``state``, ``final``, ``ai`` and ``decided_at``; decisions at an unknown time are left out, those
            of one instant are taken overrides first, so that their order makes no run.

    Returns:
        ``group``, ``n``, ``longest`` (decisions), ``chance`` (0 to 1; NaN without decisions), ``is_rare``.
    """
    decided = judged(reviews)
    decided = decided[decided["decided_at"].notna()]
    rows = pd.DataFrame({"at": decided["decided_at"], "accepted": ~is_override(decided, tolerance=tolerance)})
    rows = rows.sort_values(["at", "accepted"], kind="stable")
    found = [_run_row(name, part["accepted"]) for name, part in split(rows, groups)]
    return pd.DataFrame(found, columns=list(RUN_COLUMNS))


def _run_row(name: str | None, accepted: pd.Series) -> dict[str, object]:
    longest = longest_run(accepted)
    share = float(accepted.mean())
    chance = chance_of_run(longest, np.full(len(accepted), share)) if longest else 1.0
    chance = chance if len(accepted) else float("nan")
    return {"group": name, "n": len(accepted), "longest": longest, "chance": chance, "is_rare": chance < RARE_RUN}
