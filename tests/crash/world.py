"""What a run starts from: a workflow in four regions, reviewers on each step of the ladder, and many items."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from review_queue.roles import Role
from storage import people, schema
from storage.engine import Database, open_database
from storage.tree import SEPARATOR
from storage.workflows import Workflow
from tests.builders import a_workflow, bring_in

REGIONS = ("East", "North", "South", "West")
PERIOD = "2026-12"
HEADER = "series,period,region,ai_forecast,ai_low,ai_high,human_forecast,model_version"


@dataclass(frozen=True)
class World:
    """Where the run takes place, and who reviews there."""

    url: str
    workflow: Workflow
    people: tuple[int, ...]
    items: int  #: their ids are 1 and so on

    def person(self, slot: int) -> int:
        """Who works at a slot; where there are more slots than people, somebody has two tabs."""
        return self.people[slot % len(self.people)]


def build(url: str, *, items: int, people_: int, claim_minutes: int = 1, seed: int = 0) -> World:
    """A database on the newest schema with everything in it; call it in a process of its own."""
    database = open_database(url)
    schema.upgrade(database)
    workflow = a_workflow(database, claim_minutes=claim_minutes, segments=("region",))
    reviewers = tuple(_reviewer(database, number) for number in range(people_))
    chance = random.Random(f"world {seed}")
    bring_in(database, workflow, rows((number, chance) for number in range(items)))
    database.engine.dispose()
    return World(url, workflow, reviewers, items)


def rows(of: Iterable[tuple[int, random.Random]]) -> str:
    """Forecasts of these items as CSV, with numbers of their own every time."""
    lines = [HEADER]
    for number, chance in of:
        ai = chance.randint(500, 5_000)
        manual = ai + chance.randint(-400, 400)
        region = REGIONS[number % len(REGIONS)]
        lines.append(f"series-{number},{PERIOD},{region},{ai},{ai * 0.9:.1f},{ai * 1.1:.1f},{manual},m-1")
    return "\n".join(lines) + "\n"


def _reviewer(database: Database, number: int) -> int:
    """The first two take anything, every fifth what was escalated once, the others stay in a region or in none."""
    role = Role.OWNER if number < 2 else Role.DIRECTOR if number % 5 == 2 else Role.REVIEWER
    region = REGIONS[number % len(REGIONS)] + SEPARATOR if role is Role.REVIEWER and number % 2 else None
    with database.writing() as session:
        person_id = people.add(session, issuer="test", subject=f"reviewer-{number}", name=f"Reviewer {number}")
        people.grant(session, person_id, role, segment_path=region)
    return person_id
