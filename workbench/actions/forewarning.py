"""Whoever's figures stand out is told first, and may say something about them before anybody else looks."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.orm import Session

from review_queue.advance_notice import DAYS
from review_queue.errors import NoteRefused, PeopleNotCompared
from review_queue.notices import News
from review_queue.roles import Task
from storage import advance_notices, audit, figure_comments, notifications, people, workflows
from storage.engine import Database
from storage.workflows import Workflow
from workbench.actions.again import again
from workbench.actions.looking import accounts_by_name

LONGEST = 2000  #: characters of a comment


def keep_notices(database: Database, workflow: Workflow, standing_out: Collection[str]) -> list[int]:
    """Give notice to whoever stands out and was not told, and end the notices of those who no longer do.

    Only people who can see their own figures are told: they have an account that works, alone have their name, and may
    see the analytics. Nobody is told where the policy does not allow the comparison, and notices end there too.

    Args:
        standing_out: the names of those whose signals may be shown with a name.

    Returns:
        The ids of those who were told now.
    """
    with database.reading() as session:
        told, gone = _changes(session, workflow, standing_out)
    if not told and not gone:
        return []
    with database.writing() as session:
        workflows.lock(session, workflow.id)
        told, gone = _changes(session, workflow, standing_out)
        advance_notices.end(session, gone)
        for notice_id in gone:
            _record(session, "notice.ended", workflow, notice_id)
        for person_id in told:
            _tell(session, workflow, person_id)
    return told


def _changes(session: Session, workflow: Workflow, standing_out: Collection[str]) -> tuple[list[int], list[int]]:
    """Who is to be told (people), and which notices are to end."""
    wanted: set[int] = set()
    if workflows.by_id(session, workflow.id).policy.person_level:
        accounts = accounts_by_name(session)
        can_look = {who.person_id for who in people.who_may(session, Task.SEE_ANALYTICS, workflow.id)}
        named = [accounts.get(name, []) for name in standing_out]
        wanted = {ids[0] for ids in named if len(ids) == 1} & can_look
    known = {notice.person_id: notice.id for notice in advance_notices.standing(session, workflow.id)}
    gone = sorted(notice_id for person_id, notice_id in known.items() if person_id not in wanted)
    return sorted(wanted - known.keys()), gone


def _tell(session: Session, workflow: Workflow, person_id: int) -> None:
    notice = advance_notices.give(session, workflow.id, person_id)
    sentence = (
        f"{workflow.title}: your figures stand out in two questions or more. For {DAYS} days, until "
        f"{notice.open_to_others_at:%-d %B %Y, %H:%M} UTC, nobody else sees that under your name. Oversight shows "
        "them, and you can write a comment beside them."
    )
    notifications.notify(session, [person_id], workflow.id, News.FIGURES, sentence, by=None)
    _record(session, "notice.given", workflow, notice.id)


def _record(session: Session, action: str, workflow: Workflow, notice_id: int) -> None:
    """Without the person: whoever reads the record is not to know before the seven days are over."""
    audit.record(session, action, actor_id=None, workflow_id=workflow.id, details={"notice": notice_id})


@again(in_doubt=True)
def comment_on_own(database: Database, *, person_id: int, workflow_id: int, body: str) -> None:
    """Keep what somebody says of their own figures; empty takes back what they said. The same once more is nothing.

    Raises:
        NotAllowed: the person may not see the analytics.
        PeopleNotCompared: the policy does not allow figures about single people.
        NoteRefused: it is too long.
    """
    body = body.strip()
    if len(body) > LONGEST:
        raise NoteRefused(f"That has {len(body):,} characters, and {LONGEST:,} is the most. Say it in fewer words.")
    with database.writing() as session:
        people.principal(session, person_id, in_turn=True).require(Task.SEE_ANALYTICS, workflow_id)
        if not workflows.by_id(session, workflow_id).policy.person_level:
            raise PeopleNotCompared
        standing = figure_comments.of(session, workflow_id, person_id)
        if body == (standing.body if standing else ""):
            return
        comment_id = figure_comments.write(session, workflow_id, person_id, body)
        audit.record(
            session, "figures.commented", actor_id=person_id, workflow_id=workflow_id, details={"comment": comment_id}
        )
