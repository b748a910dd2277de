"""Whether the AI has become worse than its baseline, watched one actual at a time (METHODS 8.1)."""

from __future__ import annotations

from datetime import UTC, datetime, time

import numpy as np
import pandas as pd

from review_queue.measures.value_added import matched
from review_queue.periods import parse_period

LAMBDA = 0.25  #: how much of a bet each actual is
ALARM, WARNING = 100.0, 20.0  #: levels of the e-CUSUM
ALPHA = 0.1  #: weight of the newest period in the tracking signal
TRACKING_WARNING = 0.5
_LARGEST_LOG = 690.0  #: e to this is still a number

SKILL_CAVEAT = (
    "It tests the mean of the relative skill and not the MAE, and forecasts whose horizons overlap hang together. "
    "It is slow on purpose: with 50 actuals a month an error half as large again takes about three months to show."
)


def observations(reviews: pd.DataFrame, steps: list[str]) -> pd.DataFrame:
    """One row per series and period on which ``steps`` can be compared, in the order in which the actuals came.

    Args:
        reviews: with the columns that ``matched`` reads, ``series``, ``period``, ``created_at`` and, where it is known,
            ``actual_final_at``.

    Several reviews of the same series and period count once, by the one created last. The actual's date is
    ``actual_final_at``, else the end of its period, else when its review was created; at equal dates series come in
    the order of their names. Of reviews without a period nobody knows whether they are of the same actual: all count.
    """
    known = matched(reviews, steps)
    known = known.assign(
        when=_actual_dates(known),
        # A last resort against the order of rows: reviews that were created together.
        tie=known[steps].sum(axis=1),
    )
    known = known.sort_values(["created_at", "tie"], kind="stable")
    is_repeated = known.duplicated(["series", "period"], keep="last") & known["period"].notna()
    known = known[~is_repeated]
    known = known.sort_values(["when", "period", "series"], kind="stable")
    return known.drop(columns=["tie"])


def relative_skill(error: pd.Series, baseline: pd.Series) -> pd.Series:
    """``(|baseline| - |error|) / (|baseline| + |error|)`` of each row, -1 to 1; 0 where neither missed.

    Below 0 the AI did worse than the baseline.
    """
    sizes = baseline.abs() + error.abs()
    return ((baseline.abs() - error.abs()) / sizes.where(sizes > 0)).mask(sizes == 0, 0.0)


def e_cusum(skill: pd.Series) -> pd.DataFrame:
    """Evidence that the AI is worse than its baseline, after each actual: ``M = max(1, M before) * (1 - 0.25 d)``.

    Args:
        skill: as ``relative_skill`` gives it, without unknowns, in the order in which the actuals came.

    Returns:
        With the index of ``skill``: ``evidence`` (above 0; capped at e^690), ``warning`` from 20 and ``alarm`` from
        100. An AI as good as its baseline is expected to take 100 actuals or more to a false alarm.

    Source: METHODS 8.1, after Y. J. Choe and A. Ramdas, Comparing sequential forecasters, and J. Shin, A. Ramdas and
    A. Rinaldo, E-detectors.
    """
    steps = np.log1p(-LAMBDA * skill.to_numpy("float64"))
    summed = np.concatenate([[0.0], np.cumsum(steps)])
    # log M = max(0, log M before) + step, which is the sum so far over the least sum before it.
    evidence = np.exp(np.minimum(summed[1:] - np.minimum.accumulate(summed)[:-1], _LARGEST_LOG))
    return pd.DataFrame(
        {"evidence": evidence, "warning": evidence >= WARNING, "alarm": evidence >= ALARM}, index=skill.index
    )


def skill_path(reviews: pd.DataFrame, *, baseline: str = "naive") -> pd.DataFrame:
    """The AI's relative skill and the e-CUSUM, actual by actual.

    Args:
        reviews: as ``observations`` takes them, with ``ai`` and ``baseline``. To begin anew after a repair, give only
            the reviews since then.

    Returns:
        ``when`` (UTC), ``series``, ``period``, ``skill``, ``evidence``, ``warning`` and ``alarm``; with the index of
        ``reviews``, in the order of the actuals. No rows where there is no baseline.
    """
    rows = observations(reviews, ["ai", baseline])
    skill = relative_skill(rows["actual"] - rows["ai"], rows["actual"] - rows[baseline])
    return rows[["when", "series", "period"]].assign(skill=skill).join(e_cusum(skill))


def tracking_signal(reviews: pd.DataFrame) -> pd.DataFrame:
    """Whether the AI leans to one side: its smoothed error over its smoothed size of error, period by period.

    Args:
        reviews: as ``observations`` takes them, and ``value_per_unit`` (money, the weight).

    Returns:
        In the order of the periods: ``period``, ``n`` reviews, ``signal``, -1 to 1 (above 0: too high; NaN while it
        never missed), and ``warning`` beyond 0.5. Errors of one period are added up, so that the order of its series
        does not matter. The first periods say little: it begins at -1 or 1 wherever the first errors lean one way.

    Source: METHODS 8.1, after D. W. Trigg (1964), Operational Research Quarterly 15, 271-274.
    """
    rows = observations(reviews, ["ai"])
    error = rows["value_per_unit"] * (rows["ai"] - rows["actual"])
    # A period's place is that of its own end, whenever its actuals were made final.
    sums = pd.DataFrame(
        {"period": rows["period"], "when": period_ends(rows["period"]), "error": error, "size": error.abs()}
    )
    by_period = sums.groupby("period").agg(
        n=("error", "size"), when=("when", "min"), error=("error", "sum"), size=("size", "sum")
    )
    smooth = by_period.sort_values("when")[["error", "size"]].ewm(alpha=ALPHA, adjust=False).mean()
    signal = smooth["error"] / smooth["size"].where(smooth["size"] > 0)
    table = pd.DataFrame({"n": by_period["n"].reindex(smooth.index), "signal": signal})
    return table.assign(warning=signal.abs() > TRACKING_WARNING).reset_index()


def _actual_dates(reviews: pd.DataFrame) -> pd.Series:
    ends = period_ends(reviews["period"]).fillna(reviews["created_at"])
    if "actual_final_at" not in reviews:
        return ends
    return pd.to_datetime(reviews["actual_final_at"], utc=True).fillna(ends)


def period_ends(periods: pd.Series) -> pd.Series:
    """When each period ended, UTC; NaT where it is unknown."""
    ends = {text: datetime.combine(parse_period(text).end, time(), UTC) for text in periods.dropna().unique()}
    return pd.to_datetime(periods.map(ends), utc=True)
