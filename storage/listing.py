"""Lists of items for the screens that show many: the queue, and one person's desk."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import (
    ColumnElement,
    Select,
    Subquery,
    and_,
    case,
    exists,
    false,
    not_,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import Session

from review_queue import second_review
from review_queue.items import Act, Band, Lane, Outcome, SourceKind, Stage, State
from review_queue.roles import REVIEW_LEVEL, Principal, Task
from review_queue.withholding import HIDDEN, WHY_NAME_FIRST, Withheld
from storage import people as people_
from storage.engine import unindexed
from storage.showings import version_shown
from storage.tables import (
    FOR_ANYBODY,
    IN_HAND,
    OPEN,
    SERVING_ORDER,
    TO_CLAIM,
    commitments,
    decisions,
    forecasts,
    items,
    people,
    segments,
    series,
    sources,
)
from storage.tree import below, names

COLUMNS = [
    "id", "lane", "score", "series", "period", "segment", "ai", "manual", "gap", "u", "band", "flagged", "state",
    "level", "stage", "holder", "assigned", "created_at", "due_at", "why",
]  # fmt: skip

#: So few series are looked up by their names first, and then their items.
FEW_SERIES = 1_000

NUMBERS = ("score", "ai", "manual", "gap", "u")


@dataclass(frozen=True, slots=True)
class Filter:
    """What to keep of the open items; empty keeps all."""

    lanes: tuple[Lane, ...] = ()
    states: tuple[State, ...] = ()
    bands: tuple[str, ...] = ()
    segment_path: str | None = None
    search: str = ""  #: part of a series' name
    assigned_to: int | None = None  #: a person


@dataclass(frozen=True, slots=True)
class Place:
    """A place in serving order: of the last item on a page, after which the next one starts."""

    lane: int
    score: float
    due_at: datetime | None
    id: int


@dataclass(frozen=True, slots=True)
class Page:
    """Some open items in serving order, columns ``COLUMNS``, and the place after which the rest follows."""

    items: pd.DataFrame
    rest: Place | None  #: None when these are the last


def open_items(
    session: Session, who: Principal, workflow_id: int, wanted: Filter, *, limit: int = 200, after: Place | None = None
) -> Page:
    """The first ``limit`` open items in serving order that match, or the first of those after a place."""
    within = _within(session, who, workflow_id, wanted.segment_path)
    walks = _found(session, workflow_id, wanted, within) or _walks(workflow_id, wanted, within)
    if after is not None:
        walks = [walk.where(_later_than(after)) for walk in walks]
    ids = _first_of(walks, limit + 1)
    rows = session.execute(_rows(who).join(ids, ids.c.id == items.c.id).order_by(*SERVING_ORDER)).all()
    shown, more = rows[:limit], len(rows) > limit
    last = shown[-1] if more else None
    return Page(_frame(shown), Place(last.lane, last.score, last.due_at, last.id) if last else None)


def these(session: Session, who: Principal, workflow_id: int, ids: Sequence[int]) -> pd.DataFrame:
    """The items with these ids that this person may see, in that order; at most 100."""
    found = _some(session, who, workflow_id, items.c.id.in_(ids))
    return found.sort_values("id", key=lambda known: known.map(ids.index), ignore_index=True)


def held(session: Session, who: Principal, workflow_id: int) -> pd.DataFrame:
    """The items in this person's hands."""
    mine = and_(items.c.claimed_by == who.person_id, IN_HAND)
    return _some(session, who, workflow_id, mine)


def came_back(session: Session, who: Principal, workflow_id: int, *, now: datetime) -> pd.DataFrame:
    """Items that this person deferred or sent back and that are available again."""
    later = decisions.alias("later")
    mine = select(decisions.c.item_id).where(
        decisions.c.actor_id == who.person_id,
        decisions.c.act == Act.DECIDE,
        decisions.c.outcome.in_((Outcome.DEFER, Outcome.SEND_BACK)),
        ~exists().where(later.c.item_id == decisions.c.item_id, later.c.id > decisions.c.id),
    )
    is_back = and_(items.c.state.in_((State.READY, State.DEFERRED)), items.c.available_at <= now)
    return _some(session, who, workflow_id, and_(items.c.id.in_(mine), is_back))


