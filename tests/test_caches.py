"""What one person read must not reach another through something that is kept in the process."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from review_queue.roles import Role
from tests.builders import a_person
from tests.house import House, hours
from workbench import known_reviews

ROOT = Path(__file__).parents[1]
#: Streamlit's caches are one for all sessions, keyed by arguments alone. What is kept of reviews is kept in
#: ``workbench.known_reviews``, by scope and policy, and nowhere else.
FORBIDDEN = {"cache_data", "cache_resource", "lru_cache"}
#: The ``lru_cache`` that there may be → why: it makes its answer of its arguments alone, and reads nothing.
KEPT = {
    "review_queue/calendars.py:_working_days": "the days of a calendar",
    "review_queue/periods.py:parse_period": "what a text means as a period",
    "storage/one_item.py:_visible_item": "a statement without its values, by the grants that it is for",
    "storage/queue.py:_claiming_first": "a statement without its values, by the server that it is for",
    "storage/queue.py:_hand": "a statement without its values, by the grants that it is for",
    "workbench/companion.py:_registered": "a component, the same for everybody",
    "workbench/item_chart.py:_layout": "a chart without its numbers, by its labels",
    "workbench/miss_strip.py:_layout": "a chart without its numbers, by its labels",
}
#: What may be kept for a whole process, since nobody's scope is in it: settings, schemas, charts' fonts and the like.
PROCESS_WIDE = {"cache"}


def caches_in(source: str) -> set[str]:
    """Names of caches that ``source`` uses, whatever they were imported as part of."""
    tree = ast.parse(source)
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names}
    return names & FORBIDDEN


def remembered_in(path: Path) -> set[str]:
    """Functions whose answers ``lru_cache`` keeps, as ``file:function``; ``file:?`` where it keeps something else."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    name = path.relative_to(ROOT)
    uses = [node for node in ast.walk(tree) if getattr(node, "id", getattr(node, "attr", "")) == "lru_cache"]
    kept = {
        f"{name}:{node.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any("lru_cache" in ast.unparse(decorator) for decorator in node.decorator_list)
    }
    return kept if len(kept) == len(uses) else {*kept, f"{name}:?"}


def sources() -> list[Path]:
    return [
        path for layer in ("pages", "workbench", "storage", "review_queue") for path in (ROOT / layer).rglob("*.py")
    ]


def test_nothing_is_kept_by_a_cache_that_all_sessions_share() -> None:
    found = {str(path.relative_to(ROOT)): caches_in(path.read_text(encoding="utf-8")) for path in sources()}

    assert {name for name, caches in found.items() if caches - {"lru_cache"}} == set()
    assert set().union(*map(remembered_in, sources())) == KEPT.keys(), "read it, and say why nobody's scope is in it"


@pytest.mark.parametrize(
    "source",
    [
        "import streamlit as st\n@st.cache_data\ndef f(): ...",
        "from streamlit import cache_resource",
        "import functools\nfunctools.lru_cache",
    ],
)
def test_the_check_finds_a_planted_cache(source: str) -> None:
    assert caches_in(source)


def test_a_cache_of_the_process_takes_nobody_as_an_argument() -> None:
    """``functools.cache`` is for what is the same for everybody."""
    asks = {"person_id", "who", "user", "principal", "session", "token_id", "bearer"}
    found = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_function = isinstance(node, ast.FunctionDef)
            if is_function and any(
                getattr(each, "id", getattr(each, "attr", "")) == "cache" for each in node.decorator_list
            ):
                found += [f"{path.name}:{node.name}" for name in node.args.args if name.arg in asks]
    assert found == []


def test_two_people_in_turn_in_one_process_see_their_own(database) -> None:
    house = House(database)
    for state in ("Victoria", "Queensland"):
        house.past(
            series_id=house.ids[f"{state} cafes"],
            segment_id=house.ids[state],
            decided_at=hours(3),
            reviewer=f"Canary of {state}",
            note=f"Canary in {state}",
        )
    people = {
        state: a_person(database, f"Manager of {state}", Role.MANAGER, segment_path=f"{state}\x1f")
        for state in ("Victoria", "Queensland")
    }
    people["everything"] = a_person(database, "Manager", Role.MANAGER)

    def read_by(name: str) -> str:
        known = known_reviews.read(database, person_id=people[name], workflow_key=house.workflow.key)
        return known.table.to_csv()

    for _ in range(2):  # the second time from what is at hand
        for name, other in (("Victoria", "Queensland"), ("Queensland", "Victoria")):
            told = read_by(name)
            assert f"Canary of {name}" in told
            assert other not in told
        assert "Canary of Victoria" in read_by("everything")
