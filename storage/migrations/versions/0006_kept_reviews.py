"""Kept reviews: closed ones as they are read, so that analytics need not read them out of every table again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "kept_reviews",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("stratum", sa.SmallInteger(), nullable=False),
        sa.Column("piece", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_kept_reviews_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kept_reviews")),
        sa.UniqueConstraint(
            "workflow_id", "week", "stratum", "piece", name=op.f("uq_kept_reviews_workflow_id_week_stratum_piece")
        ),
    )
    op.create_table(
        "kept_until",
        sa.Column("workflow_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("stamp", sa.BigInteger(), nullable=False),
        sa.Column("layout", sa.String(length=40), nullable=False),
        sa.Column("next_item", sa.BigInteger(), nullable=True),
        sa.Column("next_past", sa.BigInteger(), nullable=True),
        sa.Column("is_gathered", sa.Boolean(), nullable=False),
        sa.Column("tips", JSON, nullable=True),
        sa.Column("mark", JSON, nullable=False),
        sa.Column("mark_at", INSTANT, nullable=False),
        sa.Column("as_of", INSTANT, nullable=False),
        sa.Column("changes_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_kept_until_workflow_id")),
        sa.PrimaryKeyConstraint("workflow_id", name=op.f("pk_kept_until")),
    )
    op.create_table(
        "review_changes",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("item_id", BIG_ID, nullable=True),
        sa.Column("past_review_id", BIG_ID, nullable=True),
        sa.Column("series_id", BIG_ID, nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_review_changes_item_id")),
        sa.ForeignKeyConstraint(["past_review_id"], ["past_reviews.id"], name=op.f("fk_review_changes_past_review_id")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_review_changes_series_id")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_review_changes_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_changes")),
    )
    later = sa.text("stage > 1")
    op.create_index("ix_decisions_later_stage", "decisions", ["item_id"], sqlite_where=later, postgresql_where=later)
    op.create_index("ix_actuals_final_at", "actuals", ["final_at"])
    op.create_index("ix_past_reviews_decided_at", "past_reviews", ["workflow_id", "decided_at"])


def downgrade() -> None:
    op.drop_index("ix_past_reviews_decided_at", "past_reviews")
    op.drop_index("ix_actuals_final_at", "actuals")
    op.drop_index("ix_decisions_later_stage", "decisions")
    op.drop_table("review_changes")
    op.drop_table("kept_until")
    op.drop_table("kept_reviews")
