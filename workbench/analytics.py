"""From the database through a measure to a table, for a screen or the command line. No Streamlit here."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from review_queue.exporting import inert
from review_queue.items import OPEN_STATES, Lane
from review_queue.measures import latency as timing
from review_queue.measures.ageing import ageing, open_reviews
from review_queue.measures.latency import durations, hours_until, latency, survival
from review_queue.measures.overrides import ENOUGH, overrides, reason_shares
from review_queue.reasons import REASONS
from review_queue.roles import Task
from storage import checks, people
from storage.engine import Database
from storage.reports import ATTRIBUTE, SEGMENT
from storage.second_looks import pairs
from workbench.actions.refusing import notes_refusals
from workbench.known_reviews import Reviews

#: Reviews from which a Kaplan–Meier percentile is shown (METHODS 9).
ENOUGH_TIMES = 20
LANE = "lane"


class ColumnUnknown(ValueError):
    """A column to group by that this workflow's reviews do not have."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"There is nothing called {name!r} to group by. Choose one of: {', '.join(known)}.")


def group_by(known: Reviews, by: str, *, week_of: str = "created_at") -> pd.Series:
    """What group each review is in: a segment level, ``reviewer``, ``reason``, ``week``, or an imported attribute.

    ``week`` is the ISO week, in the workflow's zone, of the time in the column ``week_of``.

    Raises:
        ColumnUnknown: there is no such column.
    """
    table = known.table
    if by in ("reviewer", "reason"):
        return table[by]
    if by == "week":
        days = table[week_of].dt.tz_convert(known.workflow.policy.zone).dt.tz_localize(None).dt.normalize()
        return days.map({day: day.strftime("%G-W%V") for day in days.dropna().unique()})  # one text a day, not a row
    for prefix in (SEGMENT, ATTRIBUTE):
        if prefix + by in table:
            return table[prefix + by]
    raise ColumnUnknown(by, columns_to_group_by(table))


def columns_to_group_by(table: pd.DataFrame) -> list[str]:
    """The names that ``--by`` takes for these reviews."""
    further = [
        column.removeprefix(prefix) for prefix in (SEGMENT, ATTRIBUTE) for column in table if column.startswith(prefix)
    ]
    return list(dict.fromkeys(["reviewer", "reason", "week", *further]))


@notes_refusals
def checks_caught(database: Database, known: Reviews, *, person_id: int) -> pd.Series:
    """Whether each check item was caught that was met in the person's scope by then; whose it was is not told."""
    with database.reading() as session:
        who = people.principal(session, person_id)
        who.require(Task.SEE_ANALYTICS, known.workflow.id)
        caught: pd.Series = checks.met(session, known.workflow, known.as_of, within=who)["is_caught"]
        return caught.astype(bool)


