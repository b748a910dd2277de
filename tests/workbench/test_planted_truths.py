"""What was planted in the simulated organisation is found by the measures of each screen, and the fine are left alone.

One seed with every commit, twenty with ``make long``. The false alarm rate is printed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from review_queue.measures.batching import in_last_tenth
from review_queue.measures.coverage import TOO_NARROW, coverage
from review_queue.measures.groups import split
from review_queue.measures.latency import durations, percentiles
from review_queue.measures.outcomes import effectiveness_by, overridden
from review_queue.measures.overrides import WORTH_A_LOOK, overrides, wilson
from review_queue.measures.oversight import conversation, signals
from review_queue.measures.shadow import shadow_overrides
from review_queue.measures.skill import skill_path
from storage import schema, workflows
from storage.engine import open_database
from storage.reports import reviews
from workbench import demo
from workbench.demo_world import World

NOW = datetime(2026, 3, 18, 11, 20, tzinfo=UTC)
WORLD = World()
TERRITORY = "segment_territory"
IGNORER, REJECTER = "Mikko Laine", "Lucía Prado"
FEW, ALL = range(7, 8), range(1, 21)


def told(folder: Path, seed: int) -> tuple[pd.DataFrame, float]:
    """The organisation's reviews as analytics read them, and the workflow's tolerance."""
    database = open_database(f"sqlite:///{folder}/{seed}.db")
    schema.upgrade(database)
    demo.load(database, seed=seed, now=NOW)
    with database.reading() as session:
        (workflow,) = workflows.all(session)
        table = reviews(session, workflow, NOW)
    database.engine.dispose()
    return table, workflow.policy.tolerance


@pytest.mark.parametrize("seeds", [FEW, pytest.param(ALL, marks=pytest.mark.long)], ids=["one seed", "twenty seeds"])
def test_every_planted_truth_is_found_and_the_fine_are_left_alone(tmp_path, seeds):
    missed: dict[str, list[int]] = {}
    flagged = fine = outside = 0
    for seed in seeds:
        table, tolerance = told(tmp_path, seed)
        found = truths(table, tolerance)
        people, rates = talked_about(table, tolerance), outside_the_funnel(table, tolerance)
        found |= {"ignores the gap": IGNORER in people, "rejects everything": REJECTER in people | rates}
        for truth in (truth for truth, is_found in found.items() if not is_found):
            missed.setdefault(truth, []).append(seed)
        others = {one.name for one in WORLD.reviewers} - {IGNORER, REJECTER}
        fine, flagged, outside = fine + len(others), flagged + len(others & people), outside + len(others & rates)
    print(f"\n{len(seeds)} seeds, {fine} reviewers who are fine: {flagged} flagged ({flagged / fine:.1%}), ", end="")
    print(f"{outside} with an override rate outside the 99.8 % limits ({outside / fine:.1%})")

    assert missed == {}
    assert flagged + outside <= 0.01 * fine


def talked_about(table: pd.DataFrame, tolerance: float) -> set[str]:
    """The reviewers whose signals are a reason for a conversation."""
    own = table[table["reviewer"].isin([one.name for one in WORLD.reviewers])]
    found = signals(own, tolerance=tolerance, groups=own["reviewer"])
    return {name for name, rows in found.groupby("group") if conversation(rows)}


def outside_the_funnel(table: pd.DataFrame, tolerance: float) -> set[str]:
    """The reviewers whose override rate is worth a look."""
    own = table[table["reviewer"].isin([one.name for one in WORLD.reviewers])]
    rates = overrides(own, tolerance=tolerance, groups=own["reviewer"])
    return set(rates.loc[rates["state"] == WORTH_A_LOOK, "group"])


def truths(table: pd.DataFrame, tolerance: float) -> dict[str, bool]:
    """Which of the truths about the work the measures tell."""
    changes = overridden(table, tolerance=tolerance)
    reasons = effectiveness_by(changes, "reason").set_index("group")
    sides = effectiveness_by(changes, "direction").set_index("group")
    versions = coverage(table, groups=table["model_version"]).set_index("group")
    marks = in_last_tenth(table).dropna()
    rushed = wilson(pd.Series([int(marks.sum())]), pd.Series([len(marks)])).iloc[0]
    alarmed = skill_path(table).query("alarm")
    return {
        "a reason helps": reasons.loc["CUST_COMMIT", "hit_low"] > 0.5,
        "a reason hurts": reasons.loc["PLAN_ALIGN", "hit_high"] < 0.5,
        "upward is worse than downward": sides.loc["up", "hit_high"] < sides.loc["down", "hit_low"],
        # Of the newest version alone only seven months are known; a verdict asks for eight.
        "the model's range fails": coverage(table)["verdict"].iloc[0] == TOO_NARROW
        and versions["inside"].idxmin() == "tern-3.1"
        and versions.loc["tern-3.1", "high"] < versions.loc["tern-3.1", "level"],
        "the healthy versions are left alone": not (versions.drop("tern-3.1")["verdict"] == TOO_NARROW).any(),
        "the model does worse than naive": len(alarmed) > 0,
        "one territory plans elsewhere": replaced_elsewhere(table) == WORLD.shadow_territory,
        "one territory is the bottleneck": slowest(table) == WORLD.bottleneck,
        "approvals burst before deadlines": rushed["low"] > 0.15,
    }


def replaced_elsewhere(table: pd.DataFrame) -> str | None:
    """The one territory in which more of what is decided is replaced than in any other, beyond doubt."""
    shares = shadow_overrides(table, groups=table[TERRITORY]).set_index("group").sort_values("share")
    return shares.index[-1] if shares["low"].iloc[-1] > shares["high"].iloc[-2] else None


def slowest(table: pd.DataFrame) -> str:
    """The territory in which decisions take longest, open items counted."""
    times = durations(table, as_of=NOW)
    medians = {name: percentiles(part, (0.5,))["hours"].iloc[0] for name, part in split(times, table[TERRITORY])}
    return max(medians, key=lambda name: medians[name])
