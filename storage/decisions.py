"""Decisions: rows that are added and never edited. A correction or an undo names the one that it supersedes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Row, Select, and_, bindparam, func, insert, literal, or_, select
from sqlalchemy.orm import Session

from review_queue.items import Act, Choice, Decision, Item, Outcome, Reason, Stage, Verdict
from storage.engine import database_time
from storage.tables import decisions, drafts, evidence_views, items, people, reasons
from storage.workflows import Workflow


def request_hash(actor_id: int, request: dict[str, Any]) -> str:
    """A fingerprint of who asked for what, SHA-256 in hex: a repeated key must come with the same one."""
    canonical = json.dumps([actor_id, request], sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def hash_of_choice(actor_id: int, choice: Choice) -> str:
    """The request hash of a choice; when the page was painted and what it counted are no part of the request."""
    request = asdict(choice)
    for circumstance in ("opened_at", "queue_length", "mode"):
        del request[circumstance]
    return request_hash(actor_id, request)


def by_key(session: Session, key: str) -> tuple[Decision, str] | None:
    """The decision that was stored under an idempotency key, with its request hash."""
    row = session.execute(_by_key(), {"key": key}).one_or_none()
    return None if row is None else (_decision(row), row.request_hash)


@cache
def _by_key() -> Select[Any]:
    return _with_actor().where(decisions.c.idempotency_key == bindparam("key"))


def by_id(session: Session, decision_id: int) -> Decision | None:
    row = session.execute(_by_id(), {"decision_id": decision_id}).one_or_none()
    return None if row is None else _decision(row)


@cache
def _by_id() -> Select[Any]:
    return _with_actor().where(decisions.c.id == bindparam("decision_id"))


@dataclass(frozen=True, slots=True)
class Past:
    """What is on record of one round of an item when a person looks at it."""

    now: datetime  #: UTC, by the database's clock
    decisions: tuple[Decision, ...]  #: of the round, oldest first
    answered: tuple[Decision, str] | None  #: the decision under the key that was asked for, and its request hash
    first_look: datetime | None  #: when this person first opened evidence under this claim, UTC
    draft: dict[str, Any]  #: what this person had typed

    @property
    def standing(self) -> Decision | None:
        """The end of the round: the choice that stands, or the undo that left none."""
        return self.decisions[-1] if self.decisions else None

    @property
    def chain_end(self) -> int | None:
        """The end of the chain of final choices and undos, which the next one supersedes; None without one."""
        superseded = {decision.supersedes for decision in self.decisions}
        chain = [
            decision.id
            for decision in self.decisions
            if decision.supersedes is not None or (decision.outcome and decision.outcome.is_final)
        ]
        return max((id_ for id_ in chain if id_ not in superseded), default=None)

    def last_final(self, stage: Stage) -> Decision | None:
        """The newest final choice of a stage of the round."""
        final = (each for each in reversed(self.decisions) if each.act is Act.DECIDE and each.stage is stage)
        return next((each for each in final if each.outcome and each.outcome.is_final), None)


def past(session: Session, item: Item, person_id: int, *, key: str = "") -> Past:
    """What is on record of the item's round, for this person, in one look; ``key``: an idempotency key."""
    asked = {"item_id": item.id, "round_": item.round, "fence": item.fence, "person_id": person_id, "key": key}
    rows = session.execute(_past(), asked).all()
    found = {row.idempotency_key: row for row in rows if row.id is not None}
    answer = found.get(key)
    return Past(
        now=rows[0].now,
        decisions=tuple(_decision(row) for row in found.values() if row.item_id == item.id and row.round == item.round),
        answered=None if answer is None else (_decision(answer), answer.request_hash),
        first_look=rows[0].first_look,
        draft=rows[0].draft or {},
    )


