"""Sources that disagree."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "source_lessons",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column("after_import", sa.BigInteger(), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("learnt_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_source_lessons_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_lessons")),
    )
    op.create_index(op.f("ix_source_lessons_workflow_id"), "source_lessons", ["workflow_id"])

    op.create_table(
        "identifiers",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("source_id", BIG_ID, nullable=False),
        sa.Column("record_id", sa.String(length=400), nullable=False),
        sa.Column("series_id", BIG_ID, nullable=False),
        sa.Column("learnt_at", INSTANT, nullable=False),
        sa.Column("import_id", BIG_ID, nullable=True),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("ended_by", BIG_ID, nullable=True),
        sa.ForeignKeyConstraint(["ended_by"], ["people.id"], name=op.f("fk_identifiers_ended_by")),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_identifiers_import_id")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_identifiers_series_id")),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_identifiers_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identifiers")),
    )
    op.create_index(op.f("ix_identifiers_series_id"), "identifiers", ["series_id"])
    op.create_index(
        "uq_identifiers_standing",
        "identifiers",
        ["source_id", "record_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )

    op.create_table(
        "statements",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("series_id", BIG_ID, nullable=False),
        sa.Column("source_id", BIG_ID, nullable=False),
        sa.Column("attribute", sa.String(length=100), nullable=False),
        sa.Column("period", sa.String(length=20), nullable=True),
        sa.Column("period_start", sa.Date(), nullable=True),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("as_of", INSTANT, nullable=False),
        sa.Column("is_ahead", sa.Boolean(), nullable=False),
        sa.Column("record_id", sa.String(length=400), nullable=True),
        sa.Column("identity_hash", sa.String(length=64), nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("import_id", BIG_ID, nullable=True),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_statements_import_id")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_statements_series_id")),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_statements_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statements")),
    )
    op.create_index(
        "ix_statements_about", "statements", ["series_id", "attribute", "period_start", "source_id", "as_of", "id"]
    )
    op.create_index("ix_statements_identity", "statements", ["identity_hash"])

    op.create_table(
        "exclusions",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("item_id", BIG_ID, nullable=False),
        sa.Column("source_id", BIG_ID, nullable=False),
        sa.Column("is_left_out", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.CheckConstraint("NOT is_left_out OR trim(reason) <> ''", name=op.f("ck_exclusions_left_out_has_reason")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_exclusions_item_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_exclusions_person_id")),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_exclusions_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exclusions")),
    )
    op.create_index(op.f("ix_exclusions_item_id"), "exclusions", ["item_id"])


def downgrade() -> None:
    op.drop_table("exclusions")
    op.drop_table("statements")
    op.drop_table("identifiers")
    op.drop_table("source_lessons")
