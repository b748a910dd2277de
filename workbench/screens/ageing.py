"""Ageing: what waits and until when, what flows through, and in which stage the time goes. No Streamlit here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import pandas as pd

from review_queue.calendars import BusinessCalendar
from review_queue.items import OPEN_STATES, Outcome
from review_queue.measures import capacity, clearing, deadlines, flow, stages, threshold
from review_queue.measures.latency import SHOWN_FROM, durations
from storage.engine import Database
from storage.stage_events import TAKEN_UP, stage_events
from workbench.analytics import groups_for
from workbench.known_reviews import Reviews

WAITING, FLOW, TIME = "Waiting", "Flow", "Time"
VIEWS = (WAITING, FLOW, TIME)
#: What the measures call a stretch until a deadline → its title.
DUE_TITLES = {
    deadlines.LATE: "late",
    deadlines.TODAY: "today",
    deadlines.SOON: "in 1–2 d",
    deadlines.THIS_WEEK: "in 3–5 d",
    deadlines.LATER: "later",
    deadlines.NO_DEADLINE: "no deadline",
}
FLOW_DAYS = 91  #: days shown of what flows through where no time is chosen: of more, the bands are too thin to see
ACTIVE_DAYS = 28  #: days in which somebody decided who counts as a reviewer for utilisation
WEEKS_TO_CLEAR = 4  #: until when a queue without deadlines is to be cleared
STAGES = {
    TAKEN_UP: stages.IN_HAND,
    Outcome.ESCALATE.value: "escalated",
    Outcome.DEFER.value: "put off",
    Outcome.SEND_BACK.value: "sent back",
}
_END = "end"


# --- Waiting -------------------------------------------------------------------------------------------------------


def due_by(known: Reviews, by: str) -> pd.DataFrame:
    """Open items by group and by when they are due: ``group``, ``open``, and a count for each of ``DUE_TITLES``."""
    waiting = known.table[known.table["state"].isin(OPEN_STATES)]
    due = deadlines.due_bucket(waiting, as_of=known.as_of, timezone=known.workflow.policy.timezone)
    groups = groups_for(known, by).reindex(waiting.index).astype("object")
    counts = pd.crosstab(groups.where(groups.notna(), "unknown"), due).reindex(columns=list(DUE_TITLES), fill_value=0)
    table = counts.rename_axis("group", axis=0).rename_axis(None, axis=1).reset_index()
    return table.assign(open=counts.to_numpy().sum(axis=1))


def due_answer(known: Reviews) -> str:
    """How many open items are late, due today, soon and later; empty where nothing waits."""
    counts = deadlines.due_buckets(known.table, as_of=known.as_of, timezone=known.workflow.policy.timezone)
    parts = [f"{row.open:,} {DUE_TITLES[row.due]}" for row in counts.itertuples() if row.open]
    return f"Due: {', '.join(parts)}." if parts else ""


# --- Flow ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Flow:
    """What came in, what was decided, and when the queue will be clear."""

    bands: pd.DataFrame  #: as ``measures.flow.cumulative_flow`` gives it, from 0 on
    days: int  #: calendar days that ``bands`` cover
    past: pd.DataFrame  #: ``date`` and ``open`` at the end of each of the last 40 working days
    fan: pd.DataFrame  #: as ``measures.clearing.fan`` gives it, with each day's ``date``
    found: clearing.Clearing
    clear_on: date | None  #: as likely as not by then
    answer: str


def flow_of(known: Reviews, days: int | None) -> Flow:
    """The flow of the last ``days`` (None: 13 weeks), and the queue of the next 40 working days."""
    policy, calendar = known.workflow.policy, BusinessCalendar.of(known.workflow.policy)
    shown = days or FLOW_DAYS
    start = max(known.as_of - timedelta(days=shown), known.table["created_at"].min().to_pydatetime())
    bands = flow.cumulative_flow(flow.events_of(known.table), start=start, end=known.as_of, timezone=policy.timezone)
    bands[list(flow.STEPS)] -= int(bands[flow.LEFT].iloc[0])
    daily = flow.per_day(
        known.table,
        start=known.table["created_at"].min(),
        end=known.as_of,
        timezone=policy.timezone,
        calendar=calendar,
    )
    if known.one_in > 1:
        bands[list(flow.STEPS)] *= known.one_in
        daily = _of_all(daily, known)
    backlog, over = int(daily["open"].iloc[-1]), daily.iloc[:-1]  # today is not over
    found = clearing.clearing(over, backlog=backlog)
    fan = clearing.fan(over, backlog=backlog)
    ends = [clearing.day_after(float(day), now=known.as_of, calendar=calendar) for day in fan["day"]]
    past = pd.concat([clearing.working_history(over), daily.tail(1)])[["day", "open"]].rename(columns={"day": "date"})
    return Flow(
        bands=bands,
        days=len(bands),
        past=past,
        fan=fan.assign(date=pd.to_datetime(pd.Series(ends))),
        found=found,
        clear_on=clearing.day_after(found.p50, now=known.as_of, calendar=calendar) if backlog else None,
        answer=clearing.in_words(found, by=_last_deadline(known), now=known.as_of, calendar=calendar),
    )


def _of_all(daily: pd.DataFrame, known: Reviews) -> pd.DataFrame:
    """Days of some series as those of all; what waits is counted, and what waited follows from it."""
    moved = ["arrivals", "decisions", "withdrawals"]
    scaled = daily.assign(**{name: daily[name] * known.one_in for name in moved})
    net = (scaled["arrivals"] - scaled["decisions"] - scaled["withdrawals"]).cumsum()
    return scaled.assign(open=(len(known.waiting.table) - net.iloc[-1] + net).clip(lower=0))


def pace_answer(found: clearing.Clearing) -> str:
    """What comes in and what is decided on a working day."""
    if not found.history:
        return "No working day is over yet."
    return (
        f"In the last {found.history} working days {found.arrivals:.1f} items a day came in, and "
        f"{found.decisions:.1f} were decided."
    )


def utilisation_answer(known: Reviews, found: clearing.Clearing, *, hours: float | None) -> str:
    """How much of the reviewers' time the arriving items need, at so many hours a day that each of them has for it."""
    reviewers, minutes = _reviewers(known), known.workflow.policy.review_minutes
    basis = f"({reviewers} who decided in the last 4 weeks; {minutes:g} min an item, as the policy expects.)"
    if hours is None:
        return f"Utilisation: type how many hours a day each reviewer has for reviews. {basis}"
    used = capacity.utilisation(arrivals=found.arrivals, touch_minutes=minutes, reviewers=reviewers, hours=hours)
    return f"{capacity.in_words(used)} {basis}"


