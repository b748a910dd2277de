"""Closing a period, naming a number first, numbers withheld or gone stale, saved views, reminders."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")

#: Added one by one: a table rebuilt on SQLite would lose its indexes on expressions.
COLUMNS: tuple[tuple[str, sa.Column[Any]], ...] = (
    ("decisions", sa.Column("withheld", sa.String(length=20), nullable=True)),
    ("decisions", sa.Column("initial_value", sa.Float(), nullable=True)),
    ("decisions", sa.Column("knew_more", sa.Boolean(), nullable=True)),
    ("decisions", sa.Column("opposite_of", BIG_ID, nullable=True)),
    ("items", sa.Column("human_first", sa.Boolean(), server_default=sa.false(), nullable=False)),
    ("items", sa.Column("withheld", sa.String(length=20), nullable=True)),
    ("items", sa.Column("stale_at", INSTANT, nullable=True)),
    ("reasons", sa.Column("paired_period", sa.String(length=20), nullable=True)),
)
TABLES = (
    *("digests", "preferences", "saved_views", "notifications"),
    *("snapshot_rows", "snapshots", "submissions", "commitments"),
)


def upgrade() -> None:
    op.create_table(
        "digests",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("address", sa.String(length=400), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("claimed_at", INSTANT, nullable=False),
        sa.Column("sent_at", INSTANT, nullable=True),
        sa.Column("failure", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_digests_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_digests")),
        sa.UniqueConstraint("person_id", "day", name=op.f("uq_digests_person_id_day")),
    )
    op.create_table(
        "preferences",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column("saved_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_preferences_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_preferences")),
        sa.UniqueConstraint("person_id", name=op.f("uq_preferences_person_id")),
    )
    op.create_table(
        "saved_views",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("page", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("link", JSON, nullable=False),
        sa.Column("is_shared", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("saved_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_saved_views_person_id")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_saved_views_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_views")),
        sa.UniqueConstraint(
            "workflow_id", "person_id", "page", "name", name=op.f("uq_saved_views_workflow_id_person_id_page_name")
        ),
    )
    op.create_table(
        "snapshots",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("period", sa.String(length=20), nullable=False),
        sa.Column("undecided_take", sa.String(length=20), nullable=False),
        sa.Column("totals", JSON, nullable=False),
        sa.Column("note", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("locked_by", BIG_ID, nullable=False),
        sa.Column("locked_at", INSTANT, nullable=False),
        sa.CheckConstraint("undecided_take IN ('ai', 'manual')", name=op.f("ck_snapshots_undecided_take")),
        sa.ForeignKeyConstraint(["locked_by"], ["people.id"], name=op.f("fk_snapshots_locked_by")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_snapshots_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshots")),
        sa.UniqueConstraint("workflow_id", "period", name=op.f("uq_snapshots_workflow_id_period")),
    )
    op.create_table(
        "submissions",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("period", sa.String(length=20), nullable=False),
        sa.Column("segment_path", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("totals", JSON, nullable=False),
        sa.Column("note", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("submitted_by", BIG_ID, nullable=False),
        sa.Column("submitted_at", INSTANT, nullable=False),
        sa.Column("withdrawn_by", BIG_ID, nullable=True),
        sa.Column("withdrawn_at", INSTANT, nullable=True),
        sa.Column("withdrawal_note", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.ForeignKeyConstraint(["submitted_by"], ["people.id"], name=op.f("fk_submissions_submitted_by")),
        sa.ForeignKeyConstraint(["withdrawn_by"], ["people.id"], name=op.f("fk_submissions_withdrawn_by")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_submissions_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_submissions")),
    )
    op.create_index("ix_submissions_period", "submissions", ["workflow_id", "period"])

    op.create_table(
        "commitments",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("item_id", BIG_ID, nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("knew_more", sa.Boolean(), nullable=False),
        sa.Column("committed_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_commitments_item_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_commitments_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commitments")),
        sa.UniqueConstraint("item_id", "person_id", "round", name=op.f("uq_commitments_item_id_person_id_round")),
    )
    op.create_table(
        "notifications",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("item_id", BIG_ID, nullable=True),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_notifications_item_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_notifications_person_id")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_notifications_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
    )
    op.create_index("ix_notifications_person", "notifications", ["person_id", "seen_at", "id"])

    op.create_table(
        "snapshot_rows",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("snapshot_id", BIG_ID, nullable=False),
        sa.Column("item_id", BIG_ID, nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("ai_value", sa.Float(), nullable=True),
        sa.Column("manual_value", sa.Float(), nullable=True),
        sa.Column("plan_value", sa.Float(), nullable=True),
        sa.Column("money", sa.Float(), nullable=True),
        sa.Column("decision_id", BIG_ID, nullable=True),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name=op.f("fk_snapshot_rows_decision_id")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_snapshot_rows_item_id")),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshots.id"], name=op.f("fk_snapshot_rows_snapshot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshot_rows")),
        sa.UniqueConstraint("snapshot_id", "item_id", name=op.f("uq_snapshot_rows_snapshot_id_item_id")),
    )
    for table, column in COLUMNS:
        op.add_column(table, column.copy())
    op.create_index("ix_items_period", "items", ["workflow_id", "period"])
    is_opposite = sa.text("opposite_of IS NOT NULL")
    op.create_index(
        "ix_decisions_opposite_of",
        "decisions",
        ["opposite_of"],
        sqlite_where=is_opposite,
        postgresql_where=is_opposite,
    )


def downgrade() -> None:
    op.drop_index("ix_decisions_opposite_of", table_name="decisions")
    op.drop_index("ix_items_period", table_name="items")
    for table, column in reversed(COLUMNS):
        op.drop_column(table, column.name)
    for table in TABLES:
        op.drop_table(table)
