"""Where adoption falls off: a step that loses more than it used to, month 12 beside month 1 (METHODS 8.4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from review_queue.measures.adoption import DECIDED, OPENED, conversions, measured, monday_of
from review_queue.measures.latency import CANT_TELL
from review_queue.measures.overrides import NOT_ENOUGH
from review_queue.measures.standardised import poisson_interval

REFERENCE_WEEKS = 8
LEAST_DROP = 0.1  #: ten percentage points
LEAST_N = 30  #: reviews in each week, and in the reference
SETTLED = 0.1  #: share of a week's reviews that may still be pending (ours)
CLIFF, USUAL = "cliff", "in usual range"
COLUMNS = ("step", "week", "reference", "now", "drop", "low", "high", "n_reference", "n_now", "drop_before", "state")
MONTHS = ("step", "first", "then", "change", "low", "high", "n_first", "n_then", "state")


def newcombe(counts: pd.DataFrame) -> pd.DataFrame:
    """The 95 % intervals of the differences of two shares, ``x1/n1 − x2/n2``: ``low`` and ``high``; NaN without rows.

    Source: R. G. Newcombe (1998), Statistics in Medicine 17, 873-890, method 10, as statsmodels computes it.
    """
    from statsmodels.stats.proportion import confint_proportions_2indep  # half a second that no start should wait for

    known = counts[(counts["n1"] > 0) & (counts["n2"] > 0)].astype(float)
    low, high = confint_proportions_2indep(
        *(known[name].to_numpy() for name in ("x1", "n1", "x2", "n2")), method="newcomb", compare="diff"
    )
    return pd.DataFrame({"low": low, "high": high}, index=known.index).reindex(counts.index)


def cliffs(times: pd.DataFrame, *, as_of: datetime, timezone: str = "UTC") -> pd.DataFrame:
    """Each step's latest week beside the eight weeks before the last two, the largest drop first.

    The latest week is the last one that is over and has at most a tenth of its reviews pending. A step is a cliff if,
    in that week and in the one before, the Newcombe 95 % interval of the drop excludes 0 and the drop is 10 points or
    more, with 30 reviews or more in both weeks and in the reference; with fewer the state is "not enough data".

    Args:
        times: as ``adoption.reached`` gives them.

    Returns:
        One row per step: ``week`` (ISO), ``reference`` and ``now`` (shares that took the step), ``drop`` (reference
        minus now) with its interval, ``drop_before`` (the same a week earlier) and ``state``.

    Source: METHODS 8.4.
    """
    table = conversions(times, as_of=as_of, timezone=timezone)
    this_week = monday_of(pd.to_datetime(pd.Series([as_of]), utc=True), timezone).iloc[0]
    over = table[table["starts"] < this_week]
    rows = [_compared(step, part) for step, part in over.groupby("step", sort=False)]
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    return found.sort_values(["drop", "step"], ascending=[False, True], ignore_index=True)


def where_it_fell(
    times: pd.DataFrame, *, step: str, week: str, groups: pd.Series, as_of: datetime, timezone: str = "UTC"
) -> pd.DataFrame:
    """Which segment contributes most to the drop of ``step`` in ``week``, the most first.

    Returns:
        ``group``, ``reference``, ``now`` (shares that took the step), ``share`` of the week's reviews and
        ``contribution``, ``(reference − now) · share``; NaN where a group has no reference or nothing now.
    """
    table = conversions(times, as_of=as_of, timezone=timezone, groups=groups)
    table = table[table["step"] == step]
    now = table[table["week"] == week]
    if now.empty:
        return pd.DataFrame(columns=["group", "reference", "now", "share", "contribution"])
    before = _reference(table, now["starts"].iloc[0])
    then = before.groupby("group", dropna=False)[["converted", "n"]].sum().reset_index()
    both = now.merge(then, on="group", how="left", suffixes=("", "_then"))
    found = pd.DataFrame({"group": both["group"], "reference": both["converted_then"] / both["n_then"]})
    found["now"], found["share"] = both["rate"], both["n"] / both["n"].sum()
    found["contribution"] = (found["reference"] - found["now"]) * found["share"]
    return found.sort_values("contribution", ascending=False, kind="stable", ignore_index=True)


def month_beside_month(
    times: pd.DataFrame, *, go_live: datetime, as_of: datetime, first: int = 1, then: int = 12
) -> pd.DataFrame:
    """The share that took each step in the first month after go-live, and in the twelfth.

    A month begins on the day of go-live; reviews count in the one in which they became eligible.

    Returns:
        One row per step: ``first`` and ``then`` (shares), ``change`` (then minus first) with its Newcombe 95 %
        interval, ``n_first``, ``n_then`` and ``state``: "not enough data" below 30 in either, "can't tell yet" where
        the interval holds 0, else "changed". All are NaN for a month that is not over.
    """
    parts = {}
    for name, month in (("first", first), ("then", then)):
        begins = pd.Timestamp(go_live) + pd.DateOffset(months=month - 1)
        ends = pd.Timestamp(go_live) + pd.DateOffset(months=month)
        inside = (times["eligible"] >= begins) & (times["eligible"] < ends) & (ends <= pd.Timestamp(as_of))
        found = conversions(times, as_of=as_of, groups=inside.map({True: name, False: None}))
        sums = found[found["group"] == name].groupby("step")[["converted", "n"]].sum()
        parts[name] = sums.reindex(pd.Index(measured(times)[1:], name="step"), fill_value=0)
    table = pd.DataFrame(
        {
            "x1": parts["then"]["converted"],
            "n1": parts["then"]["n"],
            "x2": parts["first"]["converted"],
            "n2": parts["first"]["n"],
        }
    )
    found = newcombe(table)
    found["then"] = table["x1"] / table["n1"].where(table["n1"] > 0)
    found["first"] = table["x2"] / table["n2"].where(table["n2"] > 0)
    found["change"] = found["then"] - found["first"]
    found["n_first"], found["n_then"] = table["n2"], table["n1"]
    few = (table["n1"] < LEAST_N) | (table["n2"] < LEAST_N)
    sure = (found["low"] > 0) | (found["high"] < 0)
    found["state"] = sure.map({True: "changed", False: CANT_TELL}).mask(few, NOT_ENOUGH)
    return found.reset_index()[list(MONTHS)]


@dataclass(frozen=True, slots=True)
class QuietAbandonment:
    """Decisions that are no longer looked at."""

    opened: float  #: share of the latest week's decisions whose item was opened
    reference: float  #: the same in the eight weeks before the last two
    low: float  #: 95 % interval of the drop
    high: float
    decided: int  #: decisions of the latest week
    usual: float  #: decisions a week in the reference
    state: str  #: "cliff", "in usual range" or "not enough data"


def quiet_abandonment(times: pd.DataFrame, *, as_of: datetime, timezone: str = "UTC") -> QuietAbandonment:
    """Whether fewer items are opened while as many are decided: a sign of approval by the batch.

    By week of decision. The share opened must fall as a cliff does, and the decisions must not be fewer than usual
    (their exact Poisson 95 % interval beside the reference reaches 1 or more). How much is fewer is ours.

    Args:
        times: as ``adoption.reached`` gives them. Source: METHODS 8.4.
    """
    decided = times[times[DECIDED].notna()]
    this_week = monday_of(pd.to_datetime(pd.Series([as_of]), utc=True), timezone).iloc[0]
    by_week = decided[OPENED].notna().groupby(monday_of(decided[DECIDED], timezone)).agg(["sum", "size"])
    table = by_week.set_axis(["converted", "n"], axis=1).rename_axis("starts").reset_index()
    table = table[table["starts"] < this_week].assign(week="", pending=0, reached=table["n"])
    if table.empty:
        unknown = float("nan")
        return QuietAbandonment(unknown, unknown, unknown, unknown, 0, 0.0, NOT_ENOUGH)
    row = _compared(OPENED, table)
    n_now, usual = int(row["n_now"]), float(row["n_reference"]) / REFERENCE_WEEKS
    as_many = poisson_interval(pd.Series([n_now]), pd.Series([usual]))["high"].iloc[0] >= 1
    state = USUAL if row["state"] == CLIFF and not as_many else str(row["state"])
    return QuietAbandonment(row["now"], row["reference"], row["low"], row["high"], n_now, usual, state)


def _compared(step: object, weeks: pd.DataFrame) -> dict[str, Any]:
    """One step's latest settled week and the one before, beside the reference before both."""
    settled = weeks[weeks["pending"] <= SETTLED * weeks["reached"]]
    last = settled["starts"].max()
    earlier = last - pd.Timedelta(weeks=1)
    counts = [
        weeks.loc[weeks["starts"] == last, ["converted", "n"]].sum(),
        weeks.loc[weeks["starts"] == earlier, ["converted", "n"]].sum(),
    ]
    reference = _reference(weeks, last)[["converted", "n"]].sum()
    pairs = pd.DataFrame([{"x1": reference["converted"], "n1": reference["n"], "x2": x, "n2": n} for x, n in counts])
    spans = newcombe(pairs)
    drops = pairs["x1"] / pairs["n1"].where(pairs["n1"] > 0) - pairs["x2"] / pairs["n2"].where(pairs["n2"] > 0)
    fell = ((spans["low"] > 0) & (drops >= LEAST_DROP)).all()
    few = (pairs[["n1", "n2"]] < LEAST_N).to_numpy().any()
    return {
        "step": step,
        "week": settled.loc[settled["starts"] == last, "week"].max(),
        "reference": _share(reference),
        "now": _share(counts[0]),
        "drop": drops[0],
        "low": spans["low"][0],
        "high": spans["high"][0],
        "n_reference": int(reference["n"]),
        "n_now": int(counts[0]["n"]),
        "drop_before": drops[1],
        "state": NOT_ENOUGH if few else CLIFF if fell else USUAL,
    }


def _reference(weeks: pd.DataFrame, last: pd.Timestamp) -> pd.DataFrame:
    """The eight weeks that end before the one before ``last`` begins."""
    ends = last - pd.Timedelta(weeks=1)
    return weeks[(weeks["starts"] < ends) & (weeks["starts"] >= ends - pd.Timedelta(weeks=REFERENCE_WEEKS))]


def _share(counts: pd.Series) -> float:
    return float(counts["converted"] / counts["n"]) if counts["n"] else float("nan")
