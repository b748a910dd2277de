"""What has changed since reviews are done here: the imported past beside the live reviews (DESIGN 7 and 8).

The 95 % interval of each change is a percentile bootstrap over clusters, the series, so that a series with many reviews
is not taken for as many independent witnesses (METHODS 3.4); of throughput, over weeks. What is unknown is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from review_queue.measures.damping import HELPED, outcomes
from review_queue.measures.draws import cluster_draws, median_draws
from review_queue.measures.groups import split
from review_queue.measures.latency import SHOWN_FROM, durations, hours_until, survival
from review_queue.measures.overrides import is_override, judged
from review_queue.measures.value_added import matched

COLUMNS = ("group", "measure", "unit", "baseline", "now", "change", "low", "high", "n_baseline", "n_now")
DRAWS = 2000
SEED = 20250331
LEAST_CLUSTERS = 10  #: below which a bootstrap over clusters is unreliable (METHODS 3.4)
LEAST_MATCHED = 30  #: reviews with an actual from which an error is shown (METHODS 9)
LEAST_CASES = 20  #: of anything else
LEAST_WEEKS = 4  #: full weeks from which a pace is shown (ours)

Draws = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Setting:
    """What impact is worked out with."""

    as_of: datetime  #: UTC
    tolerance: float  #: share of the AI's value within which a final value is not an override
    go_live: datetime  #: UTC; the baseline is what was created before
    hourly_rate: float | None = None  #: money that an hour of a reviewer costs; None: not stated
    currency: str = "money"
    seed: int = SEED
    draws: int = DRAWS


@dataclass(frozen=True, slots=True)
class _Side:
    """One measure on one side: the value, how many it is from, and its bootstrap draws (none: no interval)."""

    value: float
    n: int
    draws: Draws | None = None
    clocks: frozenset[str] = frozenset()  #: what it was timed by, where there are several ways


def went_live_at(reviews: pd.DataFrame) -> datetime | None:
    """When the first live review was created (UTC), to be taken for go-live where nobody has noted it."""
    first = reviews.loc[reviews["item"].notna(), "created_at"].min()
    return None if pd.isna(first) else first.to_pydatetime()


def impact(reviews: pd.DataFrame, setting: Setting, *, groups: pd.Series | None = None) -> pd.DataFrame:
    """What reviewing was like before go-live and what it is like now, measure by measure.

    - ``median_time_to_decision`` (hours, wall clock): Kaplan–Meier, open reviews counted, as the report
      ``latency`` has it.
    - ``decisions_per_week``: in the full weeks between the first review and go-live, and since go-live.
    - ``touch_time`` (minutes a case, mean): ``touch_minutes`` where there is, else from ``opened_at`` or
      ``started_at`` to the decision, which is an upper bound. ``cost_per_case`` is that at the hourly rate. Where the
      two sides were not timed in the same way, the change is unknown.
    - ``error`` (money, mean): |final − actual| · value per unit, on reviews with both.
    - ``overrides_that_paid``: share of the overrides with a known end that came nearer to the actual than the AI.
    - ``ai_share_used``: share of decisions with an AI value in which the final value is the AI's, within tolerance. It
      is no target: aiming at it makes rubber stamps.

    Args:
        reviews: with ``item`` (<NA>: a past review), ``series`` (the cluster), ``created_at``, ``started_at``,
            ``decided_at``, ``withdrawn_at`` (UTC), ``state``, ``ai``, ``final``, ``actual``, ``value_per_unit``,
            ``reason``, ``is_lower_bound``, and ``opened_at`` and ``touch_minutes`` where they are known. Past reviews
            created at or after go-live are on neither side.

    Returns:
        Seven rows a group: ``change`` is now minus baseline, ``low`` and ``high`` its 95 % interval. A side below its
        minimum (20 cases, 30 with an actual, 4 full weeks) is NaN, and so is the change; the interval also needs 10
        series on either side. ``n_baseline`` and ``n_now`` count reviews (decisions of the full weeks for throughput).
    """
    is_live = reviews["item"].notna()
    before = ~is_live & (reviews["created_at"] < pd.Timestamp(setting.go_live))
    rows = [
        {"group": name, **_row(measure, part[before[part.index]], part[is_live[part.index]], setting)}
        for name, part in split(reviews[before | is_live], groups)
        for measure in _measures(setting)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


@dataclass(frozen=True, slots=True)
class _Measure:
    name: str
    unit: str
    of: Callable[[pd.DataFrame, Setting, np.random.Generator, bool], _Side]


def _measures(setting: Setting) -> tuple[_Measure, ...]:
    return (
        _Measure("median_time_to_decision", "hours", _median_time),
        _Measure("decisions_per_week", "per week", _pace),
        _Measure("touch_time", "minutes", _touch),
        _Measure("cost_per_case", setting.currency, _cost),
        _Measure("error", setting.currency, _error),
        _Measure("overrides_that_paid", "share", _paid),
        _Measure("ai_share_used", "share", _used),
    )


def _row(measure: _Measure, before: pd.DataFrame, now: pd.DataFrame, setting: Setting) -> dict[str, object]:
    chance = np.random.default_rng(setting.seed)
    was, is_now = measure.of(before, setting, chance, True), measure.of(now, setting, chance, False)
    low = high = float("nan")
    is_alike = was.clocks == is_now.clocks
    if is_alike and was.draws is not None and is_now.draws is not None:
        changes = is_now.draws - was.draws
        if np.isfinite(changes).all():  # a draw in which the curve does not get to a half has no median
            low, high = (float(end) for end in np.quantile(changes, (0.025, 0.975)))
    return {
        "measure": measure.name,
        "unit": measure.unit,
        "baseline": was.value,
        "now": is_now.value,
        "change": is_now.value - was.value if is_alike else float("nan"),
        "low": low,
        "high": high,
        "n_baseline": was.n,
        "n_now": is_now.n,
    }


def _median_time(part: pd.DataFrame, setting: Setting, chance: np.random.Generator, is_before: bool) -> _Side:
    times = durations(part, as_of=setting.as_of)
    if len(times) < SHOWN_FROM:
        return _Side(float("nan"), len(times))
    value = hours_until(survival(times), 0.5)
    clusters = part["series"].reindex(times.index)
    if clusters.nunique() < LEAST_CLUSTERS:
        return _Side(value, len(times))
    return _Side(value, len(times), median_draws(times, clusters, draws=setting.draws, chance=chance))


def _pace(part: pd.DataFrame, setting: Setting, chance: np.random.Generator, is_before: bool) -> _Side:
    start = part["created_at"].min() if is_before else pd.Timestamp(setting.go_live)
    end = pd.Timestamp(min(setting.go_live, setting.as_of) if is_before else setting.as_of)
    weeks = 0 if pd.isna(start) else max(0, (end - start) // timedelta(weeks=1))
    if weeks < LEAST_WEEKS:
        return _Side(float("nan"), 0)
    # The full weeks are the last ones: what came in first was not looked at in full either.
    place = (part["decided_at"].dropna() - (end - pd.Timedelta(weeks=weeks))) // pd.Timedelta(weeks=1)
    counts = np.bincount(place[(place >= 0) & (place < weeks)].to_numpy(int), minlength=weeks).astype(float)
    drawn = counts[chance.integers(0, weeks, (setting.draws, weeks))].mean(axis=1)
    return _Side(float(counts.mean()), int(counts.sum()), drawn)


def _touch(part: pd.DataFrame, setting: Setting, chance: np.random.Generator, is_before: bool) -> _Side:
    decided = part[part["state"] == "decided"]
    ways = {"started": _minutes_since(decided["started_at"], decided)}
    if "opened_at" in decided:
        ways["opened"] = _minutes_since(pd.to_datetime(decided["opened_at"], utc=True), decided)
    if "touch_minutes" in decided:
        ways["measured"] = decided["touch_minutes"].astype(float)
    every = pd.DataFrame(ways)
    minutes = every.ffill(axis=1).iloc[:, -1]  # the best way that there is, which is the last
    used = every.notna().iloc[:, ::-1].idxmax(axis=1)[minutes.notna()]
    side = _mean(minutes.dropna(), decided["series"], setting, chance, least=LEAST_CASES)
    return replace(side, clocks=frozenset(used.astype(str)))


def _minutes_since(begun: pd.Series, decided: pd.DataFrame) -> pd.Series:
    minutes = (decided["decided_at"] - begun).dt.total_seconds() / 60
    return minutes.where(minutes >= 0)


def _cost(part: pd.DataFrame, setting: Setting, chance: np.random.Generator, is_before: bool) -> _Side:
    touch = _touch(part, setting, chance, is_before)
    if setting.hourly_rate is None:
        return _Side(float("nan"), touch.n, clocks=touch.clocks)
    rate = setting.hourly_rate / 60
    draws = None if touch.draws is None else touch.draws * rate
    return _Side(touch.value * rate, touch.n, draws, touch.clocks)


def _error(part: pd.DataFrame, setting: Setting, chance: np.random.Generator, is_before: bool) -> _Side:
    rows = matched(part[part["state"] == "decided"], ["final"])
    missed = (rows["final"] - rows["actual"]).abs() * rows["value_per_unit"]
    return _mean(missed.dropna(), rows["series"], setting, chance, least=LEAST_MATCHED)


def _paid(part: pd.DataFrame, setting: Setting, chance: np.random.Generator, is_before: bool) -> _Side:
    rows = matched(judged(part), ["ai", "final"])
    rows = rows[is_override(rows, tolerance=setting.tolerance)]
    ended = outcomes(pd.DataFrame({"adj": rows["final"] - rows["ai"], "gap": rows["actual"] - rows["ai"]}))
    return _mean(ended.isin(HELPED).astype(float), rows["series"], setting, chance, least=LEAST_CASES)


def _used(part: pd.DataFrame, setting: Setting, chance: np.random.Generator, is_before: bool) -> _Side:
    rows = judged(part)
    kept = (~is_override(rows, tolerance=setting.tolerance)).astype(float)
    return _mean(kept, rows["series"], setting, chance, least=LEAST_CASES)


def _mean(values: pd.Series, series: pd.Series, setting: Setting, chance: np.random.Generator, *, least: int) -> _Side:
    """The mean with its draws over series: each draw takes as many series as there are, with all of their rows."""
    if len(values) < least:
        return _Side(float("nan"), len(values))
    by_series = values.groupby(series.reindex(values.index), sort=True).agg(["sum", "size"]).to_numpy(float)
    clusters = len(by_series)
    if clusters < LEAST_CLUSTERS:
        return _Side(float(values.mean()), len(values))
    totals = cluster_draws(clusters, draws=setting.draws, chance=chance) @ by_series
    return _Side(float(values.mean()), len(values), totals[:, 0] / totals[:, 1])