@notes_refusals
def second_looks(database: Database, known: Reviews, *, person_id: int) -> pd.DataFrame:
    """What two people made of the same item, in the person's scope; as ``storage.second_looks.pairs`` gives it."""
    with database.reading() as session:
        who = people.principal(session, person_id)
        who.require(Task.SEE_ANALYTICS, known.workflow.id)
        return pairs(session, known.workflow, known.as_of, within=who)


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as plain Python values; unknown is None."""
    plain = table.astype("object").where(table.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]


def csv_of(table: pd.DataFrame) -> bytes:
    """The table as CSV (UTF-8, marked as such for spreadsheets); text that a spreadsheet would run is made inert."""
    safe = table.copy()
    for column in safe.columns:
        safe[column] = safe[column].map(_inert)
    # Text is quoted, or a bare carriage return would begin a new row with whatever follows it.
    return safe.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC).encode("utf-8-sig")


# --- tables for the screens ----------------------------------------------------------------------------------------


def groups_for(known: Reviews, by: str) -> pd.Series:
    """The groups of a chart: ``lane`` by its title, or the names in a column ``segment_<level>``; never people."""
    if by == LANE:
        return known.table[LANE].map({lane.value: lane.title for lane in Lane})
    return known.table[by]


def narrowed(known: Reviews, by: str, name: str) -> Reviews:
    """The reviews of one of the groups of ``groups_for``."""
    kept = known.only(groups_for(known, by) == name)
    if known.every_open is None:
        return kept
    waiting = replace(known, table=known.every_open)
    return replace(kept, every_open=known.every_open[groups_for(waiting, by) == name])


def splits(known: Reviews) -> list[str]:
    """What a chart can be split by: ``lane``, and the column of each segment level."""
    return [LANE, *(SEGMENT + level for level in known.workflow.policy.segments)]


def ageing_by(known: Reviews, by: str) -> pd.DataFrame:
    """Open items by age, a row for each group, as ``measures.ageing`` gives it."""
    return ageing(known.table, as_of=known.as_of, groups=groups_for(known, by))


def waiting_items(known: Reviews, by: str) -> pd.DataFrame:
    """Every open item: ``group, series, period, age_hours, overdue``, oldest first."""
    waiting = open_reviews(known.table, as_of=known.as_of).assign(group=groups_for(known, by))
    columns = ["group", "series", "period", "age_hours", "overdue"]
    return waiting.sort_values("age_hours", ascending=False)[columns].reset_index(drop=True)


@dataclass(frozen=True)
class Timing:
    """How long decisions take, open items counted."""

    n: int  #: reviews watched
    open: int  #: of them, still undecided
    curve: pd.DataFrame  #: as ``measures.latency.survival`` gives it
    still_open: pd.DataFrame  #: ``hours`` waited so far, a row for each open item

    def hours(self, done: float, *, of: str = "waiting") -> float:
        """By when a share ``done`` is decided, in hours; NaN if that has not been seen or is too few to say."""
        return hours_until(self.curve, done, of=of) if self.n >= ENOUGH_TIMES else float("nan")


def time_to_decision(known: Reviews) -> Timing:
    """The Kaplan–Meier curve from coming in to decision."""
    times = durations(known.table, as_of=known.as_of)
    return Timing(len(times), int(times["open"].sum()), survival(times), times.loc[times["open"], ["hours"]])


def latency_by(known: Reviews, by: str) -> pd.DataFrame:
    """Time to decision by group, as ``measures.latency`` gives it, without percentiles where there are too few."""
    table = latency(known.table, as_of=known.as_of, groups=groups_for(known, by))
    percentiles = [column for column in timing.COLUMNS if column.endswith("_hours")]
    table.loc[table["n"] < ENOUGH_TIMES, percentiles] = float("nan")
    return table


def overrides_overall(known: Reviews) -> pd.Series:
    """Count, rate and Wilson interval over all of them, as ``measures.overrides`` gives them."""
    return overrides(known.table, tolerance=known.tolerance).iloc[0]


def overrides_by_week(known: Reviews) -> pd.DataFrame:
    """Override rates by the week of the decision; ``week`` is its Monday. Below 20 decisions only the counts."""
    groups = group_by(known, "week", week_of="decided_at")
    table = _counts_only(overrides(known.table, tolerance=known.tolerance, groups=groups))
    mondays = pd.to_datetime(table["group"] + "-1", format="%G-W%V-%u")
    return table.assign(week=mondays)


def reasons_given(known: Reviews) -> pd.DataFrame:
    """The shares of the reasons among overrides, with the ``name`` of each code. Below 20 overrides only the counts."""
    table = reason_shares(known.table, tolerance=known.tolerance)
    names = {code: reason.name for code, reason in REASONS.items()}
    named = table.assign(name=table["reason"].map(names).fillna(table["reason"]).fillna("no reason recorded"))
    named.loc[named["of"] < ENOUGH, ["share", "low", "high"]] = float("nan")
    return named


# --- answers in a sentence -----------------------------------------------------------------------------------------


def basis(known: Reviews) -> str:
    """What the figures rest on where that is not every review; empty where it is."""
    said = []
    if known.one_in > 1:
        total = f" of {known.of:,}" if known.of else ""
        closed = len(known.table) - int(known.table["state"].isin(OPEN_STATES).sum())
        said.append(
            f"Of one in {known.one_in} series, drawn by chance: {closed:,}{total} finished reviews. Shares, "
            "times and intervals speak of all of them; counts are of those drawn, but for what is open."
        )
    if known.is_large:
        said.append("With so much open, the figures are renewed every half minute.")
    if known.is_behind:
        said.append("Much has come in just now, and is still being added: what it changes shows in a few minutes.")
    return " ".join(said)


def ageing_answer(known: Reviews) -> str:
    """How much waits, how old it is, and how long a decision takes, in two sentences."""
    row = ageing(known.table, as_of=known.as_of).iloc[0]
    if row["open"] == 0:
        return "Nothing is waiting."
    overdue = f"{row['overdue']} past the deadline" if row["overdue"] else "none past its deadline"
    items = "1 item is" if row["open"] == 1 else f"{row['open']:,} items are"
    return f"{items} open, {overdue}; the oldest has waited {duration(row['oldest_hours'])}."


def latency_answer(timing: Timing) -> str:
    """By when half and 85 in 100 are decided, with the interval of the half, or that it is too early to say."""
    if timing.n < ENOUGH_TIMES:
        return f"Time to a decision: can't tell yet, {timing.n} of {ENOUGH_TIMES} reviews needed."
    half, most = timing.hours(0.5), timing.hours(0.85)
    longest = timing.still_open["hours"].max()
    if pd.isna(half):
        return f"Time to a decision: fewer than half are decided so far; half take more than {duration(longest)}."
    low, high = timing.hours(0.5, of="low"), timing.hours(0.5, of="high")
    upper = duration(high) if pd.notna(high) else "more"
    interval = f" (95 % interval {duration(low)} to {upper})" if pd.notna(low) else ""
    rest = f"85 in 100 within {duration(most)}" if pd.notna(most) else f"85 in 100 take more than {duration(longest)}"
    return (
        f"Half are decided within {duration(half)}{interval}, {rest}; {timing.open:,} of {timing.n:,} are still open."
    )


def override_answer(row: pd.Series) -> str:
    """How often people went against the AI, with its interval, or that it is too early to say."""
    if row["n"] < ENOUGH:
        return f"Can't tell yet: {row['n']} of {ENOUGH} decisions needed."
    return (
        f"In {row['rate']:.1%} of decisions (95 % interval {row['low']:.1%} to {row['high']:.1%}): "
        f"{row['overrides']:,} of {row['n']:,}."
    )


def override_footnote(known: Reviews) -> str:
    """What counts as an override here, and how to read the rate."""
    return (
        f"An override differs from the AI's value by more than {known.tolerance:.1%} of it. Neither a low nor a high "
        f"rate says by itself that something is wrong. Groups below {ENOUGH} decisions show counts only, in the table."
    )


def duration(hours: float) -> str:
    """A stretch of time as people say it: minutes below two hours, days from two days on."""
    if hours < 2:
        return f"{max(round(hours * 60), 1)} min"
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.1f} days"


def _counts_only(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[table["n"] < ENOUGH, ["rate", "low", "high"]] = float("nan")
    return table


def _inert(value: Any) -> Any:
    return inert(value) if isinstance(value, str) else value
