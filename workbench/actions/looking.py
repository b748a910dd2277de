"""Looking closer at one person's decisions: only where several signals speak, after them, and never unnoticed.

People are compared over everything that was decided in the workflow, whoever asks: what they see of themselves is what
others may see later. Nobody is notified of a look, nothing about the person changes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
from sqlalchemy.orm import Session

from review_queue.advance_notice import DAYS
from review_queue.errors import PeopleNotCompared, ReviewError
from review_queue.measures import oversight
from review_queue.measures.overrides import judged
from review_queue.measures.oversight import OVERRIDES, REVEALED_FROM
from review_queue.roles import Principal, Task
from storage import advance_notices, audit, figure_comments, people, workflows
from storage.advance_notices import AdvanceNotice
from storage.engine import Database
from storage.figure_comments import FigureComment
from storage.workflows import Workflow
from workbench.actions.again import again
from workbench.known_reviews import NEWEST, Reviews, read_now

#: How far back people are compared, in days: thirteen months, as long as such figures are kept (METHODS 4.10).
PEOPLE_SINCE = 395


class LookRefused(ReviewError):
    """Somebody's signals may not be shown with a name now. Which condition fails is not said: it would tell of them."""

    code = "LOOK_REFUSED"

    def __init__(self) -> None:
        super().__init__(
            f"These decisions cannot be looked at closer now: that takes an account here, {REVEALED_FROM} decisions, "
            f"signals of two different questions, and {DAYS} days since the person was told of them. "
            "Reload the page to see what stands now."
        )


@dataclass(frozen=True)
class Person:
    """One reviewer's signals among those of the others."""

    reviewer: str
    decisions: int  #: with an AI and a final value
    signals: pd.DataFrame  #: as ``measures.oversight.signals`` gives it

    @property
    def questions(self) -> tuple[str, ...]:
        """The questions that speak."""
        return oversight.speaking(self.signals)

    @property
    def account(self) -> tuple[str, ...]:
        """What to say, benign explanations first."""
        return oversight.account(self.signals)

    @property
    def may_be_named(self) -> bool:
        return oversight.may_be_named(self.signals, decisions=self.decisions)


@dataclass(frozen=True)
class Own:
    """What somebody sees of themselves, before anybody else does."""

    person: Person
    notice: AdvanceNotice | None  #: None: nothing stands out
    is_alone: bool  #: nobody else may look closer yet
    comment: FigureComment | None


@dataclass(frozen=True)
class Look:
    """What a closer look shows: the signals, and beside them what the person says."""

    person: Person
    comment: FigureComment | None


@dataclass(frozen=True)
class Compared:
    """The people who decide inside the scope of whoever asks, as far as they may know of them."""

    everybody: list[Person]  #: in an order that says nothing
    stand_out: list[Person]  #: those of them whose decisions are worth a conversation, and who had their seven days
    own: Own | None  #: None without any decision, or where the name is not theirs alone


def may_look_closer(who: Principal, workflow_id: int) -> bool:
    """Whether this person answers for others' work here: analytics are everybody's, names are not."""
    return who.may(Task.SEE_ANALYTICS, workflow_id) and who.may(Task.ASSIGN, workflow_id)


def people_compared(known: Reviews) -> list[Person]:
    """Everybody who decided in the last thirteen months with their signals, in an order that says nothing.

    Filters of a page do not apply: somebody always stands out of some slice.
    """
    recent = known.since(PEOPLE_SINCE, column="decided_at").table
    found = oversight.signals(recent, tolerance=known.tolerance, groups=recent["reviewer"])
    found = found[found["group"].notna()]
    sizes = found[found["name"] == OVERRIDES.name].set_index("group")["n"]
    everybody = [Person(str(name), int(sizes[name]), part) for name, part in found.groupby("group")]
    return sorted(everybody, key=lambda person: zlib.crc32(person.reviewer.encode()))


