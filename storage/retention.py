"""Removing what was kept long enough, some thousand rows a transaction. Nothing that promises rest on is named here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from review_queue.items import State
from review_queue.retention import Kept
from storage.engine import database_now
from storage.sign_ins import LASTS
from storage.tables import (
    api_answers,
    audit_events,
    comments,
    deliveries,
    delivery_attempts,
    digests,
    drafts,
    evidence_views,
    import_files,
    import_parts,
    imports,
    items,
    mentions,
    notifications,
    set_aside_rows,
    sign_ins,
)

RUN = "retention.run"  #: the action in the audit log
AT_ONCE = 2_000  #: rows of each kind in one transaction
EMPTIED = "What the row held was removed: it was kept long enough."

_OVER = (State.DECIDED, State.LOCKED, State.WITHDRAWN)


def due(session: Session, rules: Mapping[Kept, int | None]) -> dict[Kept, int]:
    """How many rows of each kind were kept long enough."""
    found = {}
    for kept, before in _befores(session, rules).items():
        old = _OLD[kept](before).subquery()
        found[kept] = int(session.execute(select(func.count()).select_from(old)).scalar_one())
    return found


def remove(session: Session, rules: Mapping[Kept, int | None]) -> dict[Kept, int]:
    """Remove up to ``AT_ONCE`` rows of each kind, the oldest first; how many they were."""
    found = {}
    for kept, before in _befores(session, rules).items():
        # Two servers look at the same time when both have just started: each takes what the other has not.
        old = _OLD[kept](before).limit(AT_ONCE).with_for_update(of=_TABLES[kept], skip_locked=True)
        ids = list(session.execute(old).scalars())
        found[kept] = len(ids)
        if ids:
            _REMOVE.get(kept, _delete(_TABLES[kept]))(session, ids)
    return found


def last_run(session: Session) -> datetime | None:
    """When something was looked through last, UTC."""
    query = select(func.max(audit_events.c.at)).where(audit_events.c.action == RUN)
    last: datetime | None = session.execute(query).scalar_one()
    return last


def _befores(session: Session, rules: Mapping[Kept, int | None]) -> dict[Kept, datetime]:
    now = database_now(session)
    return {kept: now - timedelta(days=days) for kept, days in rules.items() if days is not None}


_TABLES: dict[Kept, Table] = {
    Kept.DRAFTS: drafts,
    Kept.EVIDENCE_VIEWS: evidence_views,
    Kept.SIGN_INS: sign_ins,
    Kept.NOTIFICATIONS: notifications,
    Kept.DIGESTS: digests,
    Kept.API_ANSWERS: api_answers,
    Kept.DELIVERY_ATTEMPTS: delivery_attempts,
    Kept.SET_ASIDE: set_aside_rows,
    Kept.IMPORT_FILES: import_files,
    Kept.COMMENTS: comments,
}


def _old(table: Table, *where: ColumnElement[bool]) -> Select[Any]:
    return select(table.c.id).where(*where).order_by(table.c.id)


def _old_files(before: datetime) -> Select[Any]:
    later = imports.alias("later")
    shapes = import_files.alias("shapes")
    newer = (
        select(later.c.id)
        .join(shapes, shapes.c.import_id == later.c.id)
        .where(later.c.workflow_id == imports.c.workflow_id, later.c.id > imports.c.id)
        .exists()
    )
    return _old(import_files, imports.c.created_at < before, newer).join(
        imports, imports.c.id == import_files.c.import_id
    )


_OLD: dict[Kept, Callable[[datetime], Select[Any]]] = {
    Kept.DRAFTS: lambda before: _old(drafts, drafts.c.saved_at < before),
    Kept.EVIDENCE_VIEWS: lambda before: _old(evidence_views, evidence_views.c.opened_at < before),
    # Whoever is signed in stays so: it ends by itself after ``LASTS``, which no rule can be shorter than.
    Kept.SIGN_INS: lambda before: _old(sign_ins, sign_ins.c.created_at < before),
    Kept.NOTIFICATIONS: lambda before: _old(notifications, notifications.c.created_at < before),
    Kept.DIGESTS: lambda before: _old(digests, digests.c.claimed_at < before),
    Kept.API_ANSWERS: lambda before: _old(api_answers, api_answers.c.answered_at < before),
    Kept.DELIVERY_ATTEMPTS: lambda before: _old(
        delivery_attempts,
        delivery_attempts.c.attempted_at < before,
        delivery_attempts.c.delivery_id.in_(
            select(deliveries.c.id).where(deliveries.c.state.in_(["delivered", "skipped"]))
        ),
    ),
    Kept.SET_ASIDE: lambda before: _old(
        set_aside_rows,
        set_aside_rows.c.status != "open",
        set_aside_rows.c.resolved_at < before,
        set_aside_rows.c.sentence != EMPTIED,
    ),
    Kept.IMPORT_FILES: _old_files,
    Kept.COMMENTS: lambda before: _old(comments, comments.c.created_at < before, items.c.state.in_(_OVER)).join(
        items, items.c.id == comments.c.item_id
    ),
}
assert timedelta(days=1) > LASTS  # noqa: S101 -- the shortest that a rule may be


def _delete(table: Table) -> Callable[[Session, list[int]], None]:
    return lambda session, ids: _deleted(session, table.c.id, ids)


def _deleted(session: Session, column: ColumnElement[Any], ids: list[int]) -> None:
    session.execute(delete(column.table).where(column.in_(ids)))


def _empty_aside(session: Session, ids: list[int]) -> None:
    """The row stays, since its import counts it; what stood in it goes."""
    nothing = bindparam("nothing", {}, type_=set_aside_rows.c.cells.type)
    session.execute(update(set_aside_rows).where(set_aside_rows.c.id.in_(ids)).values(cells=nothing, sentence=EMPTIED))


def _remove_files(session: Session, ids: list[int]) -> None:
    of = select(import_files.c.import_id).where(import_files.c.id.in_(ids))
    session.execute(delete(import_parts).where(import_parts.c.import_id.in_(of)))
    _deleted(session, import_files.c.id, ids)


def _remove_comments(session: Session, ids: list[int]) -> None:
    _deleted(session, mentions.c.comment_id, ids)
    _deleted(session, comments.c.id, ids)


_REMOVE: dict[Kept, Callable[[Session, list[int]], None]] = {
    Kept.SET_ASIDE: _empty_aside,
    Kept.IMPORT_FILES: _remove_files,
    Kept.COMMENTS: _remove_comments,
}