def assigned(session: Session, who: Principal, workflow_id: int, persons: Collection[int]) -> pd.DataFrame:
    """Open items in the name of these people."""
    mine = and_(or_(*(items.c.assigned_to == person for person in persons)), OPEN)
    return _some(session, who, workflow_id, mine)


def escalated(session: Session, who: Principal, workflow_id: int) -> pd.DataFrame:
    """Open items that others passed up to this person's step of the ladder."""
    top = max((REVIEW_LEVEL[grant.role] for grant in who.grants_for(Task.REVIEW, workflow_id)), default=0)
    up = and_(items.c.workflow_id == workflow_id, people_.reach(who), TO_CLAIM, FOR_ANYBODY)
    ids = _first_of([_place_of(items).where(up, items.c.level == level) for level in range(1, top + 1)], 100)
    return _some(session, who, workflow_id, items.c.id.in_(select(ids.c.id)))


def own_decisions(session: Session, who: Principal, workflow_id: int, *, limit: int = 10) -> pd.DataFrame:
    """This person's last decisions.

    Columns: ``item, series, period, outcome, ai, final, reason, decided_at, decision`` (its id).
    """
    superseding = decisions.alias("superseding")
    rows = session.execute(
        select(
            items.c.id,
            series.c.key,
            items.c.period,
            decisions.c.outcome,
            unless_blind(decisions.c.ai_value),
            decisions.c.final_value,
            decisions.c.reason_code,
            decisions.c.decided_at,
            decisions.c.id,
        )
        .join(items, items.c.id == decisions.c.item_id)
        .join(series, series.c.id == items.c.series_id)
        .outerjoin(superseding, superseding.c.supersedes_id == decisions.c.id)
        .where(
            decisions.c.actor_id == who.person_id,
            decisions.c.act == Act.DECIDE,
            superseding.c.id.is_(None),
            items.c.workflow_id == workflow_id,
        )
        .order_by(decisions.c.id.desc())
        .limit(limit)
    ).all()
    columns = ["item", "series", "period", "outcome", "ai", "final", "reason", "decided_at", "decision"]
    return pd.DataFrame(rows, columns=columns)


def segment_choices(session: Session, who: Principal, workflow_id: int) -> dict[str, str]:
    """The workflow's segments that this person may see, path → name ("North › Berlin"), in the tree's order."""
    granted = [grant.segment_path for grant in who.grants_for(Task.SEE_QUEUE, workflow_id)]
    inside = or_(false(), *(true() if path is None else below(path) for path in granted))
    paths = session.execute(
        select(segments.c.path).where(segments.c.workflow_id == workflow_id, inside).order_by(segments.c.path)
    ).scalars()
    return {path: _readable(path) for path in paths}


# --- the first of many: walks along an index that end early ---------------------------------------------------------


@dataclass(frozen=True)
class _Within:
    """The segments in which somebody looks."""

    ids: Sequence[int]
    are_few: bool  #: so few that a walk along each is shorter than one past everybody else's items


def _within(session: Session, who: Principal, workflow_id: int, path: str | None) -> _Within | None:
    """The segments that this person may see, at or below ``path``; None for the whole workflow."""
    granted = [grant.segment_path for grant in who.grants_for(Task.SEE_QUEUE, workflow_id)]
    is_whole = None in granted
    if is_whole and path is None:
        return None
    inside = true() if is_whole else or_(false(), *(below(each) for each in granted if each is not None))
    if path is not None:
        inside = and_(inside, below(path))
    here = select(segments.c.id).where(segments.c.workflow_id == workflow_id)
    ids = session.execute(here.where(inside)).scalars().all()
    # Of K like segments k are walked for n items each, or all for K / k times n items.
    needed = len(ids) ** 2
    return _Within(ids, len(session.execute(here.limit(needed)).all()) == needed)


