"""Watching the AI's feed: when it goes out, items go on with the fallback; when it is back, with the AI's values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from review_queue.feeds import Feed, Outage, outage, sentence
from review_queue.roles import Task
from review_queue.showing import AiValues
from review_queue.showing import sentence as showing_sentence
from storage import audit, feeds, people, placing, showings, workflows
from storage.engine import Database, database_now
from storage.workflows import Workflow
from workbench.actions.again import again
from workbench.stopping import doors


@dataclass(frozen=True, slots=True)
class FeedNotice:
    """What people are told while the AI's values are not shown as they come."""

    kind: Outage | AiValues  #: an outage before what the owner chose
    sentence: str


def watch_feeds(database: Database) -> list[int]:
    """Note every feed that went out or came back by now, and place its workflow's open items again; which workflows.

    The server calls this beside its work.
    """
    with database.reading() as session:
        now = database_now(session)
        watched = [workflow for workflow in workflows.all(session) if _differs(session, workflow, now)]
    changed = []
    for workflow in watched:
        doors.check()
        with database.writing() as session:
            workflows.lock(session, workflow.id)
            if _bring_up_to_date(session, workflows.by_id(session, workflow.id), database_now(session)):
                changed.append(workflow.id)
    return changed


@again(in_doubt=True)
def notice(database: Database, *, person_id: int, workflow: Workflow) -> FeedNotice | None:
    """What to tell of the AI's values, to anybody who may see the queue or the analytics; None: nothing.

    That is a feed that is out, and that the owner paused the values or went back to an earlier model version.
    """
    with database.reading() as session:
        who = people.principal(session, person_id)
        if not who.may(Task.SEE_ANALYTICS, workflow.id):
            who.require(Task.SEE_QUEUE, workflow.id)
        policy, showing = workflow.policy, showings.of(session, workflow.id)
        chosen = showing_sentence(showing, policy.fallback)
        kind = feeds.outage_of(session, workflow.id)
        if kind is None:
            return FeedNotice(showing.values, chosen) if chosen else None
        feed, now = feeds.feed_of(session, workflow.id), database_now(session)
        late_hours = policy.feed_late_hours
        out = sentence(kind, feed, late_hours=late_hours, fallback=policy.fallback, now=now)
        return FeedNotice(kind, f"{out} {chosen}".strip())


def _differs(session: Session, workflow: Workflow, now: datetime) -> bool:
    noted = feeds.outage_of(session, workflow.id)
    can_go_out = workflow.policy.feed_late_hours is not None or feeds.is_pulled(session, workflow.id)
    if noted is None and not can_go_out:
        return False
    return _outage(feeds.feed_of(session, workflow.id), workflow, now) != noted


def _outage(feed: Feed, workflow: Workflow, now: datetime) -> Outage | None:
    return outage(feed, late_hours=workflow.policy.feed_late_hours, now=now)


def _bring_up_to_date(session: Session, workflow: Workflow, now: datetime) -> bool:
    kind, noted = _outage(feeds.feed_of(session, workflow.id), workflow, now), feeds.outage_of(session, workflow.id)
    if kind == noted:
        return False
    feeds.end(session, workflow.id, now=now)
    if kind is not None:
        feeds.begin(session, workflow.id, kind, now=now)
    if (kind is None) != (noted is None):
        placing.place_items(session, workflow, now=now)
    action = "feed.back" if kind is None else "feed.out"
    details = {"kind": kind or noted, "fallback": workflow.policy.fallback}
    audit.record(session, action, actor_id=None, workflow_id=workflow.id, details=details)
    return True
