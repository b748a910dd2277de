"""Webhooks: receivers, their signing keys, deliveries and their attempts.

``deliveries`` was there before, but nothing ever wrote to it, so it is made anew.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "receivers",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("created_by", BIG_ID, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("approved_by", BIG_ID, nullable=True),
        sa.Column("approved_at", INSTANT, nullable=True),
        sa.Column("hold_until", INSTANT, nullable=True),
        sa.Column("paused_at", INSTANT, nullable=True),
        sa.Column("paused_why", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.CheckConstraint(
            "(approved_at IS NULL) = (approved_by IS NULL)", name=op.f("ck_receivers_approved_by_somebody")
        ),
        sa.ForeignKeyConstraint(["approved_by"], ["people.id"], name=op.f("fk_receivers_approved_by")),
        sa.ForeignKeyConstraint(["created_by"], ["people.id"], name=op.f("fk_receivers_created_by")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_receivers_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receivers")),
    )
    _index("uq_receivers_in_use", "receivers", ["workflow_id", "url"], where="ended_at IS NULL", unique=True)
    op.create_table(
        "receiver_keys",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("receiver_id", BIG_ID, nullable=False),
        sa.Column("secret", sa.String(length=200), nullable=False),
        sa.Column("created_by", BIG_ID, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("ends_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["people.id"], name=op.f("fk_receiver_keys_created_by")),
        sa.ForeignKeyConstraint(["receiver_id"], ["receivers.id"], name=op.f("fk_receiver_keys_receiver_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receiver_keys")),
    )
    op.create_index(op.f("ix_receiver_keys_receiver_id"), "receiver_keys", ["receiver_id"])

    op.drop_index(op.f("ix_deliveries_outbox_id"), table_name="deliveries")
    op.drop_table("deliveries")
    op.create_table(
        "deliveries",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("outbox_id", BIG_ID, nullable=False),
        sa.Column("receiver_id", BIG_ID, nullable=False),
        sa.Column("item_id", BIG_ID, nullable=True),
        sa.Column("webhook_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease", sa.String(length=32), nullable=True),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("why", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.CheckConstraint("(state = 'pending') = (ended_at IS NULL)", name=op.f("ck_deliveries_ended_or_not")),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'dead', 'skipped')", name=op.f("ck_deliveries_state")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_deliveries_item_id")),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name=op.f("fk_deliveries_outbox_id")),
        sa.ForeignKeyConstraint(["receiver_id"], ["receivers.id"], name=op.f("fk_deliveries_receiver_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("outbox_id", "receiver_id", name=op.f("uq_deliveries_outbox_id_receiver_id")),
        sa.UniqueConstraint("webhook_id", name=op.f("uq_deliveries_webhook_id")),
    )
    _index("ix_deliveries_due", "deliveries", ["receiver_id", "due_at"], where="state = 'pending'")
    _index(
        "ix_deliveries_line",
        "deliveries",
        ["receiver_id", "item_id", "outbox_id"],
        where="state IN ('pending', 'dead')",
    )
    op.create_index("ix_deliveries_newest", "deliveries", ["receiver_id", "state", "id"])
    op.create_table(
        "delivery_attempts",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("delivery_id", BIG_ID, nullable=False),
        sa.Column("lease", sa.String(length=32), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("took_ms", sa.Integer(), nullable=False),
        sa.Column("attempted_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_delivery_attempts_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_attempts")),
        sa.UniqueConstraint("lease", name=op.f("uq_delivery_attempts_lease")),
    )
    op.create_index(op.f("ix_delivery_attempts_delivery_id"), "delivery_attempts", ["delivery_id"])

    # Not in batch mode: SQLite adds a column that may be empty without making the table anew.
    op.add_column("outbox", sa.Column("routed_at", INSTANT, nullable=True))
    op.execute("UPDATE outbox SET routed_at = created_at")  # there was nobody to send these to
    _index("ix_outbox_unrouted", "outbox", ["id"], where="routed_at IS NULL")


def downgrade() -> None:
    op.drop_index("ix_outbox_unrouted", table_name="outbox")
    op.drop_column("outbox", "routed_at")
    op.drop_table("delivery_attempts")
    op.drop_table("deliveries")
    op.create_table(
        "deliveries",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("outbox_id", BIG_ID, nullable=False),
        sa.Column("endpoint", sa.String(length=400), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("answer", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("attempted_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name=op.f("fk_deliveries_outbox_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index(op.f("ix_deliveries_outbox_id"), "deliveries", ["outbox_id"])
    op.drop_table("receiver_keys")
    op.drop_table("receivers")


def _index(name: str, table: str, columns: list[str], *, where: str, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
