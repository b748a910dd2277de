"""Whether flagged items were looked at: time taken and evidence opened (METHODS 4.6).

The time between opening an item and deciding it is an upper bound: nobody knows whether the reviewer was there.
So only its fast end says anything; a long time is never taken for care. Each function gives one mark per item that
counts; ``shares.shares`` adds them up by group and compares.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from review_queue.measures.facts import UNKNOWN, times, truths
from review_queue.measures.overrides import is_override, judged

LONGEST = 600.0  #: seconds that a decision is taken to last at most
SHORTEST_RAPID, LONGEST_RAPID = 3.0, 10.0  #: seconds: between these lies the threshold
OF_MEDIAN = 0.10  #: share of the median time of the class that is rapid
FLOOR_SHARE = 0.25  #: of the time that reading takes
WORDS_A_MINUTE, SECONDS_A_NUMBER = 238.0, 2.0
FEWEST_DECISIONS, FEWEST_PEOPLE = 20, 3  #: of a person, and in a class, for the model of times
FAST = -2.0  #: residual in standard deviations below which a decision was fast for its reviewer and its class
_ROUNDS, _STILL = 200, 1e-10


def seconds_taken(reviews: pd.DataFrame) -> pd.Series:
    """From opening an item to its decision, in seconds, at most 600; NaN where either is unknown.

    Reads ``opened_at`` and ``decided_at``, UTC.
    """
    seconds = (times(reviews, "decided_at") - times(reviews, "opened_at")).dt.total_seconds()
    return seconds.where(seconds >= 0).clip(upper=LONGEST)


def rapid_thresholds(seconds: pd.Series, classes: pd.Series | None = None) -> pd.Series:
    """The time below which a decision is rapid, in seconds: a tenth of its class's median, from 3 to 10.

    Source: METHODS 4.6, after Wise and Ma (2012), normative threshold.
    """
    medians = seconds.groupby(_classes(seconds, classes)).transform("median")
    return (OF_MEDIAN * medians).clip(SHORTEST_RAPID, LONGEST_RAPID)


def content_floor(words: float, numbers: float) -> float:
    """Another threshold, from what is on the page: a quarter of the seconds that reading it takes.

    Source: METHODS 4.6: 238 words a minute (Brysbaert 2019), two seconds a number.
    """
    return FLOOR_SHARE * (words / WORDS_A_MINUTE * 60 + SECONDS_A_NUMBER * numbers)


def took_time(reviews: pd.DataFrame, *, tolerance: float, classes: pd.Series | None = None) -> pd.Series:
    """For each flagged item that was accepted, whether that took at least the threshold of its class.

    The share is RTE, response-time effort (Wise and Kong 2005): shown from 20 items, concluded from 40. Thresholds
    come from all decisions at a known time; classes overlap, so some are misjudged either way.

    Args:
        reviews: with ``state``, ``final``, ``ai``, ``flagged``, ``opened_at`` and ``decided_at``.
        classes: of item; ``band`` if not given, or one for all where that is unknown.
    """
    decided = judged(reviews)
    seconds = seconds_taken(decided)
    classes = band_of(decided) if classes is None else classes
    slow = seconds >= rapid_thresholds(seconds, classes)
    accepted = ~is_override(decided, tolerance=tolerance)
    return slow[accepted & truths(decided, "flagged") & seconds.notna()]


def evidence_opened(reviews: pd.DataFrame) -> pd.Series:
    """For each flagged item that was decided, whether evidence had been opened before.

    Reads ``state``, ``flagged``, ``opened_at``, ``first_evidence_at`` and ``decided_at``. An item whose opening nobody
    noted says nothing of its evidence and does not count. Shown from 20 items, concluded from 40. Compare with the
    team: the summary on the page may be enough.
    """
    decided = reviews[reviews["state"] == "decided"]
    seen = decided[truths(decided, "flagged") & times(decided, "opened_at").notna()]
    return times(seen, "first_evidence_at") <= times(seen, "decided_at")


def fast_for_both(reviews: pd.DataFrame, *, classes: pd.Series | None = None) -> pd.Series:
    """For each decision, whether it was faster than its reviewer and its class of item explain.

    ln t = μ + person + class + ε, by alternating means; marked where ε is below −2 of its standard deviations. So fast
    people are told from fast clicks. Only reviewers with 20 decisions, in classes that 3 people decide in, count.

    Args:
        reviews: with ``state``, ``reviewer``, ``opened_at`` and ``decided_at``.
        classes: of item; ``band`` if not given, or one for all where that is unknown.

    Source: METHODS 4.6, after van der Linden (2006), lognormal response times.
    """
    decided = reviews[(reviews["state"] == "decided") & reviews["reviewer"].notna()]
    kinds = band_of(decided) if classes is None else classes.reindex(decided.index)
    rows = pd.DataFrame({"person": decided["reviewer"], "class": kinds.astype("object").fillna(UNKNOWN)})
    rows["log"] = np.log(seconds_taken(decided).clip(lower=0.001))
    rows = rows[rows["log"].notna()]
    rows = rows[rows.groupby("class")["person"].transform("nunique") >= FEWEST_PEOPLE]
    rows = rows[rows.groupby("person")["log"].transform("size") >= FEWEST_DECISIONS]
    if rows.empty:
        return pd.Series(dtype=bool, index=rows.index)
    left = _residuals(rows)
    spread = float(left.std(ddof=0))
    return left < FAST * spread if spread > _STILL else pd.Series(False, index=rows.index)


def band_of(reviews: pd.DataFrame) -> pd.Series:
    """The band of each review as its class; one for all where nobody knows it."""
    if "band" not in reviews:
        return pd.Series(UNKNOWN, index=reviews.index, dtype="object")
    return reviews["band"].astype("object").where(reviews["band"].notna(), UNKNOWN)


def _classes(seconds: pd.Series, classes: pd.Series | None) -> pd.Series:
    if classes is None:
        return pd.Series(UNKNOWN, index=seconds.index, dtype="object")
    return classes.reindex(seconds.index).astype("object").fillna(UNKNOWN)


def _residuals(rows: pd.DataFrame) -> pd.Series:
    """What the means of persons and of classes leave, taken off in turn until neither changes."""
    left = rows["log"].to_numpy(float) - rows["log"].mean()
    codes = [pd.factorize(rows[name])[0] for name in ("person", "class")]
    sizes = [np.bincount(code) for code in codes]
    for _ in range(_ROUNDS):
        moved = 0.0
        for code, size in zip(codes, sizes, strict=True):
            mean = np.bincount(code, weights=left) / size
            left = left - mean[code]
            moved = max(moved, float(np.abs(mean).max()))
        if moved < _STILL:
            break
    return pd.Series(left, index=rows.index)