def _walks(workflow_id: int, wanted: Filter, within: _Within | None) -> list[Select[Any]]:
    """Selects of ids, each in serving order along an index; together they hold what is wanted."""
    every = _places(wanted, search=wanted.search)
    aside = every.where(unindexed(items.c.workflow_id) == workflow_id)
    if set(wanted.states) == {State.CLAIMED}:  # by the index of what is in somebody's hands
        return [_inside(aside.where(IN_HAND, items.c.claimed_by > 0), within)]
    if within is None or not within.are_few:
        return [_inside(every.where(items.c.workflow_id == workflow_id), within)]
    return [aside.where(items.c.segment_id == each) for each in within.ids]


def _inside(walk: Select[Any], within: _Within | None) -> Select[Any]:
    return walk if within is None else walk.where(unindexed(items.c.segment_id).in_(within.ids))


def _found(session: Session, workflow_id: int, wanted: Filter, within: _Within | None) -> list[Select[Any]]:
    """The items of the series that are searched for, where these are few; nothing where they are many."""
    if not wanted.search:
        return []
    here = select(series.c.id).where(series.c.workflow_id == workflow_id, _is_named(wanted.search))
    ids = session.execute(here.limit(FEW_SERIES + 1)).scalars().all()
    if len(ids) > FEW_SERIES:
        return []
    theirs = _places(wanted).where(unindexed(items.c.workflow_id) == workflow_id, items.c.series_id.in_(ids))
    return [_inside(theirs, within)]


def _places(wanted: Filter, *, search: str = "") -> Select[Any]:
    """The places of what is wanted, wherever it lies; ``search``: of the series whose names hold it."""
    chosen = _place_of(items).where(OPEN)
    if wanted.states:
        chosen = chosen.where(items.c.state.in_(wanted.states))
    if wanted.lanes:
        chosen = chosen.where(_in_lanes(wanted.lanes))
    if wanted.bands:
        chosen = chosen.where(_any_of(items.c.band, wanted.bands), not_(is_blind()))
    if wanted.assigned_to is not None:
        chosen = chosen.where(items.c.assigned_to == wanted.assigned_to)
    if search:
        chosen = chosen.join(series, series.c.id == items.c.series_id).where(_is_named(search))
    return chosen


def _is_named(search: str) -> ColumnElement[bool]:
    return series.c.key.icontains(search, autoescape=True)


def _place_of(item: Any) -> Select[Any]:
    return select(item.c.id, item.c.lane, item.c.score, item.c.due_at)


def _first_of(walks: list[Select[Any]], limit: int) -> Subquery:
    """The ids of the first ``limit`` items of some walks together."""
    if len(walks) == 1:
        return walks[0].order_by(*SERVING_ORDER).limit(limit).subquery()
    ahead = [select(walk.order_by(*SERVING_ORDER).limit(limit).subquery()) for walk in walks]
    together = (union_all(*ahead) if ahead else _place_of(items).where(false())).subquery()
    first = together.c
    order = (first.lane, first.score.desc(), first.due_at.is_(None), first.due_at, first.id)
    return select(first.id).order_by(*order).limit(limit).subquery()


def _in_lanes(lanes: Collection[Lane]) -> ColumnElement[bool]:
    """As a range where it is one: a list of values would take the order of the index away."""
    low, high = min(lanes), max(lanes)
    inside = items.c.lane.between(low, high)
    return inside if len(set(lanes)) == high - low + 1 else and_(inside, items.c.lane != Lane.JUDGEMENT)


