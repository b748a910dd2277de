"""The writes of a claim and of a decision with nothing around them: the driver, the statements, the commits.

What the workbench writes for *Accept AI*, with as many commits: the claim and its audit event; the item, the decision,
its audit event and its outbox event. No scope, no fence to check, no reading back, no answer to a repeated key.
"""

from __future__ import annotations

import json
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import psycopg
from queue_data import driver_address
from sqlalchemy import make_url

from storage.engine import sqlite_journal, sqlite_module

CLAIM_FOR = timedelta(minutes=15)
SERVING_ORDER = "lane, score DESC, (due_at IS NULL), due_at, id"
CLAIM = f"""
    UPDATE items SET state = 'claimed', claimed_by = :person, claimed_at = :now, expires_at = :later,
        available_at = :later, fence = fence + 1
    WHERE id = (
        SELECT id FROM items
        WHERE workflow_id = 1 AND level = 0 AND assigned_to IS NULL AND state IN ('ready', 'claimed')
            AND available_at <= :now
        ORDER BY {SERVING_ORDER} LIMIT 1 :locking)
    RETURNING id, fence, content_hash, scale, gap, lane, score"""
AUDIT = """
    INSERT INTO audit_events (at, actor_id, action, workflow_id, item_id, decision_id, details)
    VALUES (:now, :person, :action, 1, :item, :decision, :details)"""
COMPLETE = """
    UPDATE items SET state = 'decided', available_at = :now, expires_at = NULL
    WHERE id = :item AND state = 'claimed' AND claimed_by = :person AND fence = :fence"""
DECIDE = """
    INSERT INTO decisions (item_id, round, act, outcome, final_value, note, actor_id, idempotency_key, request_hash,
        fence, mode, content_hash, ai_value, ai_low, ai_high, ai_level, manual_value, gap, money, scale, u, band,
        flagged, lane, score, policy_version, owner, is_degraded, is_override, hours_to_deadline, claimed_at, opened_at,
        decided_at)
    VALUES (:item, 1, 'decide', 'accept_ai', :value, '', :person, :key, :hash, :fence, 'ai_first', :hash, :value,
        :value, :value, 0.8, :value, :gap, :gap, :scale, 1.5, 'notable', :yes, :lane, :score, 1, 'o@example.com', :no,
        :no, 7.5, :now, :now, :now)
    RETURNING id"""
OUTBOX = """
    INSERT INTO outbox (workflow_id, item_id, decision_id, topic, payload, created_at)
    VALUES (1, :item, :decision, 'decision.made', :details, :now)"""
STATEMENTS = {"claim": CLAIM, "audit": AUDIT, "complete": COMPLETE, "decide": DECIDE, "outbox": OUTBOX}
TOLD = json.dumps(
    {"series": "account-000001", "period": "2027-01", "outcome": "accept_ai", "override": False, "reason": None}
)


class Bare(Protocol):
    """One reviewer's connection, without the workbench."""

    def claim(self, person_id: int) -> tuple[Any, ...]:
        """Claim the next item and commit: its id, fence and what a decision copies."""

    def decide(self, person_id: int, claimed: tuple[Any, ...]) -> None:
        """Decide on it and commit."""

    def close(self) -> None: ...


def connect(url: str) -> Bare:
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        return BareSqlite(str(address.database))
    return BarePostgresql(driver_address(address))


class _Writes:
    """The statements in their order; how they are run is the driver's business."""

    now: Any

    def run(self, name: str, values: dict[str, Any]) -> Any:
        raise NotImplementedError

    def write_claim(self, person_id: int) -> tuple[Any, ...]:
        now = datetime.now(UTC)
        values = {"person": person_id, "now": self.instant(now), "later": self.instant(now + CLAIM_FOR)}
        claimed: tuple[Any, ...] = self.run("claim", values).fetchone()
        details = json.dumps({"fence": claimed[1]})
        event = {"action": "item.claimed", "item": claimed[0], "decision": None, "details": details}
        self.run("audit", values | event)
        return claimed

    def write_decision(self, person_id: int, claimed: tuple[Any, ...]) -> None:
        item, fence, content_hash, scale, gap, lane, score = claimed
        values = {"person": person_id, "now": self.instant(datetime.now(UTC)), "item": item, "fence": fence}
        self.run("complete", values)
        decision = values | {"key": secrets.token_hex(16), "hash": content_hash, "value": 10 * scale, "gap": gap}
        decision |= {"scale": scale, "lane": lane, "score": score, "yes": True, "no": False}
        (decision_id,) = self.run("decide", decision).fetchone()
        details = json.dumps({"outcome": "accept_ai", "fence": fence, "round": 1})
        self.run("audit", values | {"action": "decision.made", "decision": decision_id, "details": details})
        self.run("outbox", values | {"decision": decision_id, "details": TOLD})

    def instant(self, at: datetime) -> Any:
        return at


class BareSqlite(_Writes):
    def __init__(self, path: str) -> None:
        self._connection = sqlite_module().connect(path, isolation_level=None, timeout=5)
        for pragma in (f"journal_mode = {sqlite_journal()}", "synchronous = FULL", "foreign_keys = ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._statements = {name: text.replace(":locking", "") for name, text in STATEMENTS.items()}

    def run(self, name: str, values: dict[str, Any]) -> Any:
        return self._connection.execute(self._statements[name], values)

    def instant(self, at: datetime) -> str:
        return at.strftime("%Y-%m-%d %H:%M:%S.%f")

    def claim(self, person_id: int) -> tuple[Any, ...]:
        self._connection.execute("BEGIN IMMEDIATE")
        claimed = self.write_claim(person_id)
        self._connection.execute("COMMIT")
        return claimed

    def decide(self, person_id: int, claimed: tuple[Any, ...]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self.write_decision(person_id, claimed)
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


class BarePostgresql(_Writes):
    def __init__(self, address: str) -> None:
        self._connection = psycopg.connect(address)
        self._statements = {
            name: _in_psycopg(text.replace(":locking", "FOR UPDATE SKIP LOCKED")) for name, text in STATEMENTS.items()
        }

    def run(self, name: str, values: dict[str, Any]) -> Any:
        return self._connection.execute(self._statements[name], values)

    def claim(self, person_id: int) -> tuple[Any, ...]:
        claimed = self.write_claim(person_id)
        self._connection.commit()
        return claimed

    def decide(self, person_id: int, claimed: tuple[Any, ...]) -> None:
        self.write_decision(person_id, claimed)
        self._connection.commit()

    def close(self) -> None:
        self._connection.close()


def _in_psycopg(statement: str) -> str:
    return re.sub(r":(\w+)", r"%(\1)s", statement)
