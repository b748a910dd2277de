"""The escalation ladder: what may stand in one, and when its steps act on an item."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review_queue.calendars import BusinessCalendar
from review_queue.errors import WorkflowInvalid
from review_queue.escalation import Facts, acts_at, what, why
from review_queue.items import Band
from review_queue.workflows import Policy, policy_of

NOW = datetime(2025, 12, 29, 12, tzinfo=UTC)  # a Monday
GERMAN = {"country": "DE", "closed": ["2025-12-24", "2025-12-31"]}


def a_policy(*steps: dict[str, object]) -> Policy:
    return policy_of({"key": "s", "title": "S", "unit": "k", "calendar": GERMAN, "escalation": list(steps)})


def a_step(**changes: object) -> dict[str, object]:
    return {"name": "late", "who": "director", **changes}


def instants(first: datetime, last: datetime) -> st.SearchStrategy[datetime]:
    return st.timedeltas(timedelta(0), last - first).map(lambda after: first + after)


def some_facts(**changes: object) -> Facts:
    whole = {"created_at": NOW - timedelta(days=30), "due_at": NOW - timedelta(days=10), "band": Band.MINOR}
    return Facts(**{**whole, "money": None, "expiries": 0, "claim_ends_at": None, **changes})


def when(policy: Policy, facts: Facts, now: datetime = NOW, **done: datetime) -> dict[str, datetime]:
    calendar = BusinessCalendar.of(policy)
    return {step.name: at for step, at in acts_at(policy.escalation, facts, done, calendar=calendar, now=now)}


def test_a_step_that_lies_beyond_the_calendar_never_acts_and_holds_no_other_up() -> None:
    policy = a_policy(a_step(name="old", since="created"), a_step(since="due", after_hours=8))
    facts = some_facts(due_at=datetime(2199, 12, 31, tzinfo=UTC))

    assert list(when(policy, facts)) == ["old"]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([a_step(who="the boss")], "who is 'the boss'; name one of reviewer, director, manager, workflow owner, or"),
        ([a_step(who="")], "who is ''"),
        ([a_step(does="raise", who="manager")], "raise needs who to be director or workflow owner"),
        ([a_step(does="raise", who="a@example.com")], "raise needs who to be"),
        ([a_step(when="money")], "money_above go together"),
        ([a_step(money_above=5.0)], "money_above go together"),
        ([a_step(), a_step()], "two steps are called 'late'"),
        ([a_step(since="last_step")], "'late' is the first step"),
        ([a_step(after_hours=-1)], "after_hours"),
        ([a_step(when=["whenever"])], "when"),
        ([a_step(does="approve")], "does"),
        ([a_step(does="accept_ai")], "does"),
        ([a_step(after=3)], "there is no such setting"),
    ],
)
def test_a_ladder_that_makes_no_sense_is_refused_in_a_sentence(steps, said):
    with pytest.raises(WorkflowInvalid, match=said):
        a_policy(*steps)


def test_without_a_ladder_nothing_acts_and_an_address_or_a_deputy_may_stand_for_a_role():
    assert a_policy().escalation == ()
    assert when(a_policy(), some_facts()) == {}
    deputy = a_step(name="deputy", does="assign_deputy", who="")
    assert len(a_policy(a_step(who="ceo@example.com"), deputy).escalation) == 2


def test_hours_are_business_hours_and_holidays_are_not_counted():
    # Due on Tuesday 23 December, 16:00. The 24th is closed, the 25th and 26th are holidays, then comes a weekend.
    facts = some_facts(due_at=datetime(2025, 12, 23, 16, tzinfo=UTC))

    found = when(a_policy(a_step(after_hours=2)), facts, now=datetime(2025, 12, 23, tzinfo=UTC))

    assert found == {"late": datetime(2025, 12, 29, 10, tzinfo=UTC)}


def test_what_was_breached_before_acts_now_and_without_a_due_date_nothing_is_late():
    policy = a_policy(a_step())

    assert when(policy, some_facts()) == {"late": NOW}
    assert when(policy, some_facts(due_at=None)) == {}


def test_a_step_counts_from_the_one_before_when_it_acted_or_will():
    policy = a_policy(a_step(), a_step(name="next", since="last_step", after_hours=8))
    acted = NOW - timedelta(days=3)  # Friday 26 December, a holiday

    assert when(policy, some_facts()) == {"late": NOW, "next": datetime(2025, 12, 30, 12, tzinfo=UTC)}
    assert when(policy, some_facts(), late=acted) == {"next": datetime(2025, 12, 29, 17, tzinfo=UTC)}
    assert when(policy, some_facts(due_at=None)) == {}


@pytest.mark.parametrize(
    ("condition", "holds", "does_not"),
    [
        ({"when": "extreme"}, {"band": Band.EXTREME}, {"band": Band.LARGE}),
        ({"when": "money", "money_above": 50}, {"money": -51.0}, {"money": 50.0}),
        ({"when": "expired"}, {"expiries": 5}, {"expiries": 4}),
        ({"when": "returned"}, {"returned": 2}, {"returned": 1}),
        ({"when": ["extreme", "returned"]}, {"band": Band.EXTREME, "returned": 2}, {"returned": 2}),
        ({"does": "assign_deputy"}, {"is_with_absent": True}, {"is_with_absent": False}),
    ],
)
def test_a_condition_must_hold(condition, holds, does_not):
    policy = a_policy(a_step(**condition))

    assert when(policy, some_facts(**holds)) == {"late": NOW}
    assert when(policy, some_facts(**does_not)) == {}


def test_what_somebody_has_in_hand_is_raised_when_their_claim_ends_and_told_of_at_once():
    ends = NOW + timedelta(minutes=10)
    facts = some_facts(claim_ends_at=ends, expiries=4)

    assert when(a_policy(a_step()), facts) == {"late": NOW}
    for waiting in ({"does": "raise"}, {"when": "unclaimed"}, {"when": "expired"}):
        assert when(a_policy(a_step(**waiting)), facts) == {"late": ends}


def test_what_an_extreme_gap_or_money_says_of_the_numbers_is_said_openly_only():
    (step,) = a_policy(a_step(when=["overdue", "extreme", "money"], money_above=1200, after_hours=1)).escalation

    assert why(step) == "1 business hour past its due date, overdue"
    assert why(step, openly=True).endswith("overdue, an extreme gap, a gap of more than 1,200 in money")
    assert what(step) == "tell a director"


@given(
    start=instants(datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)),
    after=st.timedeltas(timedelta(0), timedelta(days=60)),
    hours=st.one_of(st.integers(0, 200), st.floats(0.01, 100)),
)
def test_looking_back_and_looking_ahead_agree_on_what_is_breached(start, after, hours):
    """The database looks back from now, the rule ahead from each item; they must not differ by an instant."""
    calendar, now = BusinessCalendar.of(a_policy()), start + after

    assert (start <= calendar.hours_ago(now, hours)) == (calendar.add_hours(start, hours) <= now)


@given(
    due=st.none() | instants(datetime(2025, 12, 1, tzinfo=UTC), datetime(2026, 1, 20, tzinfo=UTC)),
    hours=st.integers(0, 60),
    since=st.sampled_from(["due", "created"]),
    claim=st.none() | st.integers(-600, 600),
    does=st.sampled_from(["notify", "raise"]),
    wait=st.integers(0, 20_000),
)
def test_a_step_foreseen_for_a_time_is_breached_then_and_not_before(due, hours, since, claim, does, wait):
    policy = a_policy(a_step(after_hours=hours, since=since, does=does))
    facts = some_facts(due_at=due, claim_ends_at=None if claim is None else NOW + timedelta(minutes=claim))

    foreseen = when(policy, facts).get("late")
    later = NOW + timedelta(minutes=wait)
    then = when(policy, facts, now=later).get("late")

    assert foreseen is None or foreseen >= NOW
    assert (foreseen is not None and foreseen <= later) == (then == later)
