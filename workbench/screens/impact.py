"""Impact: is it used, does it change decisions, and what is it worth? Before go-live beside now. No Streamlit here."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import pandas as pd

from review_queue.measures import impact
from review_queue.measures.adoption import live
from review_queue.measures.impact import Setting, went_live_at
from review_queue.measures.latency import SHOWN_FROM, latency
from review_queue.measures.overrides import wilson
from review_queue.roles import Principal
from review_queue.small_groups import SMALLEST
from storage.happenings import Happening
from workbench.analytics import duration
from workbench.known_reviews import Reviews

NO_BASELINE = "No baseline: import past reviews (kind reviews) from before go-live, and this page compares."
TITLES = {
    "median_time_to_decision": "Median time to a decision",
    "decisions_per_week": "Decisions a week",
    "touch_time": "Touch time a case",
    "cost_per_case": "Cost a case",
    "error": "Error of the final value",
    "overrides_that_paid": "Overrides that paid",
    "ai_share_used": "Decisions with the AI's value",
}
_WORTH = {
    "median_time_to_decision": "half are decided within {}",
    "decisions_per_week": "{} decisions a week",
    "touch_time": "{} of touch time a case",
    "cost_per_case": "{} a case",
    "error": "final values miss by {} on average",
    "overrides_that_paid": "{} of overrides came nearer than the AI",
}
_SIDES = ("baseline", "now", "change", "low", "high")
OF_TWO_CLOCKS = ("touch_time", "cost_per_case")
ACTIVE_DAYS = 28  #: days in which somebody who uses it has decided something
BEFORE, NOW = "before go-live", "here"
MIDDLE = pd.Timedelta(days=14)  #: of a month, where its dot stands


def compared(known: Reviews, *, rate: float | None) -> pd.DataFrame:
    """Each measure before and now, as ``measures.impact.impact`` gives them, with ``title``; empty before go-live.

    ``rate``: what an hour of a reviewer costs; None leaves the cost unknown.
    """
    went_live = went_live_at(known.table)
    if went_live is None:
        return pd.DataFrame(columns=["title", *impact.COLUMNS])
    currency = known.workflow.policy.currency or "money"
    setting = Setting(known.as_of, known.tolerance, went_live, hourly_rate=rate, currency=currency)
    table = impact.impact(known.table, setting)
    table.loc[table["measure"] == "error", "unit"] = money_unit(known)
    table.loc[table["measure"] == "decisions_per_week", [*_SIDES]] *= known.one_in
    return table.assign(title=table["measure"].map(TITLES))


def money_unit(known: Reviews) -> str:
    """What money is counted in: the unit where one of it is worth one, else the currency."""
    policy = known.workflow.policy
    return policy.unit if known.table["value_per_unit"].fillna(1).eq(1).all() else policy.currency or "money"


def has_baseline(table: pd.DataFrame) -> bool:
    """Whether any measure is known from before go-live."""
    return bool((table["n_baseline"] > 0).any())


# --- the answers ---------------------------------------------------------------------------------------------------


def answer(known: Reviews, table: pd.DataFrame) -> str:
    """What has changed beyond chance since go-live, with its interval; or that nothing can be said yet."""
    went_live = went_live_at(known.table)
    if went_live is None:
        return "Can't tell yet: nothing has been reviewed here."
    if not has_baseline(table):
        return NO_BASELINE
    day = f"{went_live.astimezone(known.workflow.policy.zone):%-d %b %Y}"
    told = comparable(table)
    if told["change"].notna().sum() == 0:
        n = int(table.loc[table["measure"] == "median_time_to_decision", "n_baseline"].iloc[0])
        return f"Can't tell yet: {n} of {SHOWN_FROM} reviews from before go-live on {day}."
    sure = told[(told["low"] > 0) | (told["high"] < 0)]
    if sure.empty:
        return f"Since go-live on {day} nothing has changed beyond chance."
    parts = [
        f"{row.title.lower()} {figure(row.now, row.unit)}, before {figure(row.baseline, row.unit)} (95 % interval of "
        f"the change {figure(row.low, row.unit, sign='+')} to {figure(row.high, row.unit, sign='+')})"
        for row in sure.itertuples()
    ]
    unsure = [row.title.lower() for row in told.itertuples() if row.Index not in sure.index]
    rest = f" Can't tell yet: {', '.join(unsure)}." if unsure else ""
    return f"Since go-live on {day}: {'; '.join(parts)}.{rest}"


def comparable(table: pd.DataFrame) -> pd.DataFrame:
    """The measures of which a change says something.

    The AI's share is no target. Touch time, and so the cost, runs from opening here and from being taken up before,
    so that a difference may be one of the clocks.
    """
    return table[~table["measure"].isin(["ai_share_used", *OF_TWO_CLOCKS])]


def used_answer(known: Reviews, reviewers: Collection[Principal]) -> str:
    """Whether the people it was built for use it; nobody is named."""
    recent = set(live(known.since(ACTIVE_DAYS, column="decided_at").table)["reviewer"].dropna())
    may = {who.name for who in reviewers}
    if not may:
        return "Used: nobody may review here yet."
    people = "1 person who" if len(may) == 1 else f"{len(may)} people who"
    return f"Used: {len(may & recent)} of {people} may review decided something in the last 4 weeks."


def decisions_answer(table: pd.DataFrame) -> str:
    """Whether decisions are different: how often the final value is the AI's, before and now. It is no target."""
    row = _row(table, "ai_share_used")
    if row is None or pd.isna(row["now"]):
        n = 0 if row is None else int(row["n_now"])
        return f"Different decisions: can't tell yet, {n} of {impact.LEAST_CASES} decisions needed."
    now = f"in {row['now']:.1%} of {row['n_now']:,} decisions the final value is the AI's"
    if pd.isna(row["change"]):
        return f"Different decisions: {now}; nothing to compare it with. No target: aiming at it makes rubber stamps."
    interval = "" if pd.isna(row["low"]) else f", 95 % interval {100 * row['low']:+.1f} to {100 * row['high']:+.1f}"
    return (
        f"Different decisions: {now}, before {row['baseline']:.1%} ({100 * row['change']:+.1f} points{interval}). "
        "It is no target: aiming at it makes rubber stamps."
    )


