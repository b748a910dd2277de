"""API tokens and answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "api_answers",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("answered_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_api_answers_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_answers")),
        sa.UniqueConstraint("person_id", "key", name=op.f("uq_api_answers_person_id_key")),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("hint", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("grant_id", BIG_ID, nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=True),
        sa.Column("may_write", sa.Boolean(), nullable=False),
        sa.Column("created_by", BIG_ID, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("last_used_at", INSTANT, nullable=True),
        sa.Column("revoked_by", BIG_ID, nullable=True),
        sa.Column("revoked_at", INSTANT, nullable=True),
        sa.CheckConstraint(
            "(revoked_at IS NULL) = (revoked_by IS NULL)", name=op.f("ck_api_tokens_revoked_by_somebody")
        ),
        sa.CheckConstraint("created_at < expires_at", name=op.f("ck_api_tokens_in_order")),
        sa.ForeignKeyConstraint(["created_by"], ["people.id"], name=op.f("fk_api_tokens_created_by")),
        sa.ForeignKeyConstraint(["grant_id"], ["grants.id"], name=op.f("fk_api_tokens_grant_id")),
        sa.ForeignKeyConstraint(["revoked_by"], ["people.id"], name=op.f("fk_api_tokens_revoked_by")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_api_tokens_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
    )
    op.create_index(op.f("ix_api_tokens_grant_id"), "api_tokens", ["grant_id"])


def downgrade() -> None:
    op.drop_table("api_tokens")
    op.drop_table("api_answers")
