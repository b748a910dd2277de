"""Roles that wait for a second administrator, and people who were erased."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
ROLES = "'reviewer', 'director', 'manager', 'workflow owner', 'auditor', 'administrator', 'integrator'"


def upgrade() -> None:
    op.create_table(
        "role_requests",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("role", sa.String(length=40), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=True),
        sa.Column("asked_by", BIG_ID, nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("answered_by", BIG_ID, nullable=True),
        sa.Column("answered_at", INSTANT, nullable=True),
        sa.Column("is_granted", sa.Boolean(), nullable=True),
        sa.CheckConstraint(
            "(answered_at IS NULL) = (answered_by IS NULL)", name=op.f("ck_role_requests_answered_by_somebody")
        ),
        sa.CheckConstraint(
            "(answered_at IS NULL) = (is_granted IS NULL)", name=op.f("ck_role_requests_answered_or_not")
        ),
        sa.CheckConstraint(
            "is_granted IS NOT TRUE OR answered_by <> asked_by", name=op.f("ck_role_requests_two_persons")
        ),
        sa.CheckConstraint(f"role IN ({ROLES})", name=op.f("ck_role_requests_role")),
        sa.ForeignKeyConstraint(["answered_by"], ["people.id"], name=op.f("fk_role_requests_answered_by")),
        sa.ForeignKeyConstraint(["asked_by"], ["people.id"], name=op.f("fk_role_requests_asked_by")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_role_requests_person_id")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_role_requests_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_requests")),
    )
    op.create_table(
        "erasures",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("erased_by", BIG_ID, nullable=False),
        sa.Column("erased_at", INSTANT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint("trim(reason) <> ''", name=op.f("ck_erasures_has_reason")),
        sa.ForeignKeyConstraint(["erased_by"], ["people.id"], name=op.f("fk_erasures_erased_by")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_erasures_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
        sa.UniqueConstraint("person_id", name=op.f("uq_erasures_person_id")),
    )


def downgrade() -> None:
    op.drop_table("erasures")
    op.drop_table("role_requests")