def worth_answer(table: pd.DataFrame) -> str:
    """What it is worth: time, pace, effort, cost, error and overrides that paid, now and before."""
    parts = []
    for name, said in _WORTH.items():
        row = _row(table, name)
        if row is not None and pd.notna(row["now"]):
            compares = pd.notna(row["baseline"]) and name not in OF_TWO_CLOCKS
            before = f" (before {figure(row['baseline'], row['unit'])})" if compares else ""
            parts.append(said.format(figure(row["now"], row["unit"])) + before)
    return f"Worth: {'; '.join(parts)}." if parts else "Worth: can't tell yet, too few reviews."


def footnote(known: Reviews, table: pd.DataFrame) -> str:
    """What the figures stand on."""
    went_live = went_live_at(known.table)
    if went_live is None:
        return ""
    day = f"{went_live.astimezone(known.workflow.policy.zone):%-d %b %Y}"
    cost = _row(table, "cost_per_case")
    rate = " Cost a case: type what an hour costs." if cost is not None and pd.isna(cost["now"]) else ""
    return (
        f"Go-live is taken to be {day}, when the first item came in. Touch time is an upper bound: from "
        f"opening here, from being taken up before, so the two do not compare. Before and after shows a change, "
        f"not its cause: read it beside what else changed.{rate}"
    )


def pulse_answer(counts: dict[int, int], *, smallest: int = SMALLEST) -> str:
    """The share of people who say that it helps (4 or 5 of 5), shown from ``smallest`` answers, one a person."""
    n = sum(counts.values())
    if n < smallest:
        return f"Helps: can't tell yet, {n} of {smallest} answers to the question on My desk."
    good = counts[4] + counts[5]
    interval = wilson(pd.Series([good]), pd.Series([n])).iloc[0]
    return (
        f"Helps: {good / n:.0%} of {n} people who answered in the last 3 months say 4 or 5 of 5 (95 % interval "
        f"{interval['low']:.0%} to {interval['high']:.0%})."
    )


def figure(value: float, unit: str, *, sign: str = "") -> str:
    """A value of a measure with its unit, as people say it; ``sign`` "+" writes one before it always."""
    if sign:
        way = "+" if value >= 0 else "−"
        return f"{way}{100 * abs(value):.1f} points" if unit == "share" else f"{way}{figure(abs(value), unit)}"
    if unit == "share":
        return f"{100 * value:.1f} %"
    if unit == "hours":
        return duration(value)
    named = {"minutes": " min", "per week": ""}.get(unit, f" {unit}")
    return f"{value:,.1f}{named}"


