"""What a worker asks the product for, and what it notes of it: the only place that knows how the actions are called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from review_queue.errors import ReviewError
from review_queue.items import Act, Choice, Decision, Outcome, Reason, SkipReason
from storage.engine import Database
from storage.workflows import Workflow
from tests.crash.log import Record
from tests.invariants import Answer, Attempt, attempt_of
from workbench.actions import reviewing
from workbench.actions.reviewing import Desk

#: Refusals that leave open whether the decision was saved.
OPEN = {"OUTCOME_UNKNOWN"}


@dataclass(frozen=True)
class Token:
    """A claim as its page knows it: enough to send a decision with, now or much later."""

    item: int
    fence: int
    round: int
    content_hash: str
    ai: float | None
    manual: float | None
    level: int = 0
    seen_at: str = ""  #: ISO, UTC, by the database's clock


@dataclass(frozen=True)
class Request:
    """A choice or an undo, as it is logged and can be sent again, to the letter."""

    key: str
    act: Act
    token: Token | None = None
    outcome: Outcome | None = None
    value: float | None = None
    reason: str | None = None
    note: str = ""
    until: str | None = None  #: ISO, UTC
    undoes: int | None = None

    def as_fields(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, record: Record) -> Request:
        fields = {**record["request"]}
        token, outcome = fields.pop("token"), fields.pop("outcome")
        return cls(
            **{**fields, "act": Act(fields["act"])},
            token=Token(**token) if token else None,
            outcome=Outcome(outcome) if outcome else None,
        )

    def choice(self) -> Choice:
        assert self.token is not None
        assert self.outcome is not None
        return Choice(
            item_id=self.token.item,
            outcome=self.outcome,
            fence=self.token.fence,
            round=self.token.round,
            content_hash=self.token.content_hash,
            idempotency_key=self.key,
            value=self.value,
            reason=Reason(self.reason, text="They told us so yesterday.") if self.reason else None,
            note=self.note,
            until=datetime.fromisoformat(self.until) if self.until else None,
        )

    def attempt(self, person: int, answer: Answer, *, decision: int | None, code: str | None) -> Attempt:
        """What the checker is to know of having sent this."""
        if self.token is None:
            return Attempt(self.key, person, answer, Act.UNDO, undoes=self.undoes, decision_id=decision, code=code)
        shown = (self.token.ai, self.token.manual)
        sent = attempt_of(self.choice(), person, answer, shown=shown, code=code)
        return Attempt(**{**{name: getattr(sent, name) for name in sent.__slots__}, "decision_id": decision})


@dataclass(frozen=True)
class Reply:
    """What came back."""

    answer: Answer
    decision: int | None = None
    code: str | None = None
    sentence: str = ""


@dataclass(frozen=True)
class Reviewer:
    """One person at one database, through the actions that the pages use."""

    database: Database
    workflow: Workflow
    person: int

    def take(self) -> Desk | None:
        return reviewing.take_next(self.database, person_id=self.person, workflow=self.workflow)

    def open(self, item: int) -> Desk:
        return reviewing.open_item(self.database, person_id=self.person, workflow=self.workflow, item_id=item)

    def send(self, request: Request) -> Reply:
        """Ask for it, and put every answer that a page would get into words."""
        try:
            done = self._ask(request)
        except ReviewError as refusal:
            answer = Answer.UNKNOWN if refusal.code in OPEN else Answer.REFUSED
            return Reply(answer, code=refusal.code, sentence=str(refusal))
        except SQLAlchemyError as error:
            return Reply(Answer.UNKNOWN, code=type(error).__name__, sentence=str(error).splitlines()[0][:200])
        return Reply(Answer.REPLAYED if done.replayed else Answer.SAVED, decision=done.id)

    def give_back(self, token: Token) -> Reply:
        """Skip an item; the answer is open where the product says nothing of whether the claim was still there."""
        return _told(
            lambda: reviewing.skip_item(
                self.database,
                person_id=self.person,
                item_id=token.item,
                fence=token.fence,
                reason=SkipReason.MISSING_FACTS,
            )
        )

    def renew(self, token: Token) -> Reply:
        return _told(
            lambda: reviewing.renew_claim(
                self.database, person_id=self.person, workflow=self.workflow, item_id=token.item, fence=token.fence
            )
        )

    def note_down(self, desk: Desk, body: dict[str, Any]) -> Reply:
        return _told(lambda: reviewing.save_draft(self.database, person_id=self.person, item=desk.item, body=body))

    def _ask(self, request: Request) -> Decision:
        if request.act is Act.UNDO:
            assert request.undoes is not None
            return reviewing.undo(
                self.database,
                person_id=self.person,
                workflow=self.workflow,
                decision_id=request.undoes,
                key=request.key,
            )
        return reviewing.submit_decision(
            self.database, person_id=self.person, workflow=self.workflow, choice=request.choice()
        )


def token_of(desk: Desk) -> Token:
    item = desk.item
    return Token(
        item.id,
        item.fence,
        item.round,
        item.content_hash,
        item.ai.value if item.ai else None,
        item.manual.value if item.manual else None,
        item.level,
        desk.opened_at.isoformat(),
    )


def _told(ask: Callable[[], object]) -> Reply:
    try:
        said = ask()
    except ReviewError as refusal:
        return Reply(Answer.REFUSED, code=refusal.code, sentence=str(refusal))
    except SQLAlchemyError as error:
        return Reply(Answer.UNKNOWN, code=type(error).__name__, sentence=str(error).splitlines()[0][:200])
    return Reply(Answer.SAVED if said else Answer.UNKNOWN)
