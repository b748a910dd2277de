"""What somebody is to hear of in the app, written in the transaction of the change that it tells."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

from review_queue.items import Act, Outcome
from review_queue.notices import News
from review_queue.roles import Principal, Task
from review_queue.staleness import Stale
from storage import bulk
from storage.engine import database_time
from storage.people import scope
from storage.tables import decisions, items, notifications, series, workflows


@dataclass(frozen=True, slots=True)
class Notification:
    """Something that a person has not seen yet."""

    id: int
    kind: News
    sentence: str  #: with names of people and series in it: untrusted text
    created_at: datetime  #: UTC
    workflow_key: str
    item_id: int | None  #: None: about several items, or about none


@dataclass(frozen=True, slots=True)
class Unseen:
    """The newest of what a person has not seen yet, and how many there are."""

    newest: tuple[Notification, ...] = ()
    count: int = 0


def notify(
    session: Session,
    person_ids: Collection[int],
    workflow_id: int,
    kind: News,
    sentence: str,
    item_id: int | None = None,
    *,
    by: int | None,
) -> None:
    """Tell these people something, each once; but never whoever did it (``by``; None: nobody did)."""
    told = sorted(set(person_ids) - {by})
    news = {"workflow_id": workflow_id, "kind": kind, "sentence": sentence, "item_id": item_id}
    if told:
        _add(session, [{"person_id": person, **news} for person in told])


def tell_who_sent_back(session: Session, workflow_id: int, item_ids: Collection[int], *, by: int | None) -> None:
    """Tell whoever sent these items back, as their last decision, that a new forecast came."""
    if not item_ids:
        return
    later = decisions.alias("later")
    rows = session.execute(
        select(items.c.id, decisions.c.actor_id, series.c.key, items.c.period)
        .join(decisions, decisions.c.item_id == items.c.id)
        .join(series, series.c.id == items.c.series_id)
        .where(
            bulk.among(session, items.c.id, list(item_ids)),
            decisions.c.act == Act.DECIDE,
            decisions.c.outcome == Outcome.SEND_BACK,
            ~exists().where(later.c.item_id == decisions.c.item_id, later.c.id > decisions.c.id),
        )
        .order_by(items.c.id)
    ).all()
    news = [
        {
            "person_id": person_id,
            "workflow_id": workflow_id,
            "item_id": item_id,
            "kind": News.CAME_BACK,
            "sentence": f"A new forecast came in for {key} · {period}, which you had sent back.",
        }
        for item_id, person_id, key, period in rows
        if person_id != by
    ]
    if news:
        _add(session, news)


def tell_of_stale(session: Session, workflow_id: int, stale: Collection[Stale], *, by: int | None) -> None:
    """Tell whoever had overridden these items that a number has moved since, and they are back."""
    news = [
        {
            "person_id": each.actor_id,
            "workflow_id": workflow_id,
            "item_id": each.item_id,
            "kind": News.STALE,
            # Without the numbers: whoever reads this may be asked to name theirs before the AI's is shown.
            "sentence": f"{each.series} · {each.period}, which you had overridden, is back: a number has moved since.",
        }
        for each in stale
        if each.actor_id != by
    ]
    if news:
        _add(session, news)


def unseen(session: Session, who: Principal, *, limit: int = 20) -> Unseen:
    """What this person has not seen yet, the newest first, in one statement; not of items they may no longer see."""
    rows = session.execute(
        select(
            notifications.c.id,
            notifications.c.kind,
            notifications.c.sentence,
            notifications.c.created_at,
            workflows.c.key,
            notifications.c.item_id,
            func.count().over(),
        )
        .join(workflows, workflows.c.id == notifications.c.workflow_id)
        .outerjoin(items, items.c.id == notifications.c.item_id)
        .where(_is_new_to(who.person_id), _may_know(who))
        .order_by(notifications.c.id.desc())
        .limit(limit)
    ).all()
    newest = tuple(
        Notification(id_, News(kind), sentence, at, key, item_id) for id_, kind, sentence, at, key, item_id, _ in rows
    )
    return Unseen(newest, rows[0][-1] if rows else 0)


def seen(session: Session, person_id: int, which: Collection[int] | None = None) -> None:
    """Note that this person has seen these notifications (ids), or (None) all that there are."""
    wanted = _is_new_to(person_id)
    if which is not None:
        wanted = and_(wanted, notifications.c.id.in_(which))
    session.execute(update(notifications).where(wanted).values(seen_at=database_time()))


def mentions_seen(session: Session, person_id: int, item_id: int) -> None:
    """Note that this person has read the comments on the item."""
    here = and_(notifications.c.item_id == item_id, notifications.c.kind == News.MENTIONED)
    session.execute(update(notifications).where(_is_new_to(person_id), here).values(seen_at=database_time()))


def _add(session: Session, news: list[dict[str, Any]]) -> None:
    session.execute(insert(notifications).values(created_at=database_time()), news)


def _is_new_to(person_id: int) -> ColumnElement[bool]:
    return and_(notifications.c.person_id == person_id, notifications.c.seen_at.is_(None))


def _may_know(who: Principal) -> ColumnElement[bool]:
    granted = {grant.workflow_id for grant in who.grants_for(Task.SEE_QUEUE)}
    here = [] if None in granted else [notifications.c.workflow_id.in_(granted)]
    return or_(and_(notifications.c.item_id.is_(None), *here), scope(who, Task.SEE_QUEUE))
