from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.items import Forecast, SourceKind
from review_queue.masking import COLUMNS, FIELDS, HIDDEN, TABLE, FieldClass, Sight, Treatment, masked, sight_of
from review_queue.roles import Grant, Role
from review_queue.workflows import policy_of

EVERYTHING = Sight(dict.fromkeys(FieldClass, Treatment.MASKED), b"key")
HERE, ELSEWHERE = 1, 2
grants = st.lists(
    st.builds(Grant, st.sampled_from(Role), st.sampled_from([None, HERE, ELSEWHERE]), st.sampled_from([None, "North"])),
    max_size=4,
)
tightened = st.dictionaries(
    st.sampled_from(FieldClass), st.dictionaries(st.sampled_from(Role), st.sampled_from(Treatment))
)


def test_the_table_says_something_for_every_role_and_class() -> None:
    assert {(role, field) for role in Role for field in FieldClass} == {
        (role, field) for role, row in TABLE.items() for field in row
    }


@settings(deadline=None)
@given(grants, tightened)
def test_a_policy_only_tightens(held: list[Grant], policy: dict) -> None:
    before, after = sight_of(held, HERE), sight_of(held, HERE, policy)

    assert all(after.of[field] >= before.of[field] for field in FieldClass)


@settings(deadline=None)
@given(grants, st.builds(Grant, st.sampled_from(Role), st.sampled_from([None, HERE])), tightened)
def test_a_further_role_never_hides_anything(held: list[Grant], further: Grant, policy: dict) -> None:
    before, after = sight_of(held, HERE, policy), sight_of([*held, further], HERE, policy)

    assert all(after.of[field] <= before.of[field] for field in FieldClass)


@settings(deadline=None)
@given(grants)
def test_a_role_elsewhere_shows_nothing_here(held: list[Grant]) -> None:
    elsewhere = [grant for grant in held if grant.workflow_id == ELSEWHERE]

    assert set(sight_of(elsewhere, HERE).of.values()) == {Treatment.LEFT_OUT}


def test_a_part_may_show_less_than_the_whole() -> None:
    whole, part = (sight_of([Grant(Role.INTEGRATOR, HERE, path)], HERE) for path in (None, "North"))

    assert (whole.of[FieldClass.PERSON], part.of[FieldClass.PERSON]) == (Treatment.SHOWN, Treatment.MASKED)


def test_a_policy_names_what_it_hides_from_whom() -> None:
    body = {"key": "a", "title": "A", "unit": "u", "masking": {"person": {"auditor": "left out"}}}
    policy = policy_of(body)

    assert policy.tightened == {FieldClass.PERSON: {Role.AUDITOR: Treatment.LEFT_OUT}}
    with pytest.raises(Exception, match="masking"):
        policy_of({**body, "masking": {"person": {"auditor": "shown"}}})


def test_the_same_person_is_the_same_stand_in_under_one_key_and_nobody_under_another() -> None:
    other = Sight(EVERYTHING.of, b"another")
    once, again = (EVERYTHING.text(FieldClass.PERSON, "Ada Quill") for _ in range(2))

    assert once == again != EVERYTHING.text(FieldClass.PERSON, "Bo")
    assert "Ada" not in once
    assert other.text(FieldClass.PERSON, "Ada Quill") != once


def test_values_tables_and_what_is_inside_them_are_masked_and_nothing_else() -> None:
    @dataclass(frozen=True)
    class Holder:
        forecasts: tuple[Forecast, ...]
        table: pd.DataFrame
        series: str

    words = {"author": "Ada Quill", "note": "Quill says so", "rationale": "Quill's trend"}
    forecast = Forecast(1, "manual", SourceKind.MANUAL, 5.0, datetime(2026, 1, 1, tzinfo=UTC), **words)
    table = pd.DataFrame({"series": ["acme"], "decided_by": ["Ada Quill"], "note": [None], "money": [3.0]})

    seen = masked(Holder((forecast,), table, "acme"), EVERYTHING)

    assert "Quill" not in repr(seen)
    assert (seen.series, seen.forecasts[0].value, seen.forecasts[0].note) == ("acme", 5.0, HIDDEN)
    assert seen.table.loc[0, "note"] is None
    assert pd.isna(seen.table.loc[0, "money"])
    assert masked(table, Sight(dict.fromkeys(FieldClass, Treatment.SHOWN))) is table


@pytest.mark.parametrize("treatment", [Treatment.MASKED, Treatment.LEFT_OUT])
def test_a_policy_is_shown_without_names_and_still_has_an_owner(treatment: Treatment) -> None:
    policy = policy_of({"key": "a", "title": "A", "unit": "u", "owner": "quill@example.com"})
    sight = Sight({**dict.fromkeys(FieldClass, Treatment.SHOWN), FieldClass.PERSON: treatment}, b"key")

    seen = masked(policy, sight)

    assert "quill" not in repr(seen)
    assert (seen.missing_for_review(), seen.deputy, seen.title) == ((), None, "A")


def test_every_field_that_is_named_here_is_a_field() -> None:
    """A class or a field that is renamed would else go out unmasked."""
    import review_queue
    import storage
    from workbench import actions

    found: dict[str, set[str]] = {}
    for package in (review_queue, storage, actions):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for name, each in vars(importlib.import_module(module.name)).items():
                found.setdefault(name, set()).update(getattr(each, "__dataclass_fields__", ()))
                found[name].update(getattr(each, "__pydantic_fields__", ()))
    for name in FIELDS:
        owner, _, field = name.partition(".")
        assert field in found.get(owner, ()), name
    assert not set(COLUMNS) & {"series", "period", "outcome"}