def _any_of(column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    return column == values[0] if len(values) == 1 else column.in_(values)


def _later_than(place: Place) -> ColumnElement[bool]:
    """What comes after a place in serving order."""
    due, later_id = items.c.due_at, items.c.id > place.id
    if place.due_at is None:
        after_due = and_(due.is_(None), later_id)
    else:
        after_due = or_(due.is_(None), due > place.due_at, and_(due == place.due_at, later_id))
    after_score = or_(items.c.score < place.score, and_(items.c.score == place.score, after_due))
    # The first part alone bounds the walk along the index.
    return and_(items.c.lane >= place.lane, or_(items.c.lane > place.lane, after_score))


def _some(session: Session, who: Principal, workflow_id: int, which: ColumnElement[bool]) -> pd.DataFrame:
    rows = session.execute(
        _rows(who)
        .where(unindexed(items.c.workflow_id) == workflow_id, which, people_.scope(who, Task.SEE_QUEUE))
        .order_by(*SERVING_ORDER)
        .limit(100)
    ).all()
    return _frame(rows)


def _rows(who: Principal) -> Select[Any]:
    assignees = people.alias("assignees")
    awaits = awaits_number(who)
    hidden = or_(is_blind(), awaits, items.c.withheld.in_(HIDDEN))
    is_rolled_back = items.c.withheld == Withheld.ROLLED_BACK
    return (
        select(
            items.c.id,
            items.c.lane,
            items.c.score,
            series.c.key,
            items.c.period,
            segments.c.path,
            case((hidden, null()), (is_rolled_back, _value_of_version()), else_=_standing_value(SourceKind.AI)),
            _standing_value(SourceKind.MANUAL),
            case((hidden, null()), else_=items.c.gap),
            case((hidden, null()), else_=items.c.u),
            case((hidden, Band.NO_SCALE.value), else_=items.c.band),
            case((is_blind(), false()), else_=items.c.flagged),
            items.c.state,
            items.c.level,
            items.c.stage,
            case((items.c.state == State.CLAIMED, people.c.name)),
            assignees.c.name,
            items.c.created_at,
            items.c.due_at,
            items.c.why,
            awaits.label("awaits"),
        )
        .join(series, series.c.id == items.c.series_id)
        .outerjoin(segments, segments.c.id == items.c.segment_id)
        .outerjoin(people, people.c.id == items.c.claimed_by)
        .outerjoin(assignees, assignees.c.id == items.c.assigned_to)
    )


def is_blind() -> ColumnElement[bool]:
    """The condition on ``items`` that a second reviewer is to decide without the AI's value."""
    return items.c.stage == Stage.SECOND


def awaits_number(who: Principal) -> ColumnElement[bool]:
    """The condition on ``items`` that this person is to name a number before the AI's is shown to them."""
    named = exists().where(
        commitments.c.item_id == items.c.id,
        commitments.c.person_id == who.person_id,
        commitments.c.round == items.c.round,
    )
    drawn = and_(items.c.human_first, items.c.flagged, items.c.stage == Stage.FIRST, items.c.withheld.is_(None))
    return and_(drawn, OPEN, not_(named))


def unless_blind(fact: ColumnElement[Any]) -> ColumnElement[Any]:
    """A fact of a decision, where it was on the screen: a second review is given without it."""
    return case((decisions.c.stage == Stage.SECOND, null()), else_=fact)


def _value_of_version() -> ColumnElement[float | None]:
    """The AI's value of the model version that the workflow is rolled back to."""
    return _standing_value(SourceKind.AI, forecasts.c.model_version_id == version_shown())


def _standing_value(kind: SourceKind, *wanted: ColumnElement[bool]) -> ColumnElement[float | None]:
    return (
        select(forecasts.c.value)
        .join(sources, sources.c.id == forecasts.c.source_id)
        .where(forecasts.c.item_id == items.c.id, sources.c.kind == kind, *wanted)
        .order_by(forecasts.c.id.desc())
        .limit(1)
        .correlate(items)
        .scalar_subquery()
    )


def _frame(rows: Any) -> pd.DataFrame:
    # Without the types a column that is unknown throughout would hold objects, which cannot be rounded or added up.
    frame = pd.DataFrame(rows, columns=[*COLUMNS, "awaits"]).astype(dict.fromkeys(NUMBERS, "float64"))
    frame["segment"] = [_readable(path) if path else "" for path in frame["segment"]]
    frame["lane"] = [Lane(lane).title for lane in frame["lane"]]
    frame["why"] = [" · ".join(phrases) for phrases in frame["why"]]
    frame.loc[frame["stage"] == Stage.SECOND, "why"] = " · ".join(second_review.WHY)
    frame.loc[frame["awaits"].astype(bool), "why"] = " · ".join(WHY_NAME_FIRST)
    return frame[COLUMNS]


def _readable(path: str) -> str:
    return " › ".join(names(path))
