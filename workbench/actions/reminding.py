"""Reminding people by mail: how each wants it, and a day's digest to everybody whose hour has come, once."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, datetime
from email.message import EmailMessage

from sqlalchemy.orm import Session

from review_queue.errors import NotAllowed
from review_queue.reminders import Preferences, Waiting, check_preferences, due_on, subject_of, text_of
from review_queue.roles import Task
from storage import audit, people, reminders, workflows
from storage.engine import Database, database_now
from storage.reminders import Wanting
from workbench.actions.again import again
from workbench.actions.deciding import server_of
from workbench.actions.refusing import notes_refusals
from workbench.mailing import MailNotSent, Post, message_to
from workbench.stopping import doors

log = logging.getLogger("workbench")


@dataclass(frozen=True, slots=True)
class Mine:
    """How one person is reminded."""

    preferences: Preferences | None  #: None: they never said
    address: str | None  #: where the digest goes; None: nobody told us


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one person's digest."""

    person_id: int
    address: str
    day: date
    lines: int  #: 0: nothing waits, so nothing is sent
    text: str
    failure: str = ""  #: why it was not sent


@notes_refusals
def my_reminders(database: Database, *, person_id: int) -> Mine:
    """How this person wants to be reminded, and where."""
    with database.reading() as session:
        people.principal(session, person_id)
        return Mine(reminders.preferences_of(session, person_id), reminders.address_of(session, person_id))


@again(in_doubt=True)
def save_preferences(database: Database, *, person_id: int, wanted: Preferences) -> None:
    """Keep how this person wants to be reminded, from now on.

    Raises:
        PreferencesRefused: no digest could come like that.
    """
    check_preferences(wanted)
    with database.writing() as session:
        people.principal(session, person_id)
        reminders.keep_preferences(session, person_id, wanted)
        audit.record(session, "reminders.changed", actor_id=person_id, details={"digest": wanted.wants_digest})


def send_digests(
    database: Database, post: Post | None, *, sender: str, url: str | None = None, now: datetime | None = None
) -> list[Told]:
    """Send the digests that are due, each once however many servers try; what was sent, and what failed.

    Args:
        post: None tells what would be sent, and changes nothing.
        url: where people reach this workbench, for the links; None: no links.
        now: UTC; the database's clock unless a test says otherwise.
    """
    with database.reading() as session:
        now = now or database_now(session)
        everyone = [(each, day) for each in reminders.wanting(session) if (day := due_on(each.preferences, now))]
    found = []
    for each, day in everyone:
        doors.check()
        if post is None:
            told = _rehearsed(database, each, day, url, now)
        else:
            told = _sent(database, post, each, day, sender=sender, url=url, now=now)
        if told is not None:
            found.append(told)
    return found


def _rehearsed(database: Database, to: Wanting, day: date, url: str | None, now: datetime) -> Told | None:
    with database.reading() as session:
        if not reminders.may_try(reminders.digest_of(session, to.person_id, day), now):
            return None
        return _written(session, to, day, url, now)[0]


def _sent(
    database: Database, post: Post, to: Wanting, day: date, *, sender: str, url: str | None, now: datetime
) -> Told | None:
    """Take the digest in hand, then send it, then note how that went: three steps, so that it never goes out twice."""
    claimed = _take_in_hand(database, to, day, url=url, now=now)
    if claimed is None:
        return None
    digest_id, told, subject = claimed
    if not told.lines:
        return told
    try:
        post.send(_message(sender, to, subject, told.text))
    except MailNotSent as problem:
        log.warning("A digest could not be sent: %s", problem)
        _note(database, digest_id, failure=str(problem))
        return Told(told.person_id, told.address, told.day, told.lines, told.text, failure=str(problem))
    _note(database, digest_id)
    return told


def _message(sender: str, to: Wanting, subject: str, text: str) -> EmailMessage:
    try:
        return message_to(sender, to.name, to.address, subject, text)
    except (ValueError, IndexError) as problem:  # how the library refuses a header that it cannot write
        raise MailNotSent(f"The message cannot be addressed: {problem}") from problem


@again(in_doubt=False)
def _take_in_hand(
    database: Database, to: Wanting, day: date, *, url: str | None, now: datetime
) -> tuple[int, Told, str] | None:
    with database.reading() as session:
        known = reminders.digest_of(session, to.person_id, day)
        if not reminders.may_try(known, now):
            return None
        told, subject = _written(session, to, day, url, now)
    with database.writing() as session:
        digest_id = reminders.claim(
            session, to.person_id, day, known=known, address=to.address, lines=told.lines, now=now
        )
    return None if digest_id is None else (digest_id, told, subject)


@again(in_doubt=True)
def _note(database: Database, digest_id: int, *, failure: str = "") -> None:
    with database.writing() as session:
        if failure:
            reminders.failed(session, digest_id, failure)
        else:
            reminders.sent(session, digest_id)


def _written(session: Session, to: Wanting, day: date, url: str | None, now: datetime) -> tuple[Told, str]:
    waiting = _waiting(session, to.person_id, now)
    lines = sum(len(list(each.lines(None))) for each in waiting)
    text = text_of(to.name, waiting, wanted=to.preferences, url=url)
    return Told(to.person_id, to.address, day, lines, text), subject_of(waiting)


def _waiting(session: Session, person_id: int, now: datetime) -> list[Waiting]:
    """What waits for this person, workflow by workflow; nothing for somebody whose roles were taken back."""
    try:
        who = people.principal(session, person_id)
    except NotAllowed:
        return []
    here = [each for each in workflows.all(session) if who.may(Task.SEE_QUEUE, each.id)]
    server = server_of(session, who, now)
    found = (reminders.waiting(session, server, workflow, now=now) for workflow in here)
    return [each for each in found if each.is_something]
