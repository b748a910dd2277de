"""The reason codes of METHODS 6.2, the hard rules, and the advice of 6.3."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from review_queue.errors import ChoiceInvalid, ReasonRequired
from review_queue.items import Reason
from review_queue.reasons import EXPECTED_DATES, REASONS, advice, check_reason

A_REASON = Reason(code="MARKET", direction="up")


def a_reason(**changes: object) -> Reason:
    return replace(A_REASON, **changes)  # type: ignore[arg-type]


def advice_on(reason: Reason, *, adjustment: float | None = None, u: float | None = None) -> tuple[str, ...]:
    return advice(reason, adjustment=adjustment, u=u)


def test_there_are_sixteen_codes_and_other_in_the_order_of_methods() -> None:
    assert list(REASONS) == [
        *("CUST_COMMIT", "CUST_RISK", "DEAL_TIMING", "PROMO", "PRICE", "COMPETITOR", "PRODUCT", "SUPPLY"),
        *("REGULATION", "MARKET", "EVENT", "CAPACITY", "DATA_ERROR", "MODEL_GAP", "EXPERIENCE", "PLAN_ALIGN"),
        "OTHER",
    ]
    assert [REASONS[code].kind for code in REASONS] == ["I"] * 12 + ["C"] * 2 + ["N"] * 3
    assert {code: reason.validity_days for code, reason in REASONS.items() if reason.validity_days} == {
        "CUST_RISK": 90,
        "PRICE": 180,
        "COMPETITOR": 90,
        "PRODUCT": 180,
        "MARKET": 90,
        "CAPACITY": 90,
        "MODEL_GAP": 60,
        "EXPERIENCE": 30,
        "OTHER": 60,
    }


def test_each_code_says_what_it_means_and_where_it_usually_points() -> None:
    for code, reason in REASONS.items():
        assert reason.code == code
        assert reason.name
        assert reason.definition
        assert reason.direction in ("up", "down", "timing", "either")
    assert set(EXPECTED_DATES) <= set(REASONS)


def test_a_code_alone_is_a_reason() -> None:
    check_reason(7, Reason(code="MARKET"))


def test_a_reason_with_every_field_passes() -> None:
    check_reason(
        7,
        a_reason(
            effect_low=-5.0,
            effect_mid=0.0,
            effect_high=5.0,
            confidence=70,
            valid_from=date(2025, 1, 1),
            valid_until=date(2025, 1, 1),
            source_type="customer",
            already_in_model="partly",
            secondary=("PRICE", "PROMO"),
        ),
    )


@pytest.mark.parametrize("code", ["", "  "])
def test_an_override_without_a_code_needs_a_reason(code: str) -> None:
    with pytest.raises(ReasonRequired, match="Item 7: an override needs a reason"):
        check_reason(7, a_reason(code=code))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"code": "BECAUSE"}, "'BECAUSE' is not a reason code"),
        ({"secondary": ("PRICE", "BECAUSE")}, "'BECAUSE' is not a reason code"),
        ({"secondary": ("PRICE", "PROMO", "EVENT")}, "at most 2 further reasons"),
        ({"secondary": ("MARKET",)}, "a reason is named twice"),
        ({"code": "OTHER", "text": "because I say so"}, "at least 20 characters; yours has 16"),
        ({"code": "OTHER", "text": "short" + " " * 30}, "at least 20 characters; yours has 5"),
        ({"secondary": ("OTHER",)}, "at least 20 characters; yours has 0"),
        ({"direction": "sideways"}, "direction is 'sideways'. Choose one of up, down, timing"),
        ({"confidence": 80}, "confidence is 80. Choose one of 50, 70, 90"),
        ({"source_type": "rumour"}, "source is 'rumour'"),
        ({"already_in_model": "maybe"}, "already in the model is 'maybe'"),
        ({"effect_low": 3.0, "effect_high": 2.0}, "effects are out of order"),
        ({"effect_low": 1.0, "effect_mid": 3.0, "effect_high": 2.0}, "effects are out of order"),
        ({"effect_mid": float("nan")}, "effect is not a number"),
        ({"effect_high": float("inf")}, "effect is not a number"),
        ({"valid_from": date(2025, 2, 1), "valid_until": date(2025, 1, 1)}, "ends before it starts"),
    ],
)
def test_a_reason_that_breaks_a_rule_is_refused(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ChoiceInvalid, match=f"Item 7: .*{sentence}"):
        check_reason(7, a_reason(**changes))


def test_other_passes_with_a_note_of_twenty_characters() -> None:
    check_reason(7, a_reason(code="OTHER", text="a note of 20 letters"))


def test_there_is_no_advice_on_a_reason_that_fits() -> None:
    fitting = a_reason(effect_low=10.0, effect_high=30.0)

    assert advice_on(fitting, adjustment=20.0, u=3.0) == ()


@pytest.mark.parametrize(
    ("direction", "adjustment", "doubtful"),
    [("up", -1.0, True), ("down", 1.0, True), ("up", 1.0, False), ("timing", -1.0, False), ("up", 0.0, False)],
)
def test_a_direction_against_the_adjustment_is_asked_about(direction: str, adjustment: float, doubtful: bool) -> None:
    sentences = advice_on(a_reason(direction=direction), adjustment=adjustment)

    assert any("Which is right?" in sentence for sentence in sentences) == doubtful


def test_a_code_that_usually_points_elsewhere_is_asked_about_when_no_direction_is_given() -> None:
    unstated = a_reason(code="CUST_RISK", direction=None)

    assert "Customer risk usually moves a forecast down" in advice_on(unstated, adjustment=1.0)[0]
    assert advice_on(unstated, adjustment=-1.0) == ()
    assert advice_on(replace(unstated, direction="up"), adjustment=1.0) == ()
    assert advice_on(replace(unstated, direction="timing"), adjustment=1.0) == ()


@pytest.mark.parametrize(
    ("low", "high", "adjustment", "doubtful"),
    [
        (10.0, 30.0, 31.0, True),
        (10.0, 30.0, 9.0, True),
        (10.0, 30.0, 30.0, False),
        (10.0, 30.0, -20.0, False),  # sizes
        (-30.0, -10.0, -20.0, False),  # signed
        (-30.0, -10.0, -31.0, True),
        (10.0, None, 1000.0, False),
        (None, 30.0, 31.0, True),
        (None, None, 31.0, False),
        (10.0, 30.0, None, False),
    ],
)
def test_an_adjustment_outside_the_expected_effect_is_asked_about(
    low: float | None, high: float | None, adjustment: float | None, doubtful: bool
) -> None:
    reason = a_reason(direction="timing", effect_low=low, effect_high=high)

    assert bool(advice_on(reason, adjustment=adjustment)) == doubtful


@pytest.mark.parametrize("code", EXPECTED_DATES)
def test_a_code_that_lives_by_a_date_asks_for_it(code: str) -> None:
    assert EXPECTED_DATES[code] in advice_on(Reason(code=code))[0]
    assert advice_on(Reason(code=code, valid_until=date(2025, 1, 1))) == ()
    assert advice_on(Reason(code=code, valid_from=date(2025, 1, 1))) == ()


@pytest.mark.parametrize("code", ["EXPERIENCE", "PLAN_ALIGN"])
def test_a_large_gap_deserves_more_than_experience_or_a_plan(code: str) -> None:
    assert "anything specific" in advice_on(Reason(code=code), u=-2.1)[0]
    assert advice_on(Reason(code=code), u=2.0) == ()
    assert advice_on(Reason(code=code), u=None) == ()
