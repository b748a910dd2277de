"""Priority: the vectors of METHODS 2.4, the lanes, the words, and what must hold for any items."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.calendars import BusinessCalendar
from review_queue.divergence import diverge
from review_queue.items import Band, Lane
from review_queue.priority import place
from review_queue.workflows import CalendarPolicy, Policy

NAN = math.nan
#: A Monday; with a working day of 24 hours, every hour counts, and an SLA of 16 h is two thirds of a day.
NOW = datetime(2025, 6, 2, 12, tzinfo=UTC)
ROUND_THE_CLOCK = CalendarPolicy(start_hour=0, end_hour=24, weekdays=tuple(range(7)))
POLICY = Policy(key="k", title="t", unit="AUD", calendar=ROUND_THE_CLOCK)
OFFICE = POLICY.model_copy(update={"calendar": CalendarPolicy()})
REVIEW = POLICY.review_minutes / 60  # hours

#: METHODS 2.4, first vector: ten hours old, with eight hours of slack.
VECTOR: dict[str, object] = {
    "u": 2.675,
    "gap": 250_000.0,
    "money": 250_000.0,
    "materiality": 25_000.0,
    "band": "large",
    "flagged": True,
    "created_at": NOW - timedelta(hours=10),
    "due_at": NOW + timedelta(hours=8 + REVIEW),
    "audit_sample": False,
    "uncertainty": 0.25,
    "has_manual": True,
    "has_ai": True,
}
QUIET: dict[str, object] = {"u": 0.2, "band": "agree", "flagged": False, "due_at": None}


def an_item(**changes: object) -> dict[str, object]:
    return VECTOR | changes


def waiting(hours: float) -> dict[str, object]:
    return {"created_at": NOW - timedelta(hours=hours)}


def due_in(hours: float) -> dict[str, object]:
    return {"due_at": NOW + timedelta(hours=hours)}


def frame(*items: dict[str, object]) -> pd.DataFrame:
    facts = pd.DataFrame(list(items))
    for column in ("created_at", "due_at"):
        facts[column] = pd.to_datetime(facts[column], utc=True)
    return facts


def of(policy: Policy = POLICY, *, g95: float | None = 1_000_000, **changes: object) -> pd.Series:
    return place(frame(an_item(**changes)), policy, now=NOW, g95=g95).iloc[0]


# --- the score -------------------------------------------------------------------------------------------


def test_the_first_vector_of_methods() -> None:
    found = of()

    assert found.score == pytest.approx(58.05, abs=0.005)
    assert found.lane == Lane.JUDGEMENT


def test_the_second_vector_of_methods() -> None:
    found = of(
        u=0.4,
        gap=5_000.0,
        money=5_000.0,
        band="agree",
        flagged=False,
        uncertainty=0.1,
        **waiting(1),
        **due_in(30 + REVIEW),
    )

    assert found.score == pytest.approx(4.15, abs=0.005)
    assert found.lane == Lane.ROUTINE


def test_the_third_vector_of_methods() -> None:
    found = of(u=0.0, gap=0.0, money=0.0, band="agree", flagged=False, **due_in(-1))

    assert found.score == 0
    assert found.lane == Lane.DUE


def test_the_fourth_vector_of_methods() -> None:
    found = of(u=4.0, gap=2e6, money=2e6, band="extreme", uncertainty=1.0, **due_in(-1))

    assert found.score == 100
    assert found.lane == Lane.DUE


def test_the_direction_of_the_gap_does_not_matter() -> None:
    assert of(u=-2.675, gap=-250_000.0, money=-250_000.0).score == of().score


def test_unknown_uncertainty_is_a_half() -> None:
    assert of(uncertainty=NAN).score == of(uncertainty=0.5).score


@pytest.mark.parametrize("g95", [None, NAN, 25_000, 10])
def test_without_a_useful_percentile_ten_times_materiality_is_full_weight(g95: float | None) -> None:
    assert of(g95=g95).score == of(g95=250_000).score
    assert of(g95=g95).score > of(g95=250_001).score
    assert of(g95=g95, money=30_000.0).score == of(g95=250_000, money=30_000.0).score


@pytest.mark.parametrize("materiality", [NAN, 0.0])
def test_without_materiality_any_money_has_full_weight(materiality: float) -> None:
    assert of(materiality=materiality).score == of(money=1e6).score
    assert of(materiality=materiality, money=0.0).score == 0


@pytest.mark.parametrize(
    "unmeasured",
    [{"band": "opposite", "u": 0.1}, {"band": "one_sided", "u": NAN}, {"band": "no_scale", "u": NAN}],
)
def test_a_conflict_of_signs_or_a_material_item_without_a_distance_is_a_full_surprise(
    unmeasured: dict[str, object],
) -> None:
    assert of(**unmeasured).score == of(u=3.0).score


@pytest.mark.parametrize("band", ["one_sided", "no_scale"])
def test_an_immaterial_item_without_a_distance_is_no_surprise(band: str) -> None:
    assert of(band=band, u=NAN, flagged=False).score == 0


def test_one_forecast_alone_is_weighed_by_itself() -> None:
    alone = {"u": NAN, "gap": NAN, "money": NAN, "band": "one_sided", "has_manual": False}

    assert of(**alone, ai=-500_000.0, manual=NAN, value_per_unit=2.0).score == of(u=3.0, money=1e6).score
    assert of(**alone).score == of(u=3.0, money=25_000.0).score  # known to be at least its materiality
    assert of(**alone).why[1] == "stake unknown"


def test_an_item_from_the_future_has_no_age() -> None:
    assert of(**waiting(-5), due_at=None).score == of(**waiting(0), due_at=None).score


def test_age_counts_by_its_square_and_up_to_the_sla() -> None:
    fresh = of(**waiting(0), due_at=None).score

    assert of(**waiting(8), due_at=None).score == pytest.approx(1.25 * fresh)
    assert of(**waiting(16), due_at=None).score == pytest.approx(2 * fresh)
    assert of(**waiting(99), due_at=None).score == pytest.approx(2 * fresh)


def test_pressure_grows_over_the_lead_before_the_deadline() -> None:
    calm = of(due_at=None, **waiting(0)).score

    assert of(**due_in(40 + REVIEW), **waiting(0)).score == pytest.approx(calm)
    assert of(**due_in(20 + REVIEW), **waiting(0)).score == pytest.approx(1.5 * calm)
    assert of(**due_in(REVIEW), **waiting(0)).score == pytest.approx(2 * calm)


# --- lanes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "lane"),
    [
        ({}, Lane.JUDGEMENT),
        (QUIET, Lane.ROUTINE),
        (due_in(REVIEW), Lane.DUE),  # just time to review it
        (due_in(REVIEW + 0.1), Lane.JUDGEMENT),
        (QUIET | due_in(REVIEW), Lane.DUE),  # a deadline presses on every item
        (waiting(16), Lane.DUE),
        (waiting(15.9), Lane.JUDGEMENT),
        (QUIET | waiting(16), Lane.ROUTINE),  # age alone only presses where a judgement is wanted
        (QUIET | waiting(16) | {"requires_sign_off": True}, Lane.DUE),
        (QUIET | waiting(15) | {"requires_sign_off": True}, Lane.ROUTINE),
        (QUIET | waiting(31.9), Lane.ROUTINE),
        (QUIET | waiting(32), Lane.JUDGEMENT),  # starved: up one lane
        (QUIET | waiting(32) | {"audit_sample": True}, Lane.DUE),
        (waiting(32), Lane.DUE),
        (QUIET | {"audit_sample": True}, Lane.JUDGEMENT),
        (QUIET | {"audit_sample": True} | due_in(-1), Lane.DUE),
    ],
)
def test_lanes(changes: dict[str, object], lane: Lane) -> None:
    assert of(**changes).lane == lane


def test_an_item_of_the_audit_sample_looks_like_any_other() -> None:
    sampled, other = of(**QUIET, audit_sample=True), of(**QUIET)

    assert sampled.why == other.why
    assert sampled.score == other.score


def test_only_working_hours_age_an_item() -> None:
    friday = {"created_at": NOW - timedelta(hours=68), "due_at": None}  # at 16:00

    assert of(OFFICE, **friday).why[-1] == "waiting 4 h of 16 h"
    assert of(OFFICE, **friday).lane == Lane.JUDGEMENT
    assert of(POLICY, **friday).lane == Lane.DUE


# --- in words --------------------------------------------------------------------------------------------


def test_why_this_is_next_is_four_phrases() -> None:
    assert of().why == [
        "2.7 × usual miss",
        "250k AUD at stake",
        "due in 8 h",
        "waiting 10 h of 16 h",
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"u": -2.675}, "2.7 × usual miss"),
        ({"u": 0.0, "gap": 0.0}, "no gap"),
        ({"u": 0.01}, "under 0.1 × usual miss"),
        ({"u": 133.3}, "133.3 × usual miss"),
        ({"u": NAN, "band": "no_scale"}, "no scale yet"),
        ({"u": 9.0, "band": "opposite"}, "opposite signs"),
        ({"u": NAN, "band": "one_sided", "has_manual": False}, "no manual forecast"),
        ({"u": NAN, "band": "one_sided", "has_ai": False}, "no AI forecast"),
    ],
)
def test_the_surprise_in_words(changes: dict[str, object], words: str) -> None:
    assert of(**changes).why[0] == words


@pytest.mark.parametrize(
    ("money", "words"),
    [
        (0.0, "nothing at stake"),
        (0.00001, "under 0.0001 AUD at stake"),
        (0.05, "0.05 AUD at stake"),
        (12.34, "12.3 AUD at stake"),
        (999.6, "1k AUD at stake"),
        (-1_234.0, "1.23k AUD at stake"),
        (999_999.0, "1m AUD at stake"),
        (2.5e9, "2.5bn AUD at stake"),
        (4e12, "4tn AUD at stake"),
    ],
)
def test_the_money_in_words(money: float, words: str) -> None:
    assert of(money=money, gap=money).why[1] == words


def test_money_is_in_the_currency_where_a_unit_has_its_own_value() -> None:
    units = POLICY.model_copy(update={"unit": "pallets", "currency": "EUR"})
    nameless = POLICY.model_copy(update={"unit": "pallets"})

    assert of(units, gap=100.0, money=25_000.0).why[1] == "25k EUR at stake"
    assert of(units, gap=100.0, money=100.0).why[1] == "100 pallets at stake"
    assert of(nameless, gap=100.0, money=25_000.0).why[1] == "25k at stake"
    assert of(units, gap=NAN, money=NAN, ai=100.0, manual=NAN, value_per_unit=50.0).why[1] == "5k EUR at stake"


@pytest.mark.parametrize(
    ("due_at", "words"),
    [
        (None, "no deadline"),
        ("2025-06-02T12:30Z", "due in under 1 h"),
        ("2025-06-02T15:59Z", "due in 3 h"),
        ("2025-06-04T16:00Z", "due in 20 h"),
        ("2025-06-05T12:00Z", "due in 3 working days"),
        ("2025-06-02T11:30Z", "overdue by under 1 h"),
        ("2025-06-02T09:00Z", "overdue by 3 h"),
        ("2025-05-27T12:00Z", "overdue by 4 working days"),
        ("2025-06-02T12:00Z", "overdue by under 1 h"),
    ],
)
def test_the_deadline_in_words(due_at: str | None, words: str) -> None:
    assert of(OFFICE, due_at=due_at).why[2] == words


def test_a_deadline_before_work_begins_again_is_due_now() -> None:
    saturday = datetime(2025, 6, 7, 12, tzinfo=UTC)
    facts = frame(an_item(due_at=saturday + timedelta(days=1)), an_item(due_at=saturday - timedelta(hours=1)))

    found = place(facts, OFFICE, now=saturday, g95=None)

    assert found["why"].str[2].tolist() == ["due now", "overdue by under 1 h"]
    assert found["lane"].tolist() == [Lane.DUE, Lane.DUE]


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (0.0, "waiting under 1 h of 16 h"),
        (15.99, "waiting 15 h of 16 h"),
        (16.0, "waiting 16 h of 16 h"),
        (23.9, "waiting 23 h of 16 h"),
        (24.0, "waiting 3 working days of 2"),
        (33.0, "waiting 4 working days of 2"),
    ],
)
def test_the_wait_in_words(hours: float, words: str) -> None:
    now = datetime(2025, 6, 6, 17, tzinfo=UTC)
    calendar = BusinessCalendar.of(OFFICE)
    created = next(
        at
        for quarter in range(24 * 4 * 10)
        if calendar.hours(at := now - timedelta(minutes=15 * quarter), now) >= hours
    )
    created += timedelta(hours=calendar.hours(created, now) - hours)

    found = place(frame(an_item(created_at=created)), OFFICE, now=now, g95=None)

    assert found.loc[0, "why"][3] == words


def test_an_sla_that_is_no_whole_number_of_days_keeps_its_fraction() -> None:
    policy = OFFICE.model_copy(update={"sla_hours": 12.0})

    assert of(policy, created_at=NOW - timedelta(days=14)).why[3] == "waiting 10 working days of 1.5"


# --- frames ----------------------------------------------------------------------------------------------


def test_the_index_is_kept_and_the_columns_are_those_of_the_contract() -> None:
    facts = frame(an_item(), an_item(**QUIET)).set_axis([42, 7])

    found = place(facts, POLICY, now=NOW, g95=None)

    assert found.index.tolist() == [42, 7]
    assert found.columns.tolist() == ["lane", "score", "why", "placed_until"]
    assert all(isinstance(phrase, str) for why in found["why"] for phrase in why)


def test_no_items_have_no_place() -> None:
    assert place(frame(an_item()).iloc[:0], POLICY, now=NOW, g95=None).empty


def test_the_present_needs_its_zone() -> None:
    with pytest.raises(ValueError, match="needs its zone"):
        place(frame(an_item()), POLICY, now=NOW.replace(tzinfo=None), g95=None)


def test_it_takes_what_divergence_gives() -> None:
    facts = pd.DataFrame(
        {
            "ai": [1e6, 1e6],
            "ai_low": 880_000.0,
            "ai_high": 1_130_000.0,
            "ai_level": 0.8,
            "manual": [1.25e6, NAN],
            "value_per_unit": 1.0,
            "n_hist": 12,
            "mae_hist": 70_000.0,
            "parent_relative_mae": NAN,
            "typical_actual": NAN,
            "materiality": 25_000.0,
        }
    )
    rest = frame(an_item(), an_item(has_manual=False))[
        ["created_at", "due_at", "audit_sample", "uncertainty", "has_manual", "has_ai"]
    ]

    found = place(facts.join(diverge(facts, POLICY)).join(rest), POLICY, now=NOW, g95=1e6)

    assert found.loc[0, "score"] == pytest.approx(58.05, abs=0.01)
    assert found.loc[0, "why"][:2] == ["2.7 × usual miss", "250k AUD at stake"]
    assert found.loc[1, "why"][:2] == ["no manual forecast", "1m AUD at stake"]


# --- until when a place holds ------------------------------------------------------------------------------

#: Odd enough that no event falls on a round hour; the SLA is 16 h, the lead 40 h.
AGES = [0, 0.01, 3.3, 7.77, 15.9, 15.99, 16, 16.3, 27.2, 31.9, 31.98, 32, 33.3, 90]
DEADLINES = [None, -50, -0.1, 0.1, 0.24, REVIEW, 0.26, 0.4, 3.1, 39.9, 40.2, REVIEW + 40.01, 41.3, 43.7, 44.9, 90]
WHENS = [
    NOW,
    datetime(2025, 6, 2, 8, 58, 30, tzinfo=UTC),  # before work begins
    datetime(2025, 6, 6, 16, 50, tzinfo=UTC),  # a Friday
    datetime(2025, 6, 7, 10, tzinfo=UTC),
]
FIVE_MINUTES = timedelta(minutes=5)


def a_grid(now: datetime) -> pd.DataFrame:
    """Every age with every deadline, flagged and not."""
    return frame(
        *(
            an_item(
                created_at=now - timedelta(hours=age),
                due_at=None if due is None else now + timedelta(hours=due),
                flagged=flagged,
            )
            for age in AGES
            for due in DEADLINES
            for flagged in (True, False)
        )
    )


@pytest.mark.parametrize("policy", [POLICY, OFFICE], ids=["round the clock", "office hours"])
@pytest.mark.parametrize("now", WHENS)
def test_a_place_holds_until_it_is_worked_out_again(policy: Policy, now: datetime) -> None:
    """Lanes only ever rise with the clock, so one that is the same a second before was the same all the time."""
    facts = a_grid(now)
    before = place(facts, policy, now=now, g95=1e6)
    pieces = [
        place(facts.loc[same.index], policy, now=until - timedelta(seconds=1), g95=1e6)
        for until, same in before.groupby("placed_until")
    ]
    after = pd.concat(pieces).loc[before.index]

    held_for = before["placed_until"] - pd.Timestamp(now)

    assert held_for.between(FIVE_MINUTES - timedelta(seconds=1), timedelta(hours=4)).all()
    moved = before["lane"] != after["lane"]
    assert (held_for[moved] <= FIVE_MINUTES).all()
    # In five minutes a score moves by half a point at most: 50 × 2 / SLA an hour for age, 50 / lead for a deadline.
    assert (after["score"] - before["score"]).between(0, 50 * (2 / 16) / 12 + 1e-9).all()


def test_what_the_clock_still_moves_is_placed_again_every_five_minutes_and_the_rest_seldom() -> None:
    young, pressed = of(**waiting(1), due_at=None), of(**waiting(20), **due_in(10))
    old, far = of(**waiting(40), due_at=None), of(**waiting(20), **due_in(200))
    starving, nearing = of(**waiting(31), due_at=None), of(**waiting(20), **due_in(42.25))

    holds_for = [
        (each.placed_until - NOW) / timedelta(hours=1) for each in (young, pressed, old, far, starving, nearing)
    ]
    assert holds_for == pytest.approx([1 / 12, 1 / 12, 4, 4, 1, 2], abs=2 / 3600)


# --- properties ------------------------------------------------------------------------------------------

MONEY = st.floats(-1e9, 1e9, allow_subnormal=False).map(lambda value: round(value, 2))
ITEMS = st.builds(
    an_item,
    u=st.floats(-50, 50) | st.just(NAN),
    money=MONEY | st.just(NAN),
    materiality=st.floats(0.01, 1e6) | st.just(NAN),
    band=st.sampled_from([band.value for band in Band]),
    flagged=st.booleans(),
    audit_sample=st.booleans(),
    uncertainty=st.floats(0, 1) | st.just(NAN),
    created_at=st.integers(0, 500).map(lambda hours: NOW - timedelta(hours=hours)),
    due_at=st.none() | st.integers(-200, 200).map(lambda hours: NOW + timedelta(hours=hours)),
)
FRAMES = st.lists(ITEMS, min_size=1, max_size=6).map(lambda items: frame(*items))
G95 = st.none() | st.floats(1, 1e8)


@settings(deadline=None)
@given(FRAMES, G95)
def test_every_item_has_a_place(facts: pd.DataFrame, g95: float | None) -> None:
    found = place(facts, OFFICE, now=NOW, g95=g95)

    assert found["score"].between(0, 100 + 1e-9).all()
    assert found["lane"].isin(list(Lane)).all()
    assert found["why"].map(len).eq(4).all()


@settings(deadline=None)
@given(FRAMES, G95, st.integers(-20, 20))
def test_the_size_of_money_does_not_matter(facts: pd.DataFrame, g95: float | None, power: int) -> None:
    scaled = facts.copy()
    scaled[["gap", "money", "materiality"]] *= 2.0**power

    before = place(facts, OFFICE, now=NOW, g95=g95)
    after = place(scaled, OFFICE, now=NOW, g95=None if g95 is None else g95 * 2.0**power)

    pd.testing.assert_frame_equal(before[["lane", "score"]], after[["lane", "score"]])


@settings(deadline=None)
@given(FRAMES, G95, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(facts: pd.DataFrame, g95: float | None, random: object) -> None:
    order = list(facts.index)
    random.shuffle(order)  # type: ignore[attr-defined]

    pd.testing.assert_frame_equal(
        place(facts, OFFICE, now=NOW, g95=g95).loc[order], place(facts.loc[order], OFFICE, now=NOW, g95=g95)
    )


@settings(deadline=None)
@given(ITEMS, G95, st.integers(0, 300))
def test_waiting_never_sets_an_item_back(item: dict[str, object], g95: float | None, hours: int) -> None:
    later = NOW + timedelta(hours=hours)

    before = place(frame(item), OFFICE, now=NOW, g95=g95).iloc[0]
    after = place(frame(item), OFFICE, now=later, g95=g95).iloc[0]

    assert after.lane <= before.lane
    assert after.score >= before.score - 1e-9


@settings(deadline=None)
@given(ITEMS, st.floats(0, 1e9))
def test_more_money_never_sets_an_item_back(item: dict[str, object], more: float) -> None:
    less = item | {"money": abs(float(np.nan_to_num(item["money"])))}  # type: ignore[call-overload]
    richer = less | {"money": less["money"] + more}

    scores = place(frame(less, richer), OFFICE, now=NOW, g95=1e6)["score"]

    assert scores[1] >= scores[0] - 1e-9
