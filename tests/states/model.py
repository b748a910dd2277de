"""What reviewers have in front of them and have sent: tokens, forms, and what they were told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from review_queue.errors import ReviewError
from review_queue.items import Act, Choice, Decision, Stage
from tests.invariants import Answer, Attempt, Told, attempt_of
from workbench.actions.reviewing import Desk


@dataclass(frozen=True)
class Token:
    """An item as it was once put in front of a person; it may be stale by now."""

    person: int
    desk: Desk

    @property
    def shown(self) -> tuple[float | None, float | None] | None:
        """The AI's and the manual value on screen; None in a blind review, which keeps more than it shows."""
        item = self.desk.item
        if item.stage is Stage.SECOND:
            return None
        return (item.ai.value if item.ai else None, item.manual.value if item.manual else None)


@dataclass(frozen=True)
class Form:
    """What a person sends: a choice, or the undo of a decision."""

    person: int
    key: str
    choice: Choice | None = None
    shown: tuple[float | None, float | None] | None = None
    undoes: int | None = None

    def asks_the_same_as(self, other: Form) -> bool:
        """Whether this is the same request: when the page was painted is no part of it."""
        return (self.person, self.undoes, _request(self.choice)) == (other.person, other.undoes, _request(other.choice))


def _request(choice: Choice | None) -> Choice | None:
    return choice and replace(choice, opened_at=None, queue_length=None, mode="")


@dataclass
class Clients:
    """Everything that was ever sent, and what came back."""

    attempts: list[Attempt] = field(default_factory=list)
    kept: dict[str, Form] = field(default_factory=dict)  #: key -> the form that was stored under it
    keys: int = 0

    def new_key(self) -> str:
        self.keys += 1
        return f"key-{self.keys}"

    def told(self) -> Told:
        return Told(tuple(self.attempts))

    def note(self, form: Form, answer: Decision | ReviewError | None) -> None:
        """Keep what ``form`` was answered; None where no answer came."""
        decision = answer if isinstance(answer, Decision) else None
        code = answer.code if isinstance(answer, ReviewError) else None
        kind = Answer.UNKNOWN if answer is None else Answer.REFUSED if code else Answer.SAVED
        if decision is not None and decision.replayed:
            kind = Answer.REPLAYED
        if form.choice is not None:
            attempt = attempt_of(form.choice, form.person, kind, decision=decision, shown=form.shown, code=code)
        else:
            done = None if decision is None else decision.id
            attempt = Attempt(form.key, form.person, kind, Act.UNDO, undoes=form.undoes, decision_id=done, code=code)
        self.attempts.append(attempt)