@cache
def _past() -> Select[Any]:
    item_id, round_, person_id = (bindparam(name, type_=BigInteger()) for name in ("item_id", "round_", "person_id"))
    first_look = select(func.min(evidence_views.c.opened_at)).where(
        evidence_views.c.item_id == item_id,
        evidence_views.c.person_id == person_id,
        evidence_views.c.fence == bindparam("fence"),
    )
    typed = select(drafts.c.body).where(
        drafts.c.item_id == item_id, drafts.c.person_id == person_id, drafts.c.round == round_
    )
    asked_for = or_(
        and_(decisions.c.item_id == item_id, decisions.c.round == round_),
        decisions.c.idempotency_key == bindparam("key"),
    )
    always = select(literal(1)).subquery()  # or there would be no row where nobody decided yet
    return (
        select(
            database_time().label("now"),
            first_look.scalar_subquery().label("first_look"),
            typed.scalar_subquery().label("draft"),
            *_FACTS,
        )
        .select_from(always.outerjoin(decisions, asked_for).outerjoin(people, people.c.id == decisions.c.actor_id))
        .order_by(decisions.c.id)
    )


def undoable(session: Session, actor_id: int, workflow_id: int, *, since: datetime) -> Decision | None:
    """This person's newest choice in the workflow that still stands, if it was made after ``since`` (UTC)."""
    superseding = decisions.alias("superseding")
    row = session.execute(
        _with_actor()
        .join(items, items.c.id == decisions.c.item_id)
        .outerjoin(superseding, superseding.c.supersedes_id == decisions.c.id)
        .where(
            decisions.c.actor_id == actor_id,
            decisions.c.act == Act.DECIDE,
            decisions.c.decided_at > since,
            items.c.workflow_id == workflow_id,
            items.c.round == decisions.c.round,
            superseding.c.id.is_(None),
        )
        .order_by(decisions.c.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else _decision(row)


def of_item(session: Session, item_id: int) -> list[Decision]:
    """Every decision on the item, oldest first."""
    rows = session.execute(_with_actor().where(decisions.c.item_id == item_id).order_by(decisions.c.id))
    return [_decision(row) for row in rows]


def reason_of(session: Session, decision_id: int) -> Reason | None:
    """The reason given with a decision, with its secondary codes."""
    rows = session.execute(select(reasons).where(reasons.c.decision_id == decision_id).order_by(reasons.c.rank)).all()
    if not rows:
        return None
    first = rows[0]
    return Reason(
        code=first.code,
        text=first.text,
        direction=first.direction,
        effect_low=first.effect_low,
        effect_mid=first.effect_mid,
        effect_high=first.effect_high,
        confidence=first.confidence,
        valid_from=first.valid_from,
        valid_until=first.valid_until,
        source_type=first.source_type,
        source_ref=first.source_ref,
        already_in_model=first.already_in_model,
        controllable=first.controllable,
        secondary=tuple(row.code for row in rows[1:]),
        paired_period=first.paired_period,
    )


def record(
    session: Session,
    item: Item,
    choice: Choice,
    verdict: Verdict,
    *,
    actor_id: int,
    workflow: Workflow,
    before: Past,
) -> int:
    """Add the decision with everything that was on the screen, and its reason. Returns its id."""
    row = {
        **_on_screen(item, workflow, before.now),
        "act": Act.DECIDE,
        "outcome": verdict.outcome,
        "final_value": verdict.final_value,
        "is_override": verdict.is_override,
        "is_provisional": verdict.is_provisional,
        "reason_code": verdict.reason.code if verdict.reason else None,
        "note": choice.note.strip(),
        "supersedes_id": before.chain_end,
        "actor_id": actor_id,
        "idempotency_key": choice.idempotency_key,
        "request_hash": hash_of_choice(actor_id, choice),
        "fence": choice.fence,
        "mode": choice.mode,
        "queue_length": choice.queue_length,
        "claimed_at": item.claimed_at,
        "opened_at": choice.opened_at,
        "first_evidence_at": before.first_look,
        "decided_at": before.now,
    }
    decision_id: int = session.execute(_ADDED, row).scalar_one()
    if verdict.reason is not None:
        session.execute(insert(reasons), _reason_rows(decision_id, verdict.reason))
    return decision_id


def record_undo(
    session: Session,
    item: Item,
    undone: Decision,
    *,
    key: str,
    actor_id: int,
    workflow: Workflow,
    now: datetime,
) -> int:
    """Add the undo of a decision: it supersedes it and leaves no choice standing. Returns its id."""
    row = {
        **_on_screen(item, workflow, now),
        "act": Act.UNDO,
        "supersedes_id": undone.id,
        "actor_id": actor_id,
        "idempotency_key": key,
        "request_hash": request_hash(actor_id, {"undo": undone.id}),
        "fence": item.fence,
        "mode": "ai_first",
        "decided_at": now,
    }
    undo_id: int = session.execute(_ADDED, row).scalar_one()
    return undo_id


_ADDED = insert(decisions).returning(decisions.c.id)


def _on_screen(item: Item, workflow: Workflow, now: datetime) -> dict[str, Any]:
    ai, gap = item.ai, item.divergence
    return {
        "item_id": item.id,
        "round": item.round,
        "stage": item.stage,
        "content_hash": item.content_hash,
        "ai_value": ai.value if ai else None,
        "ai_low": ai.low if ai else None,
        "ai_high": ai.high if ai else None,
        "ai_level": ai.level if ai else None,
        "model_version": ai.model_version if ai else None,
        "manual_value": item.manual.value if item.manual else None,
        "naive_value": item.naive.value if item.naive else None,
        "gap": gap.gap,
        "money": gap.money,
        "scale": gap.scale,
        "u": gap.u,
        "band": gap.band,
        "flagged": gap.flagged,
        "lane": item.standing.lane,
        "score": item.standing.score,
        "policy_version": workflow.policy_version,
        "owner": workflow.policy.owner,
        "hours_to_deadline": (item.due_at - now).total_seconds() / 3600 if item.due_at else None,
    }


def _reason_rows(decision_id: int, reason: Reason) -> list[dict[str, Any]]:
    fields = asdict(reason)
    secondary = fields.pop("secondary")
    first = {"decision_id": decision_id, "rank": 0, **fields}
    empty = {**dict.fromkeys(fields), "text": "", "source_ref": ""}
    return [
        first,
        *(
            {**empty, "decision_id": decision_id, "rank": rank, "code": code}
            for rank, code in enumerate(secondary, start=1)
        ),
    ]


#: What a ``Decision`` holds, and the hash of the request that it answered.
_FACTS = (
    decisions.c.id,
    decisions.c.item_id,
    decisions.c.round,
    decisions.c.stage,
    decisions.c.act,
    decisions.c.outcome,
    decisions.c.final_value,
    decisions.c.is_override,
    decisions.c.is_provisional,
    decisions.c.reason_code,
    decisions.c.note,
    decisions.c.fence,
    decisions.c.actor_id,
    people.c.name.label("actor_name"),
    decisions.c.decided_at,
    decisions.c.supersedes_id,
    decisions.c.idempotency_key,
    decisions.c.request_hash,
)


def _with_actor() -> Select[Any]:
    return select(*_FACTS).join(people, people.c.id == decisions.c.actor_id)


def _decision(row: Row[Any]) -> Decision:
    return Decision(
        id=row.id,
        item_id=row.item_id,
        round=row.round,
        stage=Stage(row.stage),
        act=Act(row.act),
        outcome=Outcome(row.outcome) if row.outcome else None,
        final_value=row.final_value,
        is_override=row.is_override,
        reason_code=row.reason_code,
        actor_id=row.actor_id,
        actor_name=row.actor_name,
        decided_at=row.decided_at,
        supersedes=row.supersedes_id,
        fence=row.fence,
        idempotency_key=row.idempotency_key,
        note=row.note,
        is_provisional=row.is_provisional,
    )
