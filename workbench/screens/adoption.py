"""Adoption: how far forecasts get, where they stop, and whether people keep coming. No Streamlit here."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from review_queue.measures import adoption, cliffs
from review_queue.measures.activity import first_override, retention, weekly_active
from review_queue.measures.impact import went_live_at
from review_queue.measures.latency import SHOWN_FROM
from review_queue.measures.overrides import NOT_ENOUGH, wilson
from review_queue.measures.shadow import shadow_overrides
from workbench.analytics import duration, groups_for
from workbench.known_reviews import Reviews

#: Steps as people say them; each completes "how many of them were …".
STEP_TITLES = {
    adoption.ELIGIBLE: "came in",
    adoption.PRODUCED: "with an AI forecast",
    adoption.SHOWN: "shown",
    adoption.OPENED: "opened",
    adoption.DECIDED: "decided",
    adoption.INFORMED: "accepted or informed",
    adoption.UNCHANGED: "unchanged at lock",
    adoption.USED: "used downstream",
}
UNKNOWN_BECAUSE = {
    adoption.UNCHANGED: "no locked plan is known here",
    adoption.USED: "no plan has been brought in",
}
WEEKS_SHOWN = 12  #: cohorts in the chart; the table has all
STILL_UNDER_WAY = cliffs.SETTLED  #: share of a cohort pending from which its rate is not coloured


def steps_of(known: Reviews) -> pd.DataFrame:
    """When each review reached each step, as ``measures.adoption.reached`` gives it."""
    return adoption.reached(known.table, tolerance=known.tolerance)


def cohorts(known: Reviews, times: pd.DataFrame) -> pd.DataFrame:
    """Conversions by week of arrival and step, as ``measures.adoption.conversions`` gives them.

    With the ``title`` of the step, and whether the week ``is_over``.
    """
    zone = known.workflow.policy.timezone
    table = adoption.conversions(times, as_of=known.as_of, timezone=zone)
    this_week = adoption.monday_of(pd.to_datetime(pd.Series([known.as_of]), utc=True), zone).iloc[0]
    return table.assign(title=table["step"].map(STEP_TITLES), is_over=table["starts"] < this_week)


def overall(table: pd.DataFrame) -> pd.DataFrame:
    """The share that took each step over all cohorts: ``step, title, n, converted, pending, rate, low, high``."""
    sums = table.groupby(["step", "title"], sort=False)[["n", "converted", "pending"]].sum().reset_index()
    sums["rate"] = sums["converted"] / sums["n"].where(sums["n"] > 0)
    sums[["low", "high"]] = wilson(sums["converted"], sums["n"])
    return sums


def answer(known: Reviews, times: pd.DataFrame, table: pd.DataFrame) -> str:
    """How many of the forecasts that came in get a decision, and at which step most stop."""
    steps = overall(table)
    came_in, decided = len(times), times[adoption.DECIDED].notna()
    settled = decided | ~_pending(times, known)
    n = int(settled.sum())
    if n < cliffs.LEAST_N:
        return f"Can't tell yet: {n} of {cliffs.LEAST_N} forecasts needed whose time is up."
    interval = wilson(pd.Series([int(decided.sum())]), pd.Series([n])).iloc[0]
    first = (
        f"{decided.sum() / n:.1%} of forecasts get a decision (95 % interval {interval['low']:.1%} to "
        f"{interval['high']:.1%}), {came_in - n:,} more are still under way."
    )
    least = steps.loc[steps["rate"].idxmin()]
    if least["rate"] >= 1:
        return f"{first} No step loses any."
    why = "; the rest are overrides whose reason brings no information" if least["step"] == adoption.INFORMED else ""
    return f"{first} The step that loses most is “{least['title']}”: {least['rate']:.1%} take it{why}."


def cliff_answer(known: Reviews, times: pd.DataFrame, by: str) -> str:
    """Whether a step suddenly loses more than it used to, with the group that contributes most."""
    zone = known.workflow.policy.timezone
    found = cliffs.cliffs(times, as_of=known.as_of, timezone=zone)
    fallen = found[found["state"] == cliffs.CLIFF]
    judged = found[found["state"] != NOT_ENOUGH]
    if not fallen.empty:
        row = fallen.iloc[0]
        title = STEP_TITLES[row["step"]]
        where = cliffs.where_it_fell(
            times,
            step=row["step"],
            week=row["week"],
            groups=groups_for(known, by),
            as_of=known.as_of,
            timezone=zone,
        )
        most = "" if where.empty or pd.isna(where["contribution"].iloc[0]) else _most(where)
        return (
            f"A cliff at “{title}”: {row['now']:.0%} in {row['week']}, {row['reference']:.0%} in the eight weeks "
            f"before (95 % interval of the drop {row['low']:.0%} to {row['high']:.0%}), two weeks in a row.{most}"
        )
    if judged.empty:
        n = int(found[["n_now", "n_reference"]].min(axis=1).max()) if len(found) else 0
        return f"A cliff: can't tell yet, {n} of {cliffs.LEAST_N} forecasts a week needed."
    row = judged.iloc[0]
    return (
        f"No cliff in {row['week']}: the largest drop, at “{STEP_TITLES[row['step']]}”, is {100 * row['drop']:.0f} "
        f"points (95 % interval {100 * row['low']:.0f} to {100 * row['high']:.0f}) beside the eight weeks before."
    )


def quiet_answer(known: Reviews, times: pd.DataFrame) -> str:
    """Whether items are decided without being opened more than they used to be."""
    found = cliffs.quiet_abandonment(times, as_of=known.as_of, timezone=known.workflow.policy.timezone)
    if found.state == NOT_ENOUGH:
        return (
            f"Quiet abandonment: can't tell yet, {found.decided} of {cliffs.LEAST_N} decisions in the last full week."
        )
    shares = f"{found.opened:.0%} of the last full week's decisions were opened first, {found.reference:.0%} before"
    if found.state == cliffs.CLIFF:
        interval = f"95 % interval of the drop {found.low:.0%} to {found.high:.0%}"
        return f"Quiet abandonment: as much is decided, but fewer items are looked at; {shares} ({interval})."
    return f"No quiet abandonment: {shares}."


def shadow_answer(known: Reviews) -> str:
    """How often what was decided here was replaced before it was used."""
    if "used_value" not in known.table or known.table["used_value"].isna().all():
        return "Shadow overrides: can't tell, no plan has been brought in."
    row = shadow_overrides(known.table).iloc[0]
    if row["state"] == NOT_ENOUGH:
        return f"Shadow overrides: can't tell yet, {row['n']} of 20 decisions with a used value needed."
    return (
        f"Shadow overrides: {row['share']:.1%} of decided values were replaced before they were used (95 % interval "
        f"{row['low']:.1%} to {row['high']:.1%}), {row['money']:,.0f} in all."
    )


def shadow_by(known: Reviews, by: str) -> pd.DataFrame:
    """The same for each group, as ``measures.shadow.shadow_overrides`` gives it."""
    return shadow_overrides(known.table, groups=groups_for(known, by))


def left_out(times: pd.DataFrame) -> str:
    """Which steps are not shown because nothing is known of them; empty if none."""
    known = adoption.measured(times)
    missing = [f"“{STEP_TITLES[step]}” ({UNKNOWN_BECAUSE[step]})" for step in UNKNOWN_BECAUSE if step not in known]
    return f"Left out: {' and '.join(missing)}." if missing else ""


# --- people --------------------------------------------------------------------------------------------------------


def active_by_week(known: Reviews) -> pd.DataFrame:
    """How many people decided something in each week: as ``measures.activity.weekly_active``, with its ``monday``."""
    table = weekly_active(known.table, as_of=known.as_of, timezone=known.workflow.policy.timezone)
    return table.assign(monday=pd.to_datetime(table["week"] + "-1", format="%G-W%V-%u"))


def people_answer(known: Reviews, weeks: pd.DataFrame) -> str:
    """How many people review in a usual week, and whether they stay; nobody is named."""
    if len(weeks) < 2:
        return "Nobody has reviewed for a full week yet."
    full = weeks.iloc[:-1].tail(8)["active"]  # this week is not over
    usual = (
        f"In the last {len(full)} full weeks {full.min()} to {full.max()} people reviewed, {full.median():.0f} usually."
    )
    stay = retention(known.table, as_of=known.as_of)
    n = int(stay["n"].iloc[0])
    if n < SHOWN_FROM:
        return f"{usual} Whether they stay: can't tell yet, {n} of {SHOWN_FROM} reviewers needed."
    shares = [
        f"{row.share:.0%} (95 % interval {row.low:.0%} to {row.high:.0%}) in week {row.week}"
        for row in stay.itertuples()
        if pd.notna(row.share) and pd.notna(row.low)
    ]
    still = f" Still active: {', '.join(shares)}." if shares else ""
    first = first_override(known.table, tolerance=known.tolerance).iloc[0]
    override = "" if pd.isna(first["hours"]) else f" Half have made a first override after {duration(first['hours'])}."
    return f"{usual}{still}{override}"


# --- month 1 beside month 12 ---------------------------------------------------------------------------------------


def go_live(known: Reviews) -> datetime | None:
    """When the first review was created here (UTC), taken for go-live."""
    return went_live_at(known.table)


def months(known: Reviews, times: pd.DataFrame) -> pd.DataFrame:
    """Month 1 beside month 12 step by step, as ``measures.cliffs.month_beside_month`` gives it, with ``title``."""
    began = go_live(known)
    if began is None:
        return pd.DataFrame(columns=[*cliffs.MONTHS, "title"])
    table = cliffs.month_beside_month(times, go_live=began, as_of=known.as_of)
    return table.assign(title=table["step"].map(STEP_TITLES))


def months_answer(table: pd.DataFrame) -> str:
    """What changed between the first month and the twelfth."""
    if table.empty or (table[["first", "then"]].isna().any().any() and table["then"].isna().all()):
        return "Month 12 beside month 1: can't tell yet, month 12 is not over."
    if (table["state"] == NOT_ENOUGH).all():
        n = int(table[["n_first", "n_then"]].min(axis=1).max())
        return f"Month 12 beside month 1: can't tell yet, {n} of {cliffs.LEAST_N} forecasts needed in each."
    changed = table[table["state"] == "changed"]
    if changed.empty:
        return "Month 12 beside month 1: no step differs beyond chance."
    parts = [
        f"“{row.title}” {100 * row.change:+.0f} points (95 % interval {100 * row.low:+.0f} to {100 * row.high:+.0f})"
        for row in changed.itertuples()
    ]
    return f"Month 12 beside month 1: {', '.join(parts)}."


def _pending(times: pd.DataFrame, known: Reviews) -> pd.Series:
    """Undecided reviews that are no older than 85 in 100 of the decided ones were at their decision."""
    hours = (times[adoption.DECIDED] - times[adoption.ELIGIBLE]).dt.total_seconds()
    waited = (pd.Timestamp(known.as_of) - times[adoption.ELIGIBLE]).dt.total_seconds()
    limit = hours.quantile(adoption.PENDING_UNTIL)
    return times[adoption.DECIDED].isna() & ~(waited >= limit)


def _most(where: pd.DataFrame) -> str:
    name = where["group"].iloc[0]
    return "" if pd.isna(name) else f" Most of it is in {name}."
