"""The words of the Review screen's buttons, and what it says of a press."""

from __future__ import annotations

from review_queue.checking import TOLD, Answer
from review_queue.items import Decision, Item, Outcome, SkipReason, Stage
from workbench.parts import amount

OUTCOME_WORDS = {
    Outcome.ACCEPT_AI: "Accept AI",
    Outcome.KEEP_MANUAL: "Keep manual",
    Outcome.ADJUST: "Adjust",
    Outcome.SEND_BACK: "Send back",
    Outcome.ESCALATE: "Escalate",
    Outcome.DEFER: "Defer",
}
SKIP_WORDS: dict[str, str] = {
    SkipReason.NOT_MINE: "Not mine to decide",
    SkipReason.MISSING_FACTS: "Facts are missing",
    SkipReason.INTEREST: "Conflict of interest",
    SkipReason.LATER: "Later",
    SkipReason.OTHER: "Another reason",
}


def name_of(item: Item) -> str:
    """The item as a notice names it."""
    return f"{item.series} · {item.period}"


def said(decision: Decision, item: Item) -> str:
    """What was stored, in words."""
    words = OUTCOME_WORDS[decision.outcome] if decision.outcome else "Undo"
    if decision.final_value is None:
        return words
    # Whether the second of two agreed with the first is not told: it could be undone and tried again.
    waits = decision.is_provisional and item.stage is Stage.FIRST
    then = ". Somebody else reviews it too, before it counts" if waits else ""
    return f"{words}, {amount(decision.final_value, item.unit)}{then}"


def changes(before: Item, after: Item) -> str:
    """Which of the two forecasts came anew since the item was laid out, in sentences."""
    pairs = (("The AI forecast", before.ai, after.ai), ("The manual forecast", before.manual, after.manual))
    return " ".join(
        f"{whose} was {amount(old.value if old else None)} and is {amount(new.value if new else None)} now."
        for whose, old, new in pairs
        if (old.value if old else None) != (new.value if new else None)
    )


def check_words(answer: Answer, item: Item) -> str:
    """What is told of a check item the moment that it was met."""
    real, shown = amount(answer.true_value, item.unit), amount(answer.planted.value, item.unit)
    met = "You did not let it through" if answer.is_caught else "It went through"
    return (
        f"This was a check item: the AI's {real} was shown as {shown}, {TOLD[answer.planted.flaw]}. {met}, and nothing "
        "of it was stored as a decision. The item is still in your hands, now with the AI's own value"
    )
