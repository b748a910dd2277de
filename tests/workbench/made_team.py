"""Ten people with past decisions, one of whom stands out, in a workflow whose policy lets people be compared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import insert

from review_queue.roles import Role
from review_queue.workflows import policy_of
from storage import people, workflows
from storage.engine import Database
from storage.tables import advance_notices, past_reviews
from tests.builders import a_person
from tests.house import POLICY, House
from tests.review_queue.measures.made_reviews import NOON
from workbench import known_reviews
from workbench.actions.looking import Compared, compare

STANDS_OUT, NAMES = "Person 3", [f"Person {place}" for place in range(10)]


def a_team(database: Database) -> House:
    """Ten people with 100 decisions each; one overrides nearly everything, in always the same words."""
    house, now = House(database), datetime.now(UTC)
    _set_policy(house, person_level=True)
    rows = []
    for name in NAMES:
        is_out = name == STANDS_OUT
        for place in range(100):
            made = place < (95 if is_out else 12)
            rows.append(
                {
                    "workflow_id": house.workflow.id,
                    "series_id": house.ids["Victoria cafes"],
                    "segment_id": house.ids["Victoria"],
                    "identity_hash": f"{name} {place}",
                    "content_hash": "x",
                    "period": "2025-03",
                    "period_start": NOON.date(),
                    "created_at": now - timedelta(days=20),
                    "decided_at": now - timedelta(days=10),
                    "reviewer": name,
                    "ai_forecast": 100.0,
                    "final_forecast": 150.0 if made else 100.0,
                    "reason_code": "EXPERIENCE" if made else None,
                    "note": ("It feels too low to me." if is_out else f"{name} heard {'abc'[place % 3] * place}")
                    if made
                    else None,
                    "attributes": {},
                }
            )
    with database.writing() as session:
        session.execute(insert(past_reviews), rows)
    for name in NAMES:
        house.ids[name] = a_person(database, name, Role.REVIEWER)
    house.ids["manager"] = a_person(database, "Max", Role.MANAGER)
    return house


def turn_off(house: House) -> None:
    """A new version of the policy, without the person level."""
    _set_policy(house, person_level=False)


def was_told(house: House, name: str = STANDS_OUT, *, days_ago: float) -> int:
    """Somebody was told so long ago that they stand out; the id of the notice."""
    given_at = datetime.now(UTC) - timedelta(days=days_ago)
    return house.add(advance_notices, person_id=house.ids[name], given_at=given_at)


def known_to(house: House, person: str = "manager") -> known_reviews.Reviews:
    return known_reviews.read(house.database, person_id=house.ids[person], workflow_key=house.workflow.key)


def compared_by(house: House, person: str = "manager") -> Compared | None:
    with house.database.reading() as session:
        user = people.principal(session, house.ids[person])
    return compare(house.database, user=user, known=known_to(house, person))


def _set_policy(house: House, *, person_level: bool) -> None:
    with house.database.writing() as session:
        policy = policy_of({**POLICY, "person_level": person_level})
        house.workflow = workflows.add(session, policy, author_id=house.ids["ada"])
