"""That somebody tried what they may not do is on record, whether they wanted to change something or to read it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from review_queue.errors import NotAllowed, ReviewError
from review_queue.roles import Principal
from storage import audit, people
from storage.engine import CommitInDoubt, Database

log = logging.getLogger("workbench")
P = ParamSpec("P")
R = TypeVar("R")


def notes_refusals(action: Callable[P, R]) -> Callable[P, R]:
    """For an action that may refuse somebody for want of a role: that it did is on record as ``access.refused``.

    Whatever else of the attempt is undone. An action inside of another one notes it for both.
    """

    @wraps(action)
    def asked(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return action(*args, **kwargs)
        except NotAllowed as refusal:
            if not refusal.is_on_record:
                refusal.is_on_record = True
                _note(action.__name__, args, kwargs)
            raise

    return asked


def _note(name: str, given: Sequence[object], asked: Mapping[str, object]) -> None:
    database = given[0] if given else asked.get("database")
    if not isinstance(database, Database):
        return
    actor, token = _who(asked), asked.get("token_id")
    try:
        with database.writing() as session:
            known = actor if isinstance(actor, int) and people.is_known(session, actor) else None
            details = {"action": name} | ({"token_id": token} if isinstance(token, int) else {})
            audit.record(session, "access.refused", actor_id=known, details=details)
    except (SQLAlchemyError, CommitInDoubt, ReviewError):  # whoever asked hears of the refusal all the same
        log.warning("A refusal could not be put on record: %s", name)


def _who(asked: Mapping[str, object]) -> object:
    """Whoever asks: an id, or somebody whom the page knows already."""
    principal = asked.get("who", asked.get("user"))
    return principal.person_id if isinstance(principal, Principal) else asked.get("person_id")
