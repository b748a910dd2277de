"""Looking closer at one person's decisions: possible only where several signals speak, and never unnoticed.

Whoever looks sees the same signals that the report has. Nobody is notified, nothing about the person changes.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import pandas as pd
from sqlalchemy.orm import Session

from review_queue.errors import ReviewError
from review_queue.measures import oversight
from review_queue.measures.oversight import OVERRIDES
from review_queue.roles import Principal, Task
from storage import audit, people
from storage.engine import Database
from storage.workflows import Workflow
from workbench import known_reviews
from workbench.actions.again import again
from workbench.known_reviews import NEWEST, Reviews

#: How far back people are compared, in days: thirteen months, as long as such figures are kept (METHODS 4.10).
PEOPLE_SINCE = 395


class LookRefused(ReviewError):
    """Somebody's signals are no reason to be shown with a name."""

    code = "LOOK_REFUSED"

    def __init__(self) -> None:
        super().__init__(
            "These decisions cannot be looked at closer: that takes an account here, 60 decisions, and signals of two "
            "different questions. Reload the page to see what stands now."
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


def own_among(database: Database, user: Principal, compared: list[Person]) -> Person | None:
    """The signals of whoever asks; None without any, or where the name is not theirs alone."""
    mine = next((person for person in compared if person.reviewer == user.name), None)
    if mine is None:
        return None
    with database.reading() as session:
        accounts = _accounts(session, user.name)
    return mine if accounts == [user.person_id] else None


@again(in_doubt=True)
def look_closer(database: Database, *, person_id: int, workflow: Workflow, reviewer: str) -> Person:
    """Show whose signals these are, and record that somebody looked.

    Raises:
        NotAllowed: the person may not see the analytics, or does not answer for others' work.
        LookRefused: the signals are no reason for a conversation now, or nobody here has this name alone.
    """
    known = known_reviews.read(database, person_id=person_id, workflow_key=workflow.key, span=NEWEST)
    person = next((one for one in people_compared(known) if one.reviewer == reviewer), None)
    with database.writing() as session:
        who = people.principal(session, person_id)
        who.require(Task.SEE_ANALYTICS, workflow.id)
        who.require(Task.ASSIGN, workflow.id)
        accounts = _accounts(session, reviewer)
        if person is None or not person.may_be_named or len(accounts) != 1:
            raise LookRefused
        details = {"person_id": accounts[0], "decisions": person.decisions, "questions": list(person.questions)}
        audit.record(session, "person.looked_closer", actor_id=person_id, workflow_id=workflow.id, details=details)
    return person


def _accounts(session: Session, name: str) -> list[int]:
    """Who is called so: decisions are compared by name, and two of one name are nobody's."""
    return [person.id for person in people.everyone(session) if person.name == name]