def threshold_answer(known: Reviews, *, hours: float | None) -> str:
    """What the policy's threshold flags in a week beside what people can review in one; empty without their hours."""
    if hours is None:
        return ""
    policy = known.workflow.policy
    a_day = _reviewers(known) * hours * 60 / policy.review_minutes
    found = threshold.threshold_to_capacity(
        known.table,
        as_of=known.as_of,
        capacity=a_day * len(policy.calendar.weekdays),
        flag_at=policy.flag_at,
        materiality=policy.materiality,
    )
    return threshold.in_words(found)


def _reviewers(known: Reviews) -> int:
    """How many people decided anything in the last four weeks."""
    return int(known.since(ACTIVE_DAYS, column="decided_at").table["reviewer"].nunique())


def _last_deadline(known: Reviews) -> date:
    """The day of the last deadline of what waits, by which the queue is to be clear; else in four weeks."""
    zone = known.workflow.policy.zone
    last = known.waiting.table["due_at"].max()
    soonest = known.as_of + timedelta(weeks=WEEKS_TO_CLEAR)
    wanted = last.to_pydatetime() if pd.notna(last) and last > pd.Timestamp(known.as_of) else soonest
    return wanted.astimezone(zone).date()


# --- Time ----------------------------------------------------------------------------------------------------------


