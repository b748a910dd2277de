"""What people leave on an item besides decisions: drafts, comments, and which evidence they opened."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from review_queue.roles import Principal, Task
from storage.engine import database_time, upsert
from storage.people import scope
from storage.tables import comments, drafts, evidence_views, items, mentions, people, series


@dataclass(frozen=True, slots=True)
class Comment:
    """A remark on an item."""

    author: str
    body: str  #: untrusted text
    created_at: datetime  #: UTC
    told: tuple[str, ...] = ()  #: the names of those for whom it is meant above all


def save_draft(session: Session, item_id: int, person_id: int, round_: int, body: dict[str, Any]) -> None:
    """Keep a half-written decision; the newest one of a person on an item stands."""
    fresh = {"round": round_, "body": body, "saved_at": database_time()}
    session.execute(
        upsert(session, drafts)
        .values(item_id=item_id, person_id=person_id, **fresh)
        .on_conflict_do_update(index_elements=["item_id", "person_id"], set_=fresh)
    )


def drop_draft(session: Session, item_id: int, person_id: int) -> None:
    session.execute(_DROPPED, {"whose_item": item_id, "whose": person_id})


_DROPPED = delete(drafts).where(drafts.c.item_id == bindparam("whose_item"), drafts.c.person_id == bindparam("whose"))


def add_comment(session: Session, item_id: int, person_id: int, body: str, mentioned: Collection[int] = ()) -> None:
    """Add a remark, and note for whom it is meant above all."""
    comment_id = session.execute(
        insert(comments)
        .values(item_id=item_id, author_id=person_id, body=body, created_at=database_time())
        .returning(comments.c.id)
    ).scalar_one()
    if mentioned:
        session.execute(
            insert(mentions), [{"comment_id": comment_id, "person_id": person} for person in sorted(mentioned)]
        )


@dataclass(frozen=True, slots=True)
class Mention:
    """That somebody named a person in a comment which they have not seen yet."""

    item_id: int
    series: str
    period: str
    author: str
    body: str  #: untrusted text
    created_at: datetime  #: UTC


def unseen_mentions(session: Session, who: Principal, workflow_id: int, *, limit: int = 20) -> list[Mention]:
    """Where this person was named, on items that they may see, the newest first."""
    rows = session.execute(
        select(items.c.id, series.c.key, items.c.period, people.c.name, comments.c.body, comments.c.created_at)
        .select_from(mentions)
        .join(comments, comments.c.id == mentions.c.comment_id)
        .join(items, items.c.id == comments.c.item_id)
        .join(series, series.c.id == items.c.series_id)
        .join(people, people.c.id == comments.c.author_id)
        .where(
            mentions.c.person_id == who.person_id,
            mentions.c.seen_at.is_(None),
            items.c.workflow_id == workflow_id,
            scope(who, Task.SEE_QUEUE),
        )
        .order_by(mentions.c.id.desc())
        .limit(limit)
    )
    return [Mention(*row) for row in rows]


def mentions_seen(session: Session, item_id: int, person_id: int) -> None:
    """Note that this person has read the comments on the item."""
    here = select(comments.c.id).where(comments.c.item_id == item_id)
    session.execute(
        update(mentions)
        .where(mentions.c.person_id == person_id, mentions.c.seen_at.is_(None), mentions.c.comment_id.in_(here))
        .values(seen_at=database_time())
    )


def comments_on(session: Session, item_id: int) -> list[Comment]:
    """Every comment on the item, oldest first, with the people whom it mentions."""
    rows = session.execute(
        select(comments.c.id, people.c.name, comments.c.body, comments.c.created_at)
        .join(people, people.c.id == comments.c.author_id)
        .where(comments.c.item_id == item_id)
        .order_by(comments.c.id)
    ).all()
    told: dict[int, list[str]] = {row.id: [] for row in rows}
    names = session.execute(
        select(mentions.c.comment_id, people.c.name)
        .join(people, people.c.id == mentions.c.person_id)
        .where(mentions.c.comment_id.in_(told))
        .order_by(people.c.name)
    )
    for comment_id, name in names:
        told[comment_id].append(name)
    return [Comment(author, body, at, tuple(told[comment_id])) for comment_id, author, body, at in rows]


def evidence_opened(session: Session, item_id: int, person_id: int, fence: int, panel: str) -> None:
    """Note that a reviewer opened an evidence panel under this claim: the first time, however often they do."""
    view = {"item_id": item_id, "person_id": person_id, "fence": fence, "panel": panel}
    known = select(evidence_views.c.id).where(*(evidence_views.c[name] == value for name, value in view.items()))
    if session.execute(known.limit(1)).first() is None:
        session.execute(insert(evidence_views).values(**view, opened_at=database_time()))
