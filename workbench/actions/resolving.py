"""Learning whether a decision was stored whose answer never came."""

from __future__ import annotations

from review_queue.items import Decision
from storage import decisions, doubt, people
from storage.engine import Database
from workbench.actions.again import again


@again(in_doubt=True)
def resolve(database: Database, *, person_id: int, item_id: int, key: str) -> Decision | None:
    """This person's decision (or undo) on the item under ``key``; None once it is certain that there is none.

    A decision is found by reading alone. That there is none takes a database that takes writes: see ``storage.doubt``.
    """
    with database.reading() as session:
        people.principal(session, person_id)
        known = decisions.by_key(session, key)
    if known is not None:
        return _own(known[0], person_id)
    with database.writing() as session:
        return _own(doubt.stored_under(session, key, item_id=item_id), person_id)


def _own(decision: Decision | None, person_id: int) -> Decision | None:
    return decision if decision is not None and decision.actor_id == person_id else None