def moved_on(database: Database, known: Reviews) -> pd.DataFrame:
    """When these items were escalated, put off, sent back and taken up again, as ``storage.stage_events`` tells it."""
    with database.reading() as session:
        return stage_events(session, known.table["item"].dropna().tolist(), known.as_of)


def spells(known: Reviews, events: pd.DataFrame) -> pd.DataFrame:
    """The stays of each review in each stage, as ``measures.stages.bottleneck`` takes them.

    ``events``: as ``moved_on`` gives them; an item without any is first waiting and then in hand.
    """
    is_moved = known.table["item"].isin(events["item"])
    plain = stages.spells_of(known.table[~is_moved])
    if not is_moved.any():
        return plain
    table = known.table[is_moved]
    review = pd.Series(table.index, index=table["item"].astype("int64"))
    left = table["decided_at"].combine_first(table["withdrawn_at"])
    marks = pd.concat(
        [
            pd.DataFrame({"review": table.index, "at": table["created_at"], "stage": stages.WAITING}),
            pd.DataFrame({"review": table.index, "at": table["started_at"], "stage": stages.IN_HAND}),
            pd.DataFrame(
                {
                    "review": events["item"].map(review).to_numpy(),
                    "at": events["at"].to_numpy(),
                    "stage": events["stage"].map(STAGES).to_numpy(),
                }
            ),
            pd.DataFrame({"review": table.index, "at": left, "stage": _END}),
        ],
        ignore_index=True,
    )
    marks["at"] = pd.to_datetime(marks["at"], utc=True)
    marks = marks.dropna(subset=["at"]).sort_values(["review", "at"], kind="stable", ignore_index=True)
    marks["left_at"] = marks.groupby("review")["at"].shift(-1)
    stays = marks[marks["stage"] != _END].rename(columns={"at": "entered_at"})
    return pd.concat([plain, stays[["review", "stage", "entered_at", "left_at"]]], ignore_index=True)


def waiting_shares(known: Reviews, events: pd.DataFrame, by: str) -> pd.DataFrame:
    """In which group and stage the waiting is done, in business hours, as ``measures.stages.bottleneck`` gives it."""
    stays = spells(known, events)
    groups = stays["review"].map(groups_for(known, by))
    calendar = BusinessCalendar.of(known.workflow.policy)
    return stages.bottleneck(stays, as_of=known.as_of, calendar=calendar, groups=groups)


def bottleneck_answer(shares: pd.DataFrame, n: int) -> str:
    """Which group holds most of the waiting, and in which stage it is done."""
    if n < SHOWN_FROM:
        return f"Where the time goes: can't tell yet, {n} of {SHOWN_FROM} reviews needed."
    by_group = shares.groupby(shares["group"].fillna("unknown"))["share"].sum().sort_values(ascending=False)
    by_stage = shares.groupby("stage")["share"].sum().sort_values(ascending=False)
    where = "" if len(by_group) < 2 else f", {by_group.iloc[0]:.0%} in {by_group.index[0]}"
    return f"Of all waiting {by_stage.iloc[0]:.0%} is {_spent(str(by_stage.index[0]))}{where}."


def attainment_answer(known: Reviews) -> str:
    """The share of reviews that end within the promised business hours, open ones counted."""
    policy = known.workflow.policy
    times = durations(known.table, as_of=known.as_of, calendar=BusinessCalendar.of(policy))
    kept = deadlines.attainment(times, sla_hours=policy.sla_hours)
    promise = f"within the promised {policy.sla_hours:g} business hours"
    if kept.n < SHOWN_FROM:
        return f"Decided {promise}: can't tell yet, {kept.n} of {SHOWN_FROM} reviews needed."
    interval = "" if pd.isna(kept.low) else f" (95 % interval {kept.low:.0%} to {kept.high:.0%})"
    return f"{kept.share:.0%} are decided {promise}{interval}."


def _spent(stage: str) -> str:
    return "before anybody starts" if stage == stages.WAITING else stage
