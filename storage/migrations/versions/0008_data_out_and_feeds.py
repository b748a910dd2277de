"""The shape of files that came in, values used downstream, outages of the AI's feed, and pulls from databases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "outages",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("began_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.CheckConstraint("kind IN ('late', 'failing')", name=op.f("ck_outages_kind")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_outages_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outages")),
    )
    with op.batch_alter_table("outages", schema=None) as batch_op:
        batch_op.create_index(
            "uq_outages_open",
            ["workflow_id"],
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.create_table(
        "import_files",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("import_id", BIG_ID, nullable=False),
        sa.Column("headers", JSON, nullable=False),
        sa.Column("delimiter", sa.String(length=1), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_import_files_import_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_files")),
        sa.UniqueConstraint("import_id", name=op.f("uq_import_files_import_id")),
    )
    op.create_table(
        "import_parts",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("import_id", BIG_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_import_parts_import_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_parts")),
        sa.UniqueConstraint("import_id", "number", name=op.f("uq_import_parts_import_id_number")),
    )
    op.create_table(
        "pulls",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("import_id", BIG_ID, nullable=True),
        sa.Column("failure", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_pulls_import_id")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_pulls_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pulls")),
        sa.UniqueConstraint("source", "workflow_id", "slot", name=op.f("uq_pulls_source_workflow_id_slot")),
    )
    with op.batch_alter_table("pulls", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pulls_workflow_id"), ["workflow_id"], unique=False)

    op.create_table(
        "used_values",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("series_id", BIG_ID, nullable=False),
        sa.Column("period", sa.String(length=20), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("used_at", INSTANT, nullable=True),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("import_id", BIG_ID, nullable=True),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_used_values_import_id")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_used_values_series_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_used_values")),
    )
    with op.batch_alter_table("used_values", schema=None) as batch_op:
        batch_op.create_index("ix_used_values_series_period", ["series_id", "period_start", "id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("used_values", schema=None) as batch_op:
        batch_op.drop_index("ix_used_values_series_period")

    op.drop_table("used_values")
    with op.batch_alter_table("pulls", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_pulls_workflow_id"))

    op.drop_table("pulls")
    op.drop_table("import_parts")
    op.drop_table("import_files")
    with op.batch_alter_table("outages", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_outages_open", sqlite_where=sa.text("ended_at IS NULL"), postgresql_where=sa.text("ended_at IS NULL")
        )

    op.drop_table("outages")
