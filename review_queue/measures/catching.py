"""Whether bad AI forecasts were caught: by what happened, and by check items (METHODS 4.8)."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from review_queue.measures.facts import numbers, truths
from review_queue.measures.overrides import is_override, judged, wilson

BAD_MISS = 2.0  #: usual misses by which the AI must be off
NOTHING = (float("nan"), float("nan"), float("nan"))
SHOWN_FROM, CONCLUDED_FROM = 30, 100  #: check items of the whole team
NOT_ENOUGH, CANNOT_TELL, CONCLUDED = "not enough data", "can't tell yet", "concluded"


@dataclass(frozen=True, slots=True)
class Detection:
    """How many check items a team caught. There is none of a person: it would take 100 check items each."""

    n: int
    caught: int
    rate: float  #: 0 to 1; NaN below 30 check items
    low: float  #: Wilson 95 % interval
    high: float
    verdict: str  #: "not enough data" below 30, "can't tell yet" below 100, then "concluded"


def missed_catches(reviews: pd.DataFrame, *, tolerance: float) -> pd.Series:
    """For each accepted item with a known actual, whether a bad AI forecast was let through.

    That is: ``|actual − ai| > 2 × scale``, and the manual forecast was nearer. The share is shown from 30 items.

    Reads ``state``, ``final``, ``ai``, ``manual``, ``actual``, ``is_lower_bound`` and ``scale`` (the usual miss, in the
    unit). Lower bounds are no actuals to be measured by; items without a usual miss do not count.
    """
    known = _with_outcome(reviews)
    accepted = known[~is_override(known, tolerance=tolerance)]
    nearer = (accepted["actual"] - accepted["manual"]).abs() < (accepted["actual"] - accepted["ai"]).abs()
    return _is_bad(accepted) & nearer


def good_catches(reviews: pd.DataFrame, *, tolerance: float) -> pd.Series:
    """For each item on which the AI turned out badly off, whether an override came nearer to what happened.

    Reads what ``missed_catches`` does.
    """
    known = _with_outcome(reviews)
    bad = known[_is_bad(known)]
    nearer = (bad["actual"] - bad["final"]).abs() < (bad["actual"] - bad["ai"]).abs()
    return is_override(bad, tolerance=tolerance) & nearer


def helpful_overrides(reviews: pd.DataFrame, *, tolerance: float) -> pd.Series:
    """For each override with a known actual, whether it came nearer to what happened than the AI; a tie is no help.

    Of a person, the share is shown from 100. Reads ``state``, ``final``, ``ai``, ``actual`` and ``is_lower_bound``
    (such rows do not count).

    Source: METHODS 3.5, the hit rate, which the grid of 4.5 asks for beside the reject-everything pattern.
    """
    decided = judged(reviews)
    known = decided[decided["actual"].notna() & ~truths(decided, "is_lower_bound")]
    made = known[is_override(known, tolerance=tolerance)]
    return (made["actual"] - made["final"]).abs() < (made["actual"] - made["ai"]).abs()


def team_detection(caught: pd.Series) -> Detection:
    """The share of check items that the team caught, from 30 of them; no personal figure is ever worked out.

    Args:
        caught: one boolean a check item: its wrong value was not accepted (overridden, escalated or sent back).
    """
    n, hits = len(caught), int(caught.sum())
    if n < SHOWN_FROM:
        return Detection(n, hits, *NOTHING, NOT_ENOUGH)
    interval = wilson(pd.Series([hits]), pd.Series([n])).iloc[0]
    verdict = CONCLUDED if n >= CONCLUDED_FROM else CANNOT_TELL
    return Detection(n, hits, hits / n, float(interval["low"]), float(interval["high"]), verdict)


def _with_outcome(reviews: pd.DataFrame) -> pd.DataFrame:
    decided = judged(reviews)
    scale = numbers(decided, "scale")
    return decided.assign(scale=scale)[decided["actual"].notna() & (scale > 0) & ~truths(decided, "is_lower_bound")]


def _is_bad(known: pd.DataFrame) -> pd.Series:
    return (known["actual"] - known["ai"]).abs() > BAD_MISS * known["scale"]
