"""The AI's feed into a workflow: when its last forecast came, how its pulls went, and from when to when it was out."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Select, and_, exists, func, insert, select, update
from sqlalchemy.orm import Session

from review_queue.columns import Kind
from review_queue.feeds import Feed, Outage
from review_queue.items import SourceKind
from storage.tables import forecasts, outages, pulls, sources


def feed_of(session: Session, workflow_id: int) -> Feed:
    """What is known of the feed now."""
    of_ai = select(sources.c.id).where(sources.c.workflow_id == workflow_id, sources.c.kind == SourceKind.AI)
    last_at = session.execute(
        select(forecasts.c.received_at).where(forecasts.c.source_id.in_(of_ai)).order_by(forecasts.c.id.desc()).limit(1)
    ).scalar_one_or_none()
    return Feed(last_at, session.execute(_failures(workflow_id, last_at)).scalar_one())


def _failures(workflow_id: int, since: datetime | None) -> Select[int]:
    """How many pulls of forecasts failed one after another, the last ones, since the last forecast came."""
    of_feed = and_(pulls.c.workflow_id == workflow_id, pulls.c.kind == Kind.FORECASTS)
    later = pulls.alias("later")
    has_worked_since = exists().where(
        later.c.workflow_id == workflow_id,
        later.c.kind == Kind.FORECASTS,
        later.c.source == pulls.c.source,
        later.c.id > pulls.c.id,
        later.c.ended_at.is_not(None),
        later.c.failure == "",
    )
    failed = select(func.count()).select_from(pulls).where(of_feed, pulls.c.failure != "", ~has_worked_since)
    return failed if since is None else failed.where(pulls.c.started_at > since)


def is_pulled(session: Session, workflow_id: int) -> bool:
    """Whether another database was ever asked for this workflow."""
    found = select(pulls.c.id).where(pulls.c.workflow_id == workflow_id).limit(1)
    return session.execute(found).first() is not None


def outage_of(session: Session, workflow_id: int) -> Outage | None:
    """Why the feed is noted as out; None while it is not."""
    kind = session.execute(
        select(outages.c.kind).where(outages.c.workflow_id == workflow_id, outages.c.ended_at.is_(None))
    ).scalar_one_or_none()
    return None if kind is None else Outage(kind)


def is_out(session: Session, workflow_id: int) -> bool:
    """Whether the feed is noted as out."""
    return outage_of(session, workflow_id) is not None


def begin(session: Session, workflow_id: int, kind: Outage, *, now: datetime) -> None:
    """Note that the feed is out. The workflow is held, and the feed is not noted as out yet."""
    session.execute(insert(outages).values(workflow_id=workflow_id, kind=kind, began_at=now))


def end(session: Session, workflow_id: int, *, now: datetime) -> bool:
    """Note that the feed is back; whether it had been out."""
    ended = session.execute(
        update(outages)
        .where(outages.c.workflow_id == workflow_id, outages.c.ended_at.is_(None))
        .values(ended_at=now)
        .returning(outages.c.id)
    )
    return ended.one_or_none() is not None
