"""Why people override: the codes they choose from, the rules a reason must meet, advice on a doubtful one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from review_queue.errors import ChoiceInvalid, ReasonRequired
from review_queue.items import Reason

DIRECTIONS = ("up", "down", "timing")
CONFIDENCES = (50, 70, 90)  #: percent
SOURCE_TYPES = ("customer", "document", "internal", "observation", "none")
ALREADY_IN_MODEL = ("no", "partly", "yes", "unknown")
OTHER_LENGTH = 20  #: characters that the code OTHER asks for
MOST_SECONDARY = 2
ASK_MORE_ABOVE = 2.0  #: usual misses; a larger gap deserves more than experience or a plan


@dataclass(frozen=True, slots=True)
class ReasonCode:
    """One kind of reason."""

    code: str
    name: str
    definition: str
    direction: str  #: where it usually moves a forecast: ``up``, ``down``, ``timing`` or ``either``
    validity_days: int | None  #: how long it holds by default; None: to a date of its own
    evidence: str  #: what is asked for; empty: nothing
    kind: str  #: I: information the model lacks; C: correction of data or model; N: not information


#: METHODS 6.2, in the order in which the choice is offered.
REASONS: dict[str, ReasonCode] = {
    reason.code: reason
    for reason in (
        ReasonCode(
            "CUST_COMMIT",
            "Customer commitment",
            "A verbal or written intent that is not yet in the CRM",
            "up",
            None,
            "contact, date",
            "I",
        ),
        ReasonCode(
            "CUST_RISK",
            "Customer risk",
            "Churn, a budget cut, a champion who left, a dispute",
            "down",
            90,
            "source",
            "I",
        ),
        ReasonCode(
            "DEAL_TIMING",
            "Timing shift",
            "Value moves to another period, which gets the opposite entry",
            "timing",
            None,
            "new date",
            "I",
        ),
        ReasonCode(
            "PROMO",
            "Promotion",
            "A campaign or discount that is not in the model",
            "up",
            None,
            "calendar link",
            "I",
        ),
        ReasonCode(
            "PRICE",
            "Price change",
            "A list or contract price, or exchange rates passed through",
            "either",
            180,
            "effective date",
            "I",
        ),
        ReasonCode(
            "COMPETITOR",
            "Competitor action",
            "A launch, a price, an outage, a tender result",
            "either",
            90,
            "source",
            "I",
        ),
        ReasonCode(
            "PRODUCT",
            "Product change",
            "A launch, an end of life, a substitution, a like model",
            "either",
            180,
            "plan link",
            "I",
        ),
        ReasonCode(
            "SUPPLY",
            "Supply limit",
            "A stock-out, a lack of capacity, a late delivery: it caps sales, not demand",
            "down",
            None,
            "date",
            "I",
        ),
        ReasonCode(
            "REGULATION",
            "Regulatory or policy change",
            "A law, reimbursement, tax or tariff",
            "either",
            None,
            "reference",
            "I",
        ),
        ReasonCode(
            "MARKET",
            "Market shift",
            "The economy, the sector or a channel changes",
            "either",
            90,
            "source",
            "I",
        ),
        ReasonCode(
            "EVENT",
            "One-off event",
            "Weather, a holiday that moved, a disaster, a big show",
            "either",
            None,
            "date",
            "I",
        ),
        ReasonCode(
            "CAPACITY",
            "Sales capacity",
            "A vacancy, a newcomer, a changed territory",
            "either",
            90,
            "roster",
            "I",
        ),
        ReasonCode(
            "DATA_ERROR",
            "Data error",
            "A wrong, missing or duplicate input; opens a data ticket",
            "either",
            None,
            "record id",
            "C",
        ),
        ReasonCode(
            "MODEL_GAP",
            "Known model blind spot",
            "Structure that the model misses: a new segment, an outlier in history; opens a model ticket",
            "either",
            60,
            "example",
            "C",
        ),
        ReasonCode("EXPERIENCE", "Experience", "Judgement with no specific fact", "either", 30, "", "N"),
        ReasonCode(
            "PLAN_ALIGN",
            "Plan alignment",
            "To match a target, a budget or management's view",
            "up",
            None,
            "approver",
            "N",
        ),
        ReasonCode("OTHER", "Other", "None of these; say what it is", "either", 60, "text", "N"),
    )
}

#: The date that a code lives by, in words.
EXPECTED_DATES: dict[str, str] = {
    "CUST_COMMIT": "the close date",
    "DEAL_TIMING": "the new date",
    "PROMO": "the campaign's dates",
    "PRICE": "the date from which it holds",
    "SUPPLY": "the date of restored supply",
    "REGULATION": "the date from which it holds",
    "EVENT": "the event's dates",
}


def check_reason(item_id: int, reason: Reason) -> None:
    """Refuse a reason that breaks a hard rule; doubtful ones pass, with ``advice``.

    Raises:
        ReasonRequired: no code was chosen.
        ChoiceInvalid: a code or a field is not one of those offered, OTHER comes without a note,
            effects or dates are out of order.
    """
    if not reason.code.strip():
        raise ReasonRequired(item_id)
    problem = (
        _code_problem(reason)
        or _note_problem(reason)
        or _field_problem(reason)
        or _effect_problem(reason)
        or _date_problem(reason)
    )
    if problem:
        raise ChoiceInvalid(item_id, problem)


def advice(reason: Reason, *, adjustment: float | None, u: float | None) -> tuple[str, ...]:
    """What to look at again before saving, a sentence each; nothing here stops a decision (METHODS 6.3).

    Args:
        adjustment: final value minus the AI's, in the workflow's unit; None when there is no AI value.
        u: the item's gap in usual misses; None when there is no scale.
    """
    sentences = (
        _direction_advice(reason, adjustment),
        _effect_advice(reason, adjustment),
        _date_advice(reason),
        _substance_advice(reason, u),
    )
    return tuple(sentence for sentence in sentences if sentence)


def _code_problem(reason: Reason) -> str | None:
    codes = (reason.code, *reason.secondary)
    unknown = next((code for code in codes if code not in REASONS), None)
    if unknown is not None:
        return f"{unknown!r} is not a reason code. Choose one from the list."
    if len(reason.secondary) > MOST_SECONDARY:
        return f"give at most {MOST_SECONDARY} further reasons beside the first."
    if len(set(codes)) < len(codes):
        return "a reason is named twice. Name each once."
    return None


def _note_problem(reason: Reason) -> str | None:
    length = len(" ".join(reason.text.split()))
    if "OTHER" in (reason.code, *reason.secondary) and length < OTHER_LENGTH:
        return (
            f"the reason Other needs a note of at least {OTHER_LENGTH} characters; yours has {length}. "
            "Say what you know that the AI does not."
        )
    return None


def _field_problem(reason: Reason) -> str | None:
    offered: tuple[tuple[str, object, tuple[object, ...]], ...] = (
        ("direction", reason.direction, DIRECTIONS),
        ("confidence", reason.confidence, CONFIDENCES),
        ("source", reason.source_type, SOURCE_TYPES),
        ("already in the model", reason.already_in_model, ALREADY_IN_MODEL),
    )
    for name, value, choices in offered:
        if value is not None and value not in choices:
            return f"{name} is {value!r}. Choose one of {', '.join(map(str, choices))}, or leave it open."
    return None


def _effect_problem(reason: Reason) -> str | None:
    given = [e for e in (reason.effect_low, reason.effect_mid, reason.effect_high) if e is not None]
    if not all(map(math.isfinite, given)):
        return "an expected effect is not a number. Correct it, or leave it open."
    if any(later < earlier for earlier, later in pairwise(given)):
        return "the expected effects are out of order. Write them from low to high."
    return None


def _date_problem(reason: Reason) -> str | None:
    if reason.valid_from and reason.valid_until and reason.valid_until < reason.valid_from:
        return "the reason ends before it starts. Correct one of its dates."
    return None


def _direction_advice(reason: Reason, adjustment: float | None) -> str | None:
    if not adjustment:
        return None
    moved, where = ("up", "above") if adjustment > 0 else ("down", "below")
    if reason.direction in ("up", "down"):
        if reason.direction != moved:
            return f"You expect it to go {reason.direction}, but your value is {where} the AI's. Which is right?"
        return None
    known = REASONS.get(reason.code)
    if reason.direction is None and known and known.direction in ("up", "down") and known.direction != moved:
        return (
            f"{known.name} usually moves a forecast {known.direction}, but your value is {where} the AI's. "
            "Is it the right reason?"
        )
    return None


def _effect_advice(reason: Reason, adjustment: float | None) -> str | None:
    if adjustment is None or (reason.effect_low is None and reason.effect_high is None):
        return None
    low = -math.inf if reason.effect_low is None else reason.effect_low
    high = math.inf if reason.effect_high is None else reason.effect_high
    # Effects may be written as sizes or, for a fall, as negative numbers; both are understood.
    is_signed = min(e for e in (reason.effect_low, reason.effect_high) if e is not None) < 0
    size = adjustment if is_signed else abs(adjustment)
    if low <= size <= high:
        return None
    return (
        f"You move the AI's value by {adjustment:+,.6g}, which is outside the effect that you expect. "
        "Change one of the two, or say why in the note."
    )


def _date_advice(reason: Reason) -> str | None:
    expected = EXPECTED_DATES.get(reason.code)
    if expected is None or reason.valid_from or reason.valid_until:
        return None
    return f"{REASONS[reason.code].name} holds for a time: add {expected}."


def _substance_advice(reason: Reason, u: float | None) -> str | None:
    if reason.code not in ("EXPERIENCE", "PLAN_ALIGN") or u is None or not abs(u) > ASK_MORE_ABOVE:
        return None
    return f"The gap is {abs(u):.1f} × usual miss. Is there anything specific that you know?"
