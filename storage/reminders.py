"""Who wants to be reminded and how, what waits for them, and which day's digest has been taken in hand by whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from review_queue.items import Lane
from review_queue.reminders import SOON, TRIED_AFTER, TRIES_AGAIN, Preferences, Waiting, preferences_from
from review_queue.roles import Principal
from storage import assignments, listing, notes, serving
from storage.engine import database_time, upsert
from storage.serving import COUNTED_TO, Server
from storage.tables import digests, people, preferences
from storage.workflows import Workflow

#: How many mentions and items that came back are counted.
FEW = 100


@dataclass(frozen=True, slots=True)
class Wanting:
    """Somebody who asked for digests and can get them."""

    person_id: int
    name: str  #: untrusted text
    address: str  #: as their identity provider gave it: untrusted text
    preferences: Preferences


@dataclass(frozen=True, slots=True)
class Digest:
    """One day's digest to one person, as far as it has come."""

    id: int
    claimed_at: datetime  #: UTC
    is_sent: bool
    failures: tuple[str, ...]  #: a sentence for each time that it could not be sent


def preferences_of(session: Session, person_id: int) -> Preferences | None:
    """How this person wants to be reminded; None if they never said."""
    body = session.execute(select(preferences.c.body).where(preferences.c.person_id == person_id)).scalar_one_or_none()
    return None if body is None else preferences_from(body)


def keep_preferences(session: Session, person_id: int, wanted: Preferences) -> None:
    fresh: dict[str, Any] = {"body": wanted.as_body(), "saved_at": database_time()}
    session.execute(
        upsert(session, preferences)
        .values(person_id=person_id, **fresh)
        .on_conflict_do_update(index_elements=["person_id"], set_=fresh)
    )


def address_of(session: Session, person_id: int) -> str | None:
    """Where this person gets mail, as their identity provider says."""
    return session.execute(select(people.c.email).where(people.c.id == person_id)).scalar_one_or_none()


def wanting(session: Session) -> list[Wanting]:
    """Everybody who asked for digests, whose account works and has an address."""
    rows = session.execute(
        select(people.c.id, people.c.name, people.c.email, preferences.c.body)
        .join(preferences, preferences.c.person_id == people.c.id)
        .where(people.c.disabled_at.is_(None), people.c.email.is_not(None), people.c.email != "")
        .order_by(people.c.id)
    )
    everyone = (Wanting(id_, name, email, preferences_from(body)) for id_, name, email, body in rows)
    return [each for each in everyone if each.preferences.wants_digest]


def waiting(session: Session, server: Server, workflow: Workflow, *, now: datetime) -> Waiting:
    """How much waits for this person in the workflow."""
    who: Principal = server.who
    overdue, due_soon = serving.due(session, server, workflow.id, now=now, soon=now + SOON)
    return Waiting(
        key=workflow.key,
        title=workflow.title,
        overdue=overdue,
        due_soon=due_soon,
        judgement=serving.waiting(session, server, workflow.id, now=now)[Lane.JUDGEMENT],
        assigned=sum(assignments.loads(session, workflow.id, server.served).values()),
        came_back=len(listing.came_back(session, who, workflow.id, now=now)),
        mentions=len(notes.unseen_mentions(session, who, workflow.id, limit=FEW)),
        counted_to=COUNTED_TO,
    )


def digest_of(session: Session, person_id: int, day: date) -> Digest | None:
    """How far the day's digest to this person has come; None if nobody has taken it in hand."""
    row = session.execute(
        select(digests.c.id, digests.c.claimed_at, digests.c.sent_at, digests.c.failure).where(
            digests.c.person_id == person_id, digests.c.day == day
        )
    ).one_or_none()
    if row is None:
        return None
    return Digest(row.id, row.claimed_at, row.sent_at is not None, tuple(row.failure.splitlines()))


def may_try(known: Digest | None, now: datetime) -> bool:
    """Whether a digest is still to be sent: nobody has taken it in hand, or it failed a while ago and not too often.

    One that was taken in hand and then neither sent nor said to have failed, because the server died in between, is
    left: it may have gone out, and two are worse than none.
    """
    if known is None:
        return True
    is_to_do = not known.is_sent and 0 < len(known.failures) <= TRIES_AGAIN
    return is_to_do and known.claimed_at <= now - TRIED_AFTER


def claim(
    session: Session, person_id: int, day: date, *, known: Digest | None, address: str, lines: int, now: datetime
) -> int | None:
    """Take the day's digest in hand; its id, or None if somebody else did since it was looked at (``known``)."""
    if known is None:
        return session.execute(
            upsert(session, digests)
            .values(person_id=person_id, day=day, address=address, lines=lines, claimed_at=now)
            .on_conflict_do_nothing(index_elements=["person_id", "day"])
            .returning(digests.c.id)
        ).scalar_one_or_none()
    as_seen = and_(digests.c.id == known.id, digests.c.claimed_at == known.claimed_at, digests.c.sent_at.is_(None))
    return session.execute(
        update(digests).where(as_seen).values(claimed_at=now, address=address, lines=lines).returning(digests.c.id)
    ).scalar_one_or_none()


def sent(session: Session, digest_id: int) -> None:
    session.execute(update(digests).where(digests.c.id == digest_id).values(sent_at=database_time()))


def failed(session: Session, digest_id: int, sentence: str) -> None:
    """Note that it could not be sent, below what was noted before."""
    said = " ".join(sentence.split()) or "It could not be sent."
    session.execute(update(digests).where(digests.c.id == digest_id).values(failure=digests.c.failure + f"{said}\n"))
