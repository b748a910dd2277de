"""The flow of work: who has what and who is away, second reviews, batches, and a queue served from indexes."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")

SERVED: list[Any] = ["lane", sa.text("score DESC"), sa.text("(due_at IS NULL)"), "due_at", "id"]
TO_CLAIM = "state IN ('ready', 'claimed') AND assigned_to IS NULL"
OPEN = "state IN ('ready', 'claimed', 'deferred', 'sent_back')"
BEFORE: dict[str, list[Any]] = {
    "ix_items_claimed_by": ["claimed_by"],
    "ix_items_order": ["workflow_id", "lane", sa.text("score DESC"), "due_at", "id"],
    "ix_items_segment_id": ["segment_id"],
    "ix_items_state": ["workflow_id", "state", "available_at"],
}
AFTER: dict[str, tuple[list[Any], str]] = {
    "ix_items_to_claim": (["workflow_id", "level", *SERVED], TO_CLAIM),
    "ix_items_to_claim_here": (["segment_id", "level", *SERVED], TO_CLAIM),
    "ix_items_assigned": (["assigned_to", "workflow_id", *SERVED], f"{OPEN} AND assigned_to IS NOT NULL"),
    "ix_items_put_off": (["workflow_id", "available_at"], "state IN ('deferred')"),
    "ix_items_in_hand": (["claimed_by"], "state IN ('claimed')"),
    "ix_items_open": (["workflow_id", *SERVED], OPEN),
    "ix_items_open_here": (["segment_id", *SERVED], OPEN),
    "ix_items_open_band": (["workflow_id", "band", *SERVED], OPEN),
    "ix_items_placed_until": (["workflow_id", "placed_until"], OPEN),
}


def upgrade() -> None:
    op.create_table(
        "absences",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("deputy_id", BIG_ID, nullable=True),
        sa.Column("from_at", INSTANT, nullable=False),
        sa.Column("until_at", INSTANT, nullable=False),
        sa.Column("note", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("noted_by", BIG_ID, nullable=False),
        sa.Column("noted_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.CheckConstraint("deputy_id IS NULL OR deputy_id <> person_id", name=op.f("ck_absences_deputy_is_another")),
        sa.CheckConstraint("from_at < until_at", name=op.f("ck_absences_in_order")),
        sa.ForeignKeyConstraint(["deputy_id"], ["people.id"], name=op.f("fk_absences_deputy_id")),
        sa.ForeignKeyConstraint(["noted_by"], ["people.id"], name=op.f("fk_absences_noted_by")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_absences_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_absences")),
    )
    with op.batch_alter_table("absences", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_absences_person_id"), ["person_id"], unique=False)
        batch_op.create_index("ix_absences_until", ["until_at"], unique=False)

    op.create_table(
        "batches",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("drawn_at", INSTANT, nullable=False),
        sa.Column("confirmed_at", INSTANT, nullable=True),
        sa.Column("note", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_batches_person_id")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_batches_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
    )
    with op.batch_alter_table("batches", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_batches_person_id"), ["person_id"], unique=False)

    op.create_table(
        "assignments",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("item_id", BIG_ID, nullable=False),
        sa.Column("assigned_to", BIG_ID, nullable=True),
        sa.Column("taken_from", BIG_ID, nullable=True),
        sa.Column("assigned_by", BIG_ID, nullable=False),
        sa.Column("note", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("assigned_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["assigned_by"], ["people.id"], name=op.f("fk_assignments_assigned_by")),
        sa.ForeignKeyConstraint(["assigned_to"], ["people.id"], name=op.f("fk_assignments_assigned_to")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_assignments_item_id")),
        sa.ForeignKeyConstraint(["taken_from"], ["people.id"], name=op.f("fk_assignments_taken_from")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignments")),
    )
    with op.batch_alter_table("assignments", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_assignments_item_id"), ["item_id"], unique=False)

    op.create_table(
        "skips",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("item_id", BIG_ID, nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("note", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("skipped_at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "reason IN ('not_mine', 'missing_facts', 'interest', 'later', 'other')", name=op.f("ck_skips_reason")
        ),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_skips_item_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_skips_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_skips")),
        sa.UniqueConstraint("item_id", "fence", name=op.f("uq_skips_item_id_fence")),
    )
    with op.batch_alter_table("skips", schema=None) as batch_op:
        batch_op.create_index("ix_skips_item_person", ["item_id", "person_id"], unique=False)

    op.create_table(
        "batch_items",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("batch_id", BIG_ID, nullable=False),
        sa.Column("item_id", BIG_ID, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("idempotency_key", sa.String(length=64), nullable=False),
        sa.Column("to_look_at", sa.Boolean(), nullable=False),
        sa.Column("looked_at", INSTANT, nullable=True),
        sa.Column("left_out", sa.Text(), nullable=True),
        sa.Column("decision_id", BIG_ID, nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_batch_items_batch_id")),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name=op.f("fk_batch_items_decision_id")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_batch_items_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch_items")),
        sa.UniqueConstraint("batch_id", "item_id", name=op.f("uq_batch_items_batch_id_item_id")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_batch_items_idempotency_key")),
    )
    with op.batch_alter_table("batch_items", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_batch_items_item_id"), ["item_id"], unique=False)

    op.create_table(
        "mentions",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("comment_id", BIG_ID, nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["comment_id"], ["comments.id"], name=op.f("fk_mentions_comment_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_mentions_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mentions")),
        sa.UniqueConstraint("comment_id", "person_id", name=op.f("uq_mentions_comment_id_person_id")),
    )
    with op.batch_alter_table("mentions", schema=None) as batch_op:
        batch_op.create_index("ix_mentions_person", ["person_id", "seen_at"], unique=False)

    for name in BEFORE:
        op.drop_index(name, table_name="items")
    with op.batch_alter_table("items", schema=None) as batch_op:
        batch_op.add_column(sa.Column("stage", sa.SmallInteger(), server_default=sa.text("1"), nullable=False))
        batch_op.add_column(sa.Column("not_for", BIG_ID, nullable=True))
        batch_op.add_column(sa.Column("nor_for", BIG_ID, nullable=True))
        batch_op.add_column(
            sa.Column("placed_until", INSTANT, server_default=sa.text("'1970-01-01 00:00:00.000000'"), nullable=False)
        )
        batch_op.create_foreign_key(batch_op.f("fk_items_not_for"), "people", ["not_for"], ["id"])
        batch_op.create_foreign_key(batch_op.f("fk_items_nor_for"), "people", ["nor_for"], ["id"])
    op.drop_column("workflows", "ordered_at")
    op.add_column("decisions", sa.Column("is_provisional", sa.Boolean(), server_default=sa.false(), nullable=False))
    for name, (columns, where) in AFTER.items():
        condition = sa.text(where)
        op.create_index(name, "items", columns, sqlite_where=condition, postgresql_where=condition)
    if op.get_bind().dialect.name == "postgresql":  # a queue's table is rewritten all day
        op.execute(
            "ALTER TABLE items SET (fillfactor = 80, "
            "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200)"
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE items RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold)")
    op.drop_column("decisions", "is_provisional")
    op.add_column("workflows", sa.Column("ordered_at", INSTANT, nullable=True))
    for name in AFTER:
        op.drop_index(name, table_name="items")
    with op.batch_alter_table("items", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_items_nor_for"), type_="foreignkey")
        batch_op.drop_constraint(batch_op.f("fk_items_not_for"), type_="foreignkey")
        batch_op.drop_column("placed_until")
        batch_op.drop_column("nor_for")
        batch_op.drop_column("not_for")
        batch_op.drop_column("stage")
    for name, columns in BEFORE.items():
        op.create_index(name, "items", columns)

    with op.batch_alter_table("mentions", schema=None) as batch_op:
        batch_op.drop_index("ix_mentions_person")

    op.drop_table("mentions")
    with op.batch_alter_table("batch_items", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_batch_items_item_id"))

    op.drop_table("batch_items")
    with op.batch_alter_table("skips", schema=None) as batch_op:
        batch_op.drop_index("ix_skips_item_person")

    op.drop_table("skips")
    with op.batch_alter_table("assignments", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_assignments_item_id"))

    op.drop_table("assignments")
    with op.batch_alter_table("batches", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_batches_person_id"))

    op.drop_table("batches")
    with op.batch_alter_table("absences", schema=None) as batch_op:
        batch_op.drop_index("ix_absences_until")
        batch_op.drop_index(batch_op.f("ix_absences_person_id"))

    op.drop_table("absences")