# --- over time -----------------------------------------------------------------------------------------------------


def pace(known: Reviews) -> pd.DataFrame:
    """Decisions a week in each month: ``month``, ``middle``, ``decisions``, ``a_week``, ``side``.

    A month without any is there with 0, from the first of its side to the last. The first month counts from the first
    arrival, and that of ``as_of`` is left out: it is not over. By month, since a monthly cycle hides any change from
    one week to the next.
    """
    zone, is_live = known.workflow.policy.timezone, known.table["item"].notna()
    this_month = pd.Timestamp(known.as_of).tz_convert(zone).tz_localize(None).to_period("M")
    parts = []
    for side, keep in ((BEFORE, _is_before(known)), (NOW, is_live)):
        rows, went_live = known.table[keep], went_live_at(known.table)
        decided = rows["decided_at"].dropna()
        if side == BEFORE and went_live is not None:
            decided = decided[decided < pd.Timestamp(went_live)]
        months = _months(decided, zone)
        months = months[months < this_month]
        if len(months):
            first = rows["created_at"].min().tz_convert(zone).tz_localize(None)
            every = pd.period_range(min(first.to_period("M"), months.min()), months.max(), freq="M")
            counts = months.value_counts().reindex(every, fill_value=0)
            starts = pd.Series(every.start_time)
            weeks = (pd.Series(every.end_time) - starts.clip(lower=first)).dt.total_seconds() / (7 * 24 * 3600)
            found = pd.DataFrame({"month": starts, "decisions": counts.to_numpy() * known.one_in, "side": side})
            parts.append(found.assign(a_week=found["decisions"] / weeks.clip(lower=1 / 7)))
    if not parts:
        return pd.DataFrame(columns=["month", "middle", "decisions", "a_week", "side"])
    table = pd.concat(parts, ignore_index=True)
    return table.assign(middle=table["month"] + MIDDLE)


def time_by_month(known: Reviews) -> pd.DataFrame:
    """The Kaplan–Meier median by month of arrival: ``month``, ``middle``, ``side``, ``n`` and ``median_days``.

    Below 20 reviews the median is NaN.
    """
    months = _months(known.table["created_at"], known.workflow.policy.timezone)
    parts = []
    for side, keep in ((BEFORE, _is_before(known)), (NOW, known.table["item"].notna())):
        if keep.any():
            found = latency(known.table[keep], as_of=known.as_of, groups=months[keep].astype(str))
            parts.append(found.assign(side=side))
    if not parts:
        return pd.DataFrame(columns=["month", "middle", "side", "n", "median_days"])
    table = pd.concat(parts, ignore_index=True)
    median = table["median_hours"].where(table["n"] >= SHOWN_FROM)
    month = pd.to_datetime(table["group"])
    columns = {"month": month, "middle": month + MIDDLE, "side": table["side"], "n": table["n"]}
    return pd.DataFrame({**columns, "median_days": median / 24})


def marks(known: Reviews, happened: list[Happening]) -> pd.DataFrame:
    """What stands on the charts over time: go-live, and what else changed by its number. ``day, label, what``."""
    went_live = went_live_at(known.table)
    rows = [] if went_live is None else [(_day(went_live, known), "go-live", "Go-live")]
    rows += [(pd.Timestamp(one.day), str(number), one.what) for number, one in enumerate(happened, start=1)]
    return pd.DataFrame(rows, columns=["day", "label", "what"])


def _is_before(known: Reviews) -> pd.Series:
    """Which reviews are the baseline: imported, and created before go-live."""
    went_live, is_past = went_live_at(known.table), known.table["item"].isna()
    return is_past if went_live is None else is_past & (known.table["created_at"] < pd.Timestamp(went_live))


def _months(times: pd.Series, zone: str) -> pd.Series:
    return times.dt.tz_convert(zone).dt.tz_localize(None).dt.to_period("M")


def _day(instant: datetime, known: Reviews) -> pd.Timestamp:
    return pd.Timestamp(instant.astimezone(known.workflow.policy.zone).date())


def _row(table: pd.DataFrame, name: str) -> pd.Series | None:
    found = table[table["measure"] == name]
    return None if found.empty else found.iloc[0]
