"""Taking out of the database what names a person; what they decided stays, under a number that says nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from review_queue.incidents import Happened
from storage.engine import database_time
from storage.people import ERASED, revoke_all
from storage.tables import (
    OPEN,
    absences,
    alerts,
    api_tokens,
    assignments,
    comments,
    decisions,
    digests,
    drafts,
    erasures,
    figure_comments,
    forecasts,
    grants,
    handovers,
    incident_events,
    incidents,
    items,
    mentions,
    notifications,
    past_reviews,
    path_tests,
    people,
    policies,
    preferences,
    review_changes,
    role_requests,
    saved_views,
    showings,
    sign_ins,
    skips,
    workflows,
)

#: What stands where somebody's remark was.
REMOVED = "Removed when its author's account was erased."

#: Rows that are about one person alone, by the column that says who.
_OWN: dict[str, ColumnElement[Any]] = {
    "sign_ins": sign_ins.c.person_id,
    "drafts": drafts.c.person_id,
    "saved_views": saved_views.c.person_id,
    "notifications": notifications.c.person_id,
    "preferences": preferences.c.person_id,
    "digests": digests.c.person_id,
    "figure_comments": figure_comments.c.person_id,
    "mentions": mentions.c.person_id,
}


#: What stands where a step of a ladder told somebody who is erased now: an address that is nobody's.
STEPPED_DOWN = "erased@invalid"

#: Columns that hold one name or address, and no more.
_WHOSE = (
    decisions.c.owner,
    alerts.c.owner,
    handovers.c.owner_before,
    handovers.c.owner,
    handovers.c.deputy_before,
    handovers.c.deputy,
)
#: Sentences in which a name may stand.
_TOLD = (
    notifications.c.sentence,
    incident_events.c.body,
    incidents.c.title,
    incidents.c.closing_note,
    handovers.c.note,
    showings.c.note,
)


def erased_name(person_id: int) -> str:
    """What an erased person is called from then on."""
    return f"Erased person {person_id}"


@dataclass(frozen=True, slots=True)
class Effect:
    """What erasing somebody takes away, and what stays; counts of rows."""

    roles: int
    tokens: int
    items_given_back: int  #: open items that are assigned to them
    own: dict[str, int]  #: by table; removed
    remarks: int  #: comments on items and in incidents; their text is removed
    decisions: int  #: stay, with the reasons that were given
    imported: int  #: rows that came in by file and carry the very name or address; stay, as the file says it


def effect(session: Session, person_id: int) -> Effect:
    """What ``erase`` would do now."""
    name, email = session.execute(select(people.c.name, people.c.email).where(people.c.id == person_id)).one()
    called = [word for word in (name, email) if word]

    def count(of: ColumnElement[Any], *where: ColumnElement[bool]) -> int:
        return int(session.execute(select(func.count(of)).where(*where)).scalar_one())

    return Effect(
        roles=count(grants.c.id, grants.c.person_id == person_id, grants.c.revoked_at.is_(None)),
        tokens=count(api_tokens.c.id, _tokens_of(person_id)),
        items_given_back=count(items.c.id, items.c.assigned_to == person_id, OPEN),
        own={name: count(who, who == person_id) for name, who in _OWN.items()},
        remarks=count(comments.c.id, comments.c.author_id == person_id)
        + count(incident_events.c.id, *_remarks_in_incidents(person_id)),
        decisions=count(decisions.c.id, decisions.c.actor_id == person_id),
        imported=count(forecasts.c.id, forecasts.c.author.in_(called))
        + count(past_reviews.c.id, past_reviews.c.reviewer.in_(called)),
    )


def owned_workflows(session: Session, person_id: int) -> list[str]:
    """Titles of the workflows whose policy in force names this person's address: as owner, deputy, or in the ladder."""
    email = session.execute(select(people.c.email).where(people.c.id == person_id)).scalar_one()
    newest = select(func.max(policies.c.id)).group_by(policies.c.workflow_id)
    rows = session.execute(
        select(workflows.c.title, policies.c.body)
        .join(workflows, workflows.c.id == policies.c.workflow_id)
        .where(policies.c.id.in_(newest))
        .order_by(workflows.c.title)
    )
    return [title for title, body in rows if email and email in _named(body)]


def _named(body: dict[str, Any]) -> set[str | None]:
    return {body.get("owner"), body.get("deputy"), *(step.get("who") for step in body.get("escalation", ()))}


