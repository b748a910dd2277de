"""The audit record as a hash chain that the database refuses to change.

What was recorded before gets its places in the order of its ids. ``checkpoints`` was never written to: a checkpoint is
worth something outside the database only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from review_queue.chain import Event, linked
from storage.engine import UtcDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
CLOSED = ("audit_events", "audit_chain")
AT_ONCE = 5_000

events = sa.table(
    "audit_events",
    sa.column("id", BIG_ID),
    sa.column("at", UtcDateTime()),
    sa.column("actor_id", BIG_ID),
    sa.column("action", sa.String()),
    sa.column("workflow_id", BIG_ID),
    sa.column("item_id", BIG_ID),
    sa.column("decision_id", BIG_ID),
    sa.column("details", sa.JSON().with_variant(JSONB(), "postgresql")),
)
chain = sa.table(
    "audit_chain",
    sa.column("seq", BIG_ID),
    sa.column("event_id", BIG_ID),
    sa.column("event_hash", sa.String()),
    sa.column("hash", sa.String()),
)


def upgrade() -> None:
    op.drop_table("checkpoints")
    op.create_index("ix_audit_events_action", "audit_events", ["action", "id"])
    op.create_index("ix_audit_events_actor", "audit_events", ["actor_id", "id"])
    op.create_table(
        "audit_chain",
        sa.Column("seq", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("event_id", BIG_ID, nullable=False),
        sa.Column("event_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["audit_events.id"], name=op.f("fk_audit_chain_event_id")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_chain")),
        sa.UniqueConstraint("event_id", name=op.f("uq_audit_chain_event_id")),
    )
    _chain_what_is_there()
    if op.get_bind().dialect.name == "sqlite":
        _close_in_sqlite()
    else:
        _close_in_postgresql()


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table in CLOSED:
            for verb in ("update", "delete"):
                op.execute(f"DROP TRIGGER IF EXISTS {table}_refuses_{verb}")
    else:
        for table in CLOSED:
            op.execute(f"DROP TRIGGER IF EXISTS {table}_is_closed ON {table}")
        op.execute("DROP FUNCTION audit_seal(bigint[], varchar[])")
        op.execute("DROP FUNCTION audit_is_closed()")
    op.drop_table("audit_chain")
    op.drop_index("ix_audit_events_actor", table_name="audit_events")
    op.drop_index("ix_audit_events_action", table_name="audit_events")
    op.create_table(
        "checkpoints",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("audit_event_id", BIG_ID, nullable=False),
        sa.Column("tip_hash", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["audit_event_id"], ["audit_events.id"], name=op.f("fk_checkpoints_audit_event_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkpoints")),
    )


def _chain_what_is_there() -> None:
    connection = op.get_bind()
    recorded = _recorded(connection)
    ids: list[int] = []

    def hashes() -> Iterator[str]:
        for event in recorded:
            ids.append(event.id)
            yield event.hash

    rows: list[dict[str, Any]] = []
    for link in linked(hashes()):
        rows.append({"seq": link.seq, "event_id": ids[-1], "event_hash": link.event_hash, "hash": link.hash})
        if len(rows) == AT_ONCE:
            connection.execute(chain.insert(), rows)
            rows = []
    if rows:
        connection.execute(chain.insert(), rows)


def _recorded(connection: sa.Connection) -> Iterator[Event]:
    last = 0
    while rows := connection.execute(
        sa.select(events).where(events.c.id > last).order_by(events.c.id).limit(AT_ONCE)
    ).all():
        yield from (Event(**row._mapping) for row in rows)
        last = rows[-1].id


def _close_in_sqlite() -> None:
    for table in CLOSED:
        for verb in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_refuses_{verb} BEFORE {verb.upper()} ON {table} "
                "BEGIN SELECT RAISE(ABORT, 'The audit record is only ever added to.'); END"
            )


def _close_in_postgresql() -> None:
    schema = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
    op.execute(
        """
        CREATE FUNCTION audit_is_closed() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'The audit record is only ever added to.' USING ERRCODE = 'insufficient_privilege';
        END $$
        """
    )
    for table in CLOSED:
        op.execute(
            f"CREATE TRIGGER {table}_is_closed BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_closed()"
        )
    # One statement, as the last before COMMIT. The lock goes with the transaction; each statement in here sees what was
    # committed before it began. It runs as its owner, so that the program itself need not be able to write links.
    op.execute(SEAL.replace("SCHEMA", schema))


SEAL = """
    CREATE FUNCTION audit_seal(ids bigint[], hashes varchar[]) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = SCHEMA, pg_temp AS $$
    DECLARE
        place bigint;
        tip varchar;
    BEGIN
        PERFORM pg_advisory_xact_lock(7269302);
        SELECT seq, hash INTO place, tip FROM audit_chain ORDER BY seq DESC LIMIT 1;
        place := coalesce(place, 0);
        tip := coalesce(tip, repeat('0', 64));
        FOR i IN 1 .. cardinality(ids) LOOP
            place := place + 1;
            tip := encode(sha256(convert_to(format(
                '{"event":"%s","previous":"%s","seq":%s}', hashes[i], tip, place), 'UTF8')), 'hex');
            INSERT INTO audit_chain (seq, event_id, event_hash, hash) VALUES (place, ids[i], hashes[i], tip);
        END LOOP;
    END $$
    """