def compare(database: Database, *, user: Principal, known: Reviews) -> Compared | None:
    """The people of a workflow as this person may know of them; None where the policy does not allow it.

    ``known``: what the person may see, whole.
    """
    if not known.workflow.policy.person_level:
        return None
    everybody = people_compared(read_now(database, known.workflow, span=NEWEST))
    inside = _deciding_in(known)
    with database.reading() as session:
        accounts = accounts_by_name(session)
        free = {notice.person_id for notice in advance_notices.run_out(session, known.workflow.id)}
        own = _own(session, user, known.workflow, accounts, everybody, free)
    return Compared(
        everybody=[person for person in everybody if person.reviewer in inside],
        stand_out=[
            person
            for person in everybody
            if person.reviewer in inside and person.may_be_named and _is_free(accounts.get(person.reviewer, []), free)
        ],
        own=own,
    )


@again(in_doubt=True)
def look_closer(database: Database, *, person_id: int, workflow: Workflow, reviewer: str) -> Look:
    """Show whose signals these are and what they say of them, and record that somebody looked.

    Raises:
        NotAllowed: the person may not see the analytics, or does not answer for others' work.
        PeopleNotCompared: the policy does not allow it.
        LookRefused: the signals are no reason for a conversation now, the person has not had seven days to see them
            alone, or nobody who decides in the scope of whoever asks has this name alone.
    """
    with database.reading() as session:
        user = people.principal(session, person_id)
    user.require(Task.SEE_ANALYTICS, workflow.id)
    user.require(Task.ASSIGN, workflow.id)  # asked again where it is recorded; here, to read nothing for the others
    known = read_now(database, workflow, user)
    everybody = people_compared(read_now(database, workflow, span=NEWEST))
    inside = _deciding_in(known)
    person = next((one for one in everybody if one.reviewer == reviewer and reviewer in inside), None)
    with database.writing() as session:
        who = people.principal(session, person_id)
        who.require(Task.SEE_ANALYTICS, workflow.id)
        who.require(Task.ASSIGN, workflow.id)
        if not workflows.by_id(session, workflow.id).policy.person_level:
            raise PeopleNotCompared
        accounts = accounts_by_name(session).get(reviewer, [])
        free = {notice.person_id for notice in advance_notices.run_out(session, workflow.id)}
        if person is None or not person.may_be_named or not _is_free(accounts, free):
            raise LookRefused
        comment = figure_comments.of(session, workflow.id, accounts[0])
        details = {
            "person_id": accounts[0],
            "decisions": person.decisions,
            "questions": list(person.questions),
            "comment": comment.id if comment else None,
        }
        audit.record(session, "person.looked_closer", actor_id=person_id, workflow_id=workflow.id, details=details)
    return Look(person, comment)


def accounts_by_name(session: Session) -> dict[str, list[int]]:
    """Who is called what: decisions are compared by name, and two of one name are nobody's."""
    found: dict[str, list[int]] = {}
    for person in people.everyone(session):
        found.setdefault(person.name, []).append(person.id)
    return found


def _is_free(accounts: list[int], free: Iterable[int]) -> bool:
    return len(accounts) == 1 and accounts[0] in free


def _deciding_in(known: Reviews) -> set[str]:
    """Who decided something here in the last thirteen months."""
    return set(judged(known.since(PEOPLE_SINCE, column="decided_at").table)["reviewer"].dropna())


def _own(
    session: Session,
    user: Principal,
    workflow: Workflow,
    accounts: dict[str, list[int]],
    everybody: list[Person],
    free: set[int],
) -> Own | None:
    mine = next((person for person in everybody if person.reviewer == user.name), None)
    if mine is None or accounts.get(user.name) != [user.person_id]:
        return None
    notices = {notice.person_id: notice for notice in advance_notices.standing(session, workflow.id)}
    return Own(
        person=mine,
        notice=notices.get(user.person_id),
        is_alone=user.person_id not in free,
        comment=figure_comments.of(session, workflow.id, user.person_id),
    )