def erase(session: Session, person_id: int, *, erased_by: int, reason: str) -> None:
    """Take the person out: name, address, identity, sign-ins, tokens, drafts, and what they wrote beside decisions.

    Decisions, their reasons and audit events stay, and lead to a number. Nobody can sign in as this person again:
    whoever comes with the same identity is somebody new, without any role.
    """
    name, email = session.execute(select(people.c.name, people.c.email).where(people.c.id == person_id)).one()
    stand_in = erased_name(person_id)
    revoke_all(session, person_id)
    session.execute(delete(api_tokens).where(_tokens_of(person_id)))
    session.execute(delete(role_requests).where(role_requests.c.person_id == person_id))
    for who in _OWN.values():
        session.execute(delete(who.table).where(who == person_id))
    _give_items_back(session, person_id, by=erased_by)
    _read_anew(session, person_id)
    _take_out_remarks(session, person_id)
    _rename(session, name, email, stand_in)
    session.execute(
        update(people)
        .where(people.c.id == person_id)
        .values(
            issuer=ERASED,
            subject=str(person_id),
            name=stand_in,
            email=None,
            disabled_at=func.coalesce(people.c.disabled_at, database_time()),
        )
    )
    session.execute(
        insert(erasures).values(person_id=person_id, erased_by=erased_by, erased_at=database_time(), reason=reason)
    )


def _tokens_of(person_id: int) -> ColumnElement[bool]:
    return api_tokens.c.grant_id.in_(select(grants.c.id).where(grants.c.person_id == person_id))


def _give_items_back(session: Session, person_id: int, *, by: int) -> None:
    mine = session.execute(
        update(items).where(items.c.assigned_to == person_id, OPEN).values(assigned_to=None).returning(items.c.id)
    ).scalars()
    rows = [{"item_id": item_id, "taken_from": person_id, "assigned_by": by} for item_id in mine]
    if rows:
        session.execute(insert(assignments).values(assigned_at=database_time()), rows)


def _remarks_in_incidents(person_id: int) -> tuple[ColumnElement[bool], ...]:
    return incident_events.c.actor_id == person_id, incident_events.c.kind == Happened.COMMENT


def _read_anew(session: Session, person_id: int) -> None:
    """Servers have reviews at hand with the names that people had: a change of each workflow makes them look again."""
    decided = (
        select(items.c.workflow_id, func.min(items.c.id))
        .join(decisions, decisions.c.item_id == items.c.id)
        .where(decisions.c.actor_id == person_id)
        .group_by(items.c.workflow_id)
    )
    session.execute(insert(review_changes).from_select(["workflow_id", "item_id"], decided))


def _take_out_remarks(session: Session, person_id: int) -> None:
    """What somebody wrote beside the decisions; what explains a decision stays with it."""
    session.execute(update(comments).where(comments.c.author_id == person_id).values(body=REMOVED))
    session.execute(update(incident_events).where(*_remarks_in_incidents(person_id)).values(body=REMOVED))
    for table, who in (
        (skips, skips.c.person_id),
        (assignments, assignments.c.assigned_by),
        (absences, absences.c.noted_by),
        (absences, absences.c.person_id),
    ):
        session.execute(update(table).where(who == person_id, table.c.note != "").values(note=""))


def _rename(session: Session, name: str, email: str | None, stand_in: str) -> None:
    """Where the workbench itself wrote the person's name or address as text, or somebody did beside an act."""
    called = [word for word in (email, name) if word]
    for column in _WHOSE:
        table: Table = column.table
        session.execute(update(table).where(column.in_(called)).values({column: stand_in}))
    # Whole words, as a short name is part of many; and in any letters, as people write addresses.
    word = re.compile("|".join(rf"(?<!\w){re.escape(each)}(?!\w)" for each in called), re.IGNORECASE)
    for column in _TOLD:
        _replace(session, column, called, lambda text: word.sub(stand_in, text))
    _rewrite(session, path_tests.c.parts, lambda parts: [_said(part, word, stand_in) for part in parts])
    _rewrite(session, policies.c.body, lambda body: _without(body, called, stand_in))


def _replace(session: Session, column: Column[str], called: list[str], renamed: Callable[[str], str]) -> None:
    # Looked for literally, and not by LIKE, to which a name could hold wild cards.
    text = func.lower(column)
    _rewrite(session, column, renamed, or_(*(func.replace(text, word.lower(), "") != text for word in called)))


def _rewrite(session: Session, column: Column[Any], anew: Callable[[Any], Any], *which: ColumnElement[bool]) -> None:
    key = column.table.c.id
    for row_id, before in session.execute(select(key, column).where(*which)).all():
        after = anew(before)
        if after != before:
            session.execute(update(column.table).where(key == row_id).values({column: after}))


def _said(part: dict[str, Any], word: re.Pattern[str], stand_in: str) -> dict[str, Any]:
    return {**part, "sentence": word.sub(stand_in, part["sentence"])}


def _without(body: dict[str, Any], called: list[str], stand_in: str) -> dict[str, Any]:
    """A policy's body in which nobody is called so. A ladder of old may name them; the one in force must not."""
    owned = {key: stand_in for key in ("owner", "deputy") if body.get(key) in called}
    ladder = [
        {**step, "who": STEPPED_DOWN} if step.get("who") in called else step for step in body.get("escalation", ())
    ]
    return {**body, **owned, **({"escalation": ladder} if ladder else {})}
