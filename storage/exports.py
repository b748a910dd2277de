"""What leaves, read some thousands of rows at a time inside a person's scope: memory stays flat, however much it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from sqlalchemy import ColumnElement, Select, and_, case, exists, func, not_, or_, select
from sqlalchemy.orm import Session

from review_queue.chain import GENESIS
from review_queue.exporting import SEGMENTS, ExportKind, Holds, Mask, Out, columns_of
from review_queue.items import FINAL_OUTCOMES
from review_queue.masking import COLUMNS as COLUMN_CLASSES
from review_queue.masking import Sight, Treatment
from review_queue.roles import Principal, Task
from storage import tree
from storage.people import scope
from storage.receipts import sealed_from
from storage.tables import (
    actuals,
    audit_chain,
    audit_events,
    decisions,
    imports,
    items,
    people,
    reasons,
    segments,
    series,
    set_aside_rows,
)
from storage.track_record import stands as newest_actual
from storage.workflows import Workflow

#: Rows that are read and written together.
AT_ONCE = 10_000

_KINDS = {
    Holds.TEXT: pa.string(),
    Holds.NUMBER: pa.float64(),
    Holds.WHOLE: pa.int64(),
    Holds.TRUTH: pa.bool_(),
    Holds.TIME: pa.timestamp("us", "UTC"),
    Holds.DATE: pa.date32(),
    Holds.JSON: pa.string(),
    Holds.AS_CAME: pa.string(),
}
_PATH = "path"


def schema_of(columns: tuple[Out, ...]) -> pa.Schema:
    """The columns with the types that their tables have."""
    return pa.schema([(column.name, _KINDS[column.holds]) for column in columns])


def read(
    session: Session,
    who: Principal,
    workflow: Workflow,
    kind: ExportKind,
    *,
    as_of: datetime,
    since: datetime | None = None,
    with_text: bool = True,
    mask: Mask | None = None,
    sight: Sight | None = None,
) -> Iterator[pa.Table]:
    """The rows of an export in the order of their ids, ``AT_ONCE`` a table; none where there is nothing.

    What a blind second review of this person's would be given away by is left out.

    Args:
        who: keeps to what they may take out.
        kind: any but ``write-back``.
        as_of: UTC; the database's clock when the export began. An actual that is final later is not known yet.
        since: UTC; keeps to what was decided, happened or came in from then on.
        with_text: whether free text is among the columns.
        mask: replaces the names of people.
        sight: what else is hidden from whoever takes it out; columns that are left out are not there.
    """
    columns = seen_of(columns_of(kind, workflow.policy.segments, with_text=with_text), sight)
    query, counted = _QUERIES[kind](who, workflow, as_of, since)
    last = 0
    while rows := session.execute(query.where(counted > last).order_by(counted).limit(AT_ONCE)).all():
        last = rows[-1][0]
        yield _table(rows, query, columns, workflow, mask, sight)


def seen_of(columns: tuple[Out, ...], sight: Sight | None) -> tuple[Out, ...]:
    """The columns without those that whoever takes them out is not given at all."""
    if sight is None:
        return columns
    return tuple(
        column
        for column in columns
        if column.name not in COLUMN_CLASSES or not _is_left_out(sight.of[COLUMN_CLASSES[column.name]], column)
    )


def _is_left_out(treatment: Treatment, column: Out) -> bool:
    return treatment is Treatment.LEFT_OUT or (treatment is Treatment.MASKED and column.holds is Holds.NUMBER)


def stands() -> ColumnElement[bool]:
    """The condition on ``decisions`` and ``items`` that this one is the last word on its item."""
    later = decisions.alias("later")
    return and_(
        decisions.c.outcome.in_(FINAL_OUTCOMES),
        not_(decisions.c.is_provisional),
        decisions.c.round == items.c.round,
        ~exists().where(later.c.supersedes_id == decisions.c.id),
    )


# --- the queries; the first column of each is the id that they go on from ------------------------------------------

_Query = tuple[Select[Any], ColumnElement[int]]

_AS_SHOWN = (
    decisions.c.ai_value.label("ai"),
    *(decisions.c[name] for name in ("ai_low", "ai_high", "ai_level", "model_version")),
    decisions.c.manual_value.label("manual"),
    decisions.c.naive_value.label("naive"),
    decisions.c.gap,
    decisions.c.money,
    decisions.c.scale.label("usual_miss"),
    *(decisions.c[name] for name in ("u", "band", "flagged", "lane", "score", "hours_to_deadline", "queue_length")),
    *(decisions.c[name] for name in ("mode", "initial_value", "knew_more", "is_degraded", "withheld")),
)
_WHY = (
    decisions.c.reason_code,
    *(reasons.c[name] for name in ("direction", "effect_low", "effect_mid", "effect_high", "confidence")),
    *(reasons.c[name] for name in ("valid_from", "valid_until", "source_type", "already_in_model", "controllable")),
    reasons.c.paired_period,
    reasons.c.text.label("reason_text"),
    reasons.c.source_ref.label("reason_source"),
    reasons.c.outcome.label("reason_outcome"),
    reasons.c.realised_effect,
)


def _decisions(who: Principal, workflow: Workflow, as_of: datetime, since: datetime | None) -> _Query:
    return _of_decisions(who, workflow, as_of, since, stands().label("stands")), decisions.c.id


def _overrides(who: Principal, workflow: Workflow, as_of: datetime, since: datetime | None) -> _Query:
    query = _with_reason(_of_decisions(who, workflow, as_of, since, *_WHY[1:]))
    return query.where(stands(), decisions.c.is_override), decisions.c.id


def _labels(who: Principal, workflow: Workflow, as_of: datetime, since: datetime | None) -> _Query:
    is_known = func.coalesce(actuals.c.final_at, actuals.c.received_at) <= as_of
    came_true = [
        case((is_known, column)).label(name)
        for name, column in (
            ("actual", actuals.c.value),
            ("actual_final_at", actuals.c.final_at),
            ("is_lower_bound", actuals.c.is_lower_bound),
        )
    ]
    facts = (items.c.horizon, items.c.created_at, items.c.due_at, series.c.value_per_unit, series.c.currency)
    query = _with_reason(_of_decisions(who, workflow, as_of, since, *_WHY[1:], *facts, *came_true))
    same = and_(
        actuals.c.series_id == items.c.series_id, actuals.c.period_start == items.c.period_start, newest_actual()
    )
    return query.outerjoin(actuals, same).where(stands()), decisions.c.id


def _of_decisions(
    who: Principal, workflow: Workflow, as_of: datetime, since: datetime | None, *further: Any
) -> Select[Any]:
    can_be_undone = as_of - timedelta(seconds=workflow.policy.undo_seconds)
    own = (
        *("round", "stage", "act", "outcome", "is_override", "is_provisional", "reason_code", "note", "opposite_of"),
        *("claimed_at", "opened_at", "first_evidence_at", "decided_at", "policy_version", "owner", "content_hash"),
    )
    return (
        select(
            decisions.c.id.label("decision"),
            items.c.id.label("item"),
            series.c.key.label("series"),
            items.c.period,
            segments.c.path.label(_PATH),
            decisions.c.final_value.label("final"),
            decisions.c.supersedes_id.label("supersedes"),
            people.c.name.label("decided_by"),
            people.c.issuer.concat("|").concat(people.c.subject).label("person"),
            *(decisions.c[name] for name in own),
            *_AS_SHOWN,
            *further,
        )
        .join(items, items.c.id == decisions.c.item_id)
        .join(series, series.c.id == items.c.series_id)
        .join(people, people.c.id == decisions.c.actor_id)
        .outerjoin(segments, segments.c.id == items.c.segment_id)
        .where(items.c.workflow_id == workflow.id, scope(who, Task.EXPORT), not_(sealed_from(who, can_be_undone)))
        .where(*([] if since is None else [decisions.c.decided_at >= since]))
    )


def _with_reason(query: Select[Any]) -> Select[Any]:
    second, third = (reasons.alias(name) for name in ("second", "third"))
    for rank, beside in ((1, second), (2, third)):
        query = query.outerjoin(beside, and_(beside.c.decision_id == decisions.c.id, beside.c.rank == rank))
    query = query.outerjoin(reasons, and_(reasons.c.decision_id == decisions.c.id, reasons.c.rank == 0))
    return query.add_columns(second.c.code.label("second_code"), third.c.code.label("third_code"))


def _audit(who: Principal, workflow: Workflow, as_of: datetime, since: datetime | None) -> _Query:
    can_be_undone = as_of - timedelta(seconds=workflow.policy.undo_seconds)
    seen = and_(scope(who, Task.EXPORT), not_(sealed_from(who, can_be_undone)))
    of_item = exists().where(items.c.id == audit_events.c.item_id, seen)
    before = audit_chain.alias("before")
    query = (
        select(
            audit_chain.c.seq,
            audit_events.c.id.label("event"),
            audit_events.c.at,
            audit_events.c.actor_id,
            people.c.name.label("actor"),
            people.c.issuer.concat("|").concat(people.c.subject).label("person"),
            audit_events.c.action,
            audit_events.c.workflow_id,
            audit_events.c.item_id.label("item"),
            audit_events.c.decision_id.label("decision"),
            audit_events.c.details,
            audit_chain.c.event_hash,
            func.coalesce(before.c.hash, GENESIS).label("previous_hash"),
            audit_chain.c.hash,
        )
        .join(audit_chain, audit_chain.c.event_id == audit_events.c.id)
        .outerjoin(before, before.c.seq == audit_chain.c.seq - 1)
        .outerjoin(people, people.c.id == audit_events.c.actor_id)
        .where(audit_events.c.workflow_id == workflow.id)
        .where(or_(of_item, audit_events.c.item_id.is_(None)) if whole(who, workflow) else of_item)
        .where(*([] if since is None else [audit_events.c.at >= since]))
    )
    return query, audit_chain.c.seq


def _set_aside(who: Principal, workflow: Workflow, as_of: datetime, since: datetime | None) -> _Query:
    query = (
        select(
            set_aside_rows.c.id,
            set_aside_rows.c.import_id.label("batch"),
            imports.c.file_name.label("file"),
            set_aside_rows.c.kind,
            imports.c.created_at.label("imported_at"),
            set_aside_rows.c.row_number.label("row"),
            *(set_aside_rows.c[name] for name in ("column", "code", "sentence", "status", "resolved_at", "cells")),
            people.c.name.label("resolved_by"),
            people.c.issuer.concat("|").concat(people.c.subject).label("person"),
        )
        .join(imports, imports.c.id == set_aside_rows.c.import_id)
        .outerjoin(people, people.c.id == set_aside_rows.c.resolved_by)
        .where(set_aside_rows.c.workflow_id == workflow.id)
        .where(*([] if since is None else [imports.c.created_at >= since]))
    )
    return query, set_aside_rows.c.id


_QUERIES: dict[ExportKind, Callable[[Principal, Workflow, datetime, datetime | None], _Query]] = {
    ExportKind.DECISIONS: _decisions,
    ExportKind.OVERRIDES: _overrides,
    ExportKind.LABELS: _labels,
    ExportKind.AUDIT: _audit,
    ExportKind.SET_ASIDE: _set_aside,
}
#: Kinds of which a part of a workflow has no rows of its own.
WHOLE_ONLY = (ExportKind.SET_ASIDE,)


def whole(who: Principal, workflow: Workflow) -> bool:
    """Whether this person may take out all of the workflow, and not a part of its tree."""
    return any(grant.segment_path is None for grant in who.grants_for(Task.EXPORT, workflow.id))


# --- rows as tables ------------------------------------------------------------------------------------------------

_PEOPLE = ("decided_by", "actor", "resolved_by")


def _table(
    rows: Any,
    query: Select[Any],
    columns: tuple[Out, ...],
    workflow: Workflow,
    mask: Mask | None,
    sight: Sight | None,
) -> pa.Table:
    names = [column.name for column in query.selected_columns]
    cells: dict[str, list[Any]] = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    if _PATH in cells:
        places = [tree.names(path) for path in cells.pop(_PATH)]
        for depth, level in enumerate(workflow.policy.segments):
            cells[SEGMENTS.name + level] = [place[depth] if depth < len(place) else None for place in places]
    if "second_code" in cells:
        pairs = zip(cells["second_code"], cells["third_code"], strict=True)
        cells["secondary_codes"] = [[code for code in pair if code] for pair in pairs]
    if mask is not None:
        hidden = [None if person is None else mask.of(person) for person in cells["person"]]
        cells |= {name: hidden for name in _PEOPLE if name in cells}
    if sight is not None and not sight.is_clear:
        # What labels mask with their own key stays as it is: to hide it twice would only make it less useful.
        already = set(_PEOPLE) if mask is not None else set()
        for name in set(cells) & set(COLUMN_CLASSES) - already:
            cells[name] = [sight.text(COLUMN_CLASSES[name], cell) for cell in cells[name]]
    arrays = [pa.array(_stored(cells[column.name], column), type=_KINDS[column.holds]) for column in columns]
    return pa.Table.from_arrays(arrays, schema=schema_of(columns))


def _stored(values: list[Any], column: Out) -> list[Any]:
    if column.holds is Holds.JSON:
        return [None if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True) for value in values]
    return values
