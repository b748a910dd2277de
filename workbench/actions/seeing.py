"""What somebody reads, with what their roles do not show of other people taken out of it."""

from __future__ import annotations

import secrets
from typing import TypeVar

from sqlalchemy.orm import Session

from review_queue.masking import Sight, masked, sight_of
from review_queue.roles import Principal
from storage import workflows
from storage.workflows import Workflow
from workbench.settings import settings

T = TypeVar("T")

#: Stand-ins of people are made with this where the settings name no key: the same until the server starts again.
_OWN_KEY = secrets.token_bytes(32)


def sight(who: Principal, workflow: Workflow) -> Sight:
    """What this person is shown in a workflow, on every screen and in every export."""
    chosen = settings().mask_key
    key = chosen.get_secret_value().encode() if chosen else _OWN_KEY
    return sight_of(who.grants, workflow.id, workflow.policy.tightened, key=key)


def as_seen(session: Session, who: Principal, workflow: Workflow | int, value: T) -> T:
    """``value`` as this person may see it. ``workflow``: the one that it is of, or its id."""
    of = workflows.by_id(session, workflow) if isinstance(workflow, int) else workflow
    return masked(value, sight(who, of))
