"""Checks, alerts, pulses and happenings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "happenings",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("what", sa.String(length=400), nullable=False),
        sa.Column("noted_by", BIG_ID, nullable=False),
        sa.Column("noted_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["noted_by"], ["people.id"], name=op.f("fk_happenings_noted_by")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_happenings_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_happenings")),
    )
    op.create_index(op.f("ix_happenings_workflow_id"), "happenings", ["workflow_id"])

    op.create_table(
        "pulses",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("answer", sa.SmallInteger(), nullable=False),
        sa.Column("answered_at", INSTANT, nullable=False),
        sa.CheckConstraint("answer BETWEEN 1 AND 5", name=op.f("ck_pulses_answer")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_pulses_person_id")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_pulses_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pulses")),
        sa.UniqueConstraint("workflow_id", "person_id", "month", name=op.f("uq_pulses_workflow_id_person_id_month")),
    )
    op.create_table(
        "checks",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("item_id", BIG_ID, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("flaw", sa.String(length=20), nullable=False),
        sa.Column("shown_value", sa.Float(), nullable=False),
        sa.Column("shown_low", sa.Float(), nullable=True),
        sa.Column("shown_high", sa.Float(), nullable=True),
        sa.Column("true_value", sa.Float(), nullable=False),
        sa.Column("planted_at", INSTANT, nullable=False),
        sa.Column("opened_at", INSTANT, nullable=True),
        sa.Column("answered_at", INSTANT, nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("final_value", sa.Float(), nullable=True),
        sa.Column("is_caught", sa.Boolean(), nullable=True),
        sa.Column("idempotency_key", sa.String(length=64), nullable=True),
        sa.Column("request_hash", sa.String(length=64), nullable=True),
        sa.CheckConstraint("(answered_at IS NULL) = (is_caught IS NULL)", name=op.f("ck_checks_answered_or_not")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_checks_item_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_checks_person_id")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_checks_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checks")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_checks_idempotency_key")),
        sa.UniqueConstraint("item_id", "round", "person_id", name=op.f("uq_checks_item_id_round_person_id")),
    )
    op.create_index("ix_checks_person", "checks", ["person_id", "planted_at"])
    op.create_index("ix_checks_workflow", "checks", ["workflow_id", "answered_at"])

    with op.batch_alter_table("alerts", schema=None) as batch_op:
        # SQLite builds the table anew, and would write the default down in another way.
        batch_op.alter_column("explanation", existing_type=sa.Text(), server_default=sa.text("''"))
        batch_op.add_column(sa.Column("acknowledged_by", BIG_ID, nullable=True))
        batch_op.add_column(sa.Column("explained_at", INSTANT, nullable=True))
        batch_op.add_column(sa.Column("explained_by", BIG_ID, nullable=True))
        batch_op.add_column(sa.Column("closed_by", BIG_ID, nullable=True))
        batch_op.create_index(
            "uq_alerts_open",
            ["workflow_id", "measure"],
            unique=True,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )
        batch_op.create_foreign_key(batch_op.f("fk_alerts_closed_by"), "people", ["closed_by"], ["id"])
        batch_op.create_foreign_key(batch_op.f("fk_alerts_explained_by"), "people", ["explained_by"], ["id"])
        batch_op.create_foreign_key(batch_op.f("fk_alerts_acknowledged_by"), "people", ["acknowledged_by"], ["id"])


def downgrade() -> None:
    with op.batch_alter_table("alerts", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_alerts_acknowledged_by"), type_="foreignkey")
        batch_op.drop_constraint(batch_op.f("fk_alerts_explained_by"), type_="foreignkey")
        batch_op.drop_constraint(batch_op.f("fk_alerts_closed_by"), type_="foreignkey")
        batch_op.drop_index(
            "uq_alerts_open", sqlite_where=sa.text("closed_at IS NULL"), postgresql_where=sa.text("closed_at IS NULL")
        )
        batch_op.drop_column("closed_by")
        batch_op.drop_column("explained_by")
        batch_op.drop_column("explained_at")
        batch_op.drop_column("acknowledged_by")

    op.drop_table("checks")
    op.drop_table("pulses")
    op.drop_table("happenings")
