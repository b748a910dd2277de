"""What programs were answered under their idempotency keys: written with what the request did, and never deleted."""

from __future__ import annotations

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from storage.engine import database_time
from storage.tables import api_answers


def find(session: Session, person_id: int, key: str) -> tuple[str, str] | None:
    """The hash of the request that came under this key, and what it was answered; None before the first."""
    row = session.execute(
        select(api_answers.c.request_hash, api_answers.c.answer).where(
            api_answers.c.person_id == person_id, api_answers.c.key == key
        )
    ).one_or_none()
    return None if row is None else (row.request_hash, row.answer)


def keep(session: Session, person_id: int, key: str, *, request_hash: str, answer: str) -> None:
    """Keep an answer. A key of this person that is there already fails, and takes the transaction with it."""
    session.execute(
        insert(api_answers).values(
            person_id=person_id, key=key, request_hash=request_hash, answer=answer, answered_at=database_time()
        )
    )
