"""How far each source was off before: in one place, over all of them, and together with another source."""

from __future__ import annotations

import numpy as np
import pandas as pd

from review_queue import confidence
from review_queue.confidence import HALF_LIFE, HALF_LIVES, PRIOR
from review_queue.workflows import Policy

#: A miss counts as at most this share of what was stated, so that one slip of a decimal point is not the record.
MOST = 1.0
#: Errors that two sources have in common, from which it is told how far they move together.
ENOUGH_PAIRS = 20
RECORD = ("squares", "count", "class_mean_square", "class_count")
#: What a usual miss rests on.
OWN, CLASS, ASSUMED = "own", "class", "assumed"


def errors_of(past: pd.DataFrame) -> pd.DataFrame:
    """The errors of past statements whose actual is known.

    Args:
        past: ``series``, ``source``, ``period``, ``value`` and ``actual`` (unit), ``ended_at`` (UTC, when the period
            was over, from which on its error could be known).

    Returns:
        The same rows with ``error`` (actual minus value) and ``relative`` (as a share of the size of the value, at
        most 1 either way; NaN where the value is 0).
    """
    error = past["actual"] - past["value"]
    relative = (error / past["value"].abs().where(past["value"] != 0)).clip(-MOST, MOST)
    return past.assign(error=error, relative=relative)


def records_as_of(errors: pd.DataFrame, asked: pd.DataFrame) -> pd.DataFrame:
    """What was known of each source when it was asked: nothing of periods that were not over by then.

    Args:
        errors: as ``errors_of`` gives them.
        asked: ``series``, ``source``, ``at`` (UTC).

    Returns:
        Indexed as ``asked``: ``squares`` (sum of squared errors of the source on the series, unit squared) and their
        ``count``; ``class_mean_square`` (of its errors on every series, as shares of the value) and ``class_count``.
    """
    own = _running(errors.assign(square=errors["error"] ** 2), ["series", "source"])
    whole = _running(errors.assign(square=errors["relative"] ** 2).dropna(subset=["square"]), ["source"])
    here = _looked_up(asked, own, ["series", "source"])
    there = _looked_up(asked, whole, ["source"])
    found = pd.DataFrame(
        {
            "squares": here["sum"].fillna(0.0),
            "count": here["n"].fillna(0.0),
            "class_mean_square": there["sum"] / there["n"],
            "class_count": there["n"].fillna(0.0),
        }
    )
    return found[list(RECORD)]


def with_usual_miss(said: pd.DataFrame, records: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Statements as ``confidence.weigh`` takes them.

    Args:
        said: ``group``, ``source``, ``value``, ``materiality`` (unit), ``as_of`` and ``at`` (UTC: when it was stated,
            and when it is weighed).
        records: ``RECORD``, indexed as ``said``.
        policy: for ``sources``: half-lives and what is assumed of a source without a record.

    Returns:
        ``said`` with ``age`` and ``half_life`` (days), ``miss`` (unit), ``known`` (errors of its own here) and
        ``rests_on``: ``own`` errors here, those of its ``class`` on other series, or what is ``assumed``.
        A group in which every value is 0 and nothing is material is left out: nothing measures it.
    """
    rules = policy.sources
    size = confidence.typical_size(said)
    share = confidence.class_share(records["class_mean_square"], records["class_count"], rules.assumed_miss)
    rests_on = np.where(records["class_count"] >= PRIOR, CLASS, ASSUMED)
    prepared = said.assign(
        age=(said["at"] - said["as_of"]).dt.total_seconds() / 86_400,
        half_life=[half_life(source, policy) for source in said["source"]],
        miss=confidence.usual_miss(records["squares"], records["count"], share * size),
        known=records["count"].astype(int),
        rests_on=np.where(records["count"] > 0, OWN, rests_on),
    )
    return prepared[prepared["miss"] > 0]


def half_life(source: str, policy: Policy) -> float:
    """The days in which what this source says loses half of its weight."""
    usual = HALF_LIVES.get(source.casefold(), HALF_LIFE)
    return policy.sources.half_life_days.get(source, usual)


def moving_together(errors: pd.DataFrame) -> pd.DataFrame:
    """How far the errors of two sources go together: what overlap there may be that nobody has told of.

    Args:
        errors: as ``errors_of`` gives them, of any number of series.

    Returns:
        One row a pair: ``source``, ``other``, ``n`` (periods of series that both spoke of) and ``correlation`` of their
        relative errors, -1 to 1; NaN below 20. The strongest first. It does not tell who copies from whom, and sources
        that are surprised by the same event move together without copying.
    """
    wide = errors.pivot_table(index=["series", "period"], columns="source", values="relative", aggfunc="first")
    names = sorted(wide.columns)
    rows = []
    for place, name in enumerate(names):
        for other in names[place + 1 :]:
            both = wide[[name, other]].dropna()
            is_told = len(both) >= ENOUGH_PAIRS and both.std().gt(0).all()
            rows.append((name, other, len(both), both[name].corr(both[other]) if is_told else np.nan))
    found = pd.DataFrame(rows, columns=["source", "other", "n", "correlation"])
    return found.sort_values("correlation", ascending=False, ignore_index=True)


def by_source(errors: pd.DataFrame) -> pd.DataFrame:
    """The record of each source: ``source``, ``n``, ``mean_square``, ``typical`` (median relative miss) and ``bias``.

    ``bias`` is the mean of value minus actual as a share of the value: above 0 is too high.
    """
    known = errors.dropna(subset=["relative"])
    found = known.groupby("source")["relative"].agg(
        n="size",
        mean_square=lambda each: float((each**2).mean()),
        typical=lambda each: float(each.abs().median()),
        bias=lambda each: float(-each.mean()),
    )
    return found.reset_index()


def _running(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Sums so far by ``keys``, one row an instant."""
    at_once = rows.groupby([*keys, "ended_at"], sort=True)["square"].agg(["sum", "size"]).reset_index()
    so_far = at_once.groupby(keys)[["sum", "size"]].cumsum()
    return at_once[[*keys, "ended_at"]].assign(sum=so_far["sum"], n=so_far["size"]).sort_values("ended_at")


def _looked_up(asked: pd.DataFrame, running: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    if running.empty:
        return pd.DataFrame({"sum": np.nan, "n": np.nan}, index=asked.index)
    rows = asked[[*keys, "at"]].assign(place=np.arange(len(asked))).sort_values("at", kind="stable")
    rows["at"] = rows["at"].astype("datetime64[us, UTC]")
    known = running.astype({"ended_at": "datetime64[us, UTC]"})
    found = pd.merge_asof(rows, known, left_on="at", right_on="ended_at", by=keys, direction="backward")
    return found.sort_values("place").set_index(asked.index)[["sum", "n"]]
