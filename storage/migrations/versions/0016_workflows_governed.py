"""Which of the AI's values are shown, handovers of workflows, and openings for review."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "handovers",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("owner_before", sa.String(length=400), nullable=True),
        sa.Column("owner", sa.String(length=400), nullable=True),
        sa.Column("deputy_before", sa.String(length=400), nullable=True),
        sa.Column("deputy", sa.String(length=400), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("handed_by", BIG_ID, nullable=False),
        sa.Column("handed_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["handed_by"], ["people.id"], name=op.f("fk_handovers_handed_by")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_handovers_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handovers")),
    )
    op.create_index("ix_handovers_workflow_id", "handovers", ["workflow_id"])

    op.create_table(
        "openings",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("found", JSON, nullable=False),
        sa.Column("opened_by", BIG_ID, nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["opened_by"], ["people.id"], name=op.f("fk_openings_opened_by")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_openings_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_openings")),
    )
    op.create_index("ix_openings_workflow_id", "openings", ["workflow_id"])

    op.create_table(
        "showings",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("shown", sa.String(length=20), nullable=False),
        sa.Column("model_version_id", BIG_ID, nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("chosen_by", BIG_ID, nullable=False),
        sa.Column("chosen_at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "(shown = 'rolled_back') = (model_version_id IS NOT NULL)", name=op.f("ck_showings_version")
        ),
        sa.CheckConstraint("shown IN ('shown', 'paused', 'rolled_back')", name=op.f("ck_showings_shown")),
        sa.ForeignKeyConstraint(["chosen_by"], ["people.id"], name=op.f("fk_showings_chosen_by")),
        sa.ForeignKeyConstraint(["model_version_id"], ["model_versions.id"], name=op.f("fk_showings_model_version_id")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_showings_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_showings")),
    )
    op.create_index("ix_showings_workflow", "showings", ["workflow_id", "id"])


def downgrade() -> None:
    op.drop_table("showings")
    op.drop_table("openings")
    op.drop_table("handovers")
