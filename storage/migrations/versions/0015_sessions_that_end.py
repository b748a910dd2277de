"""When somebody was last seen, since when sessions count, and logout tokens that were used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("people", sa.Column("sessions_valid_after", INSTANT, nullable=True))
    op.add_column("sign_ins", sa.Column("seen_at", INSTANT, nullable=True))
    op.add_column("sign_ins", sa.Column("vouched_at", INSTANT, nullable=True))
    op.create_index("ix_sign_ins_person_id", "sign_ins", ["person_id"])
    op.create_table(
        "logout_tokens",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("jti_hash", sa.String(length=64), nullable=False),
        sa.Column("used_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logout_tokens")),
        sa.UniqueConstraint("jti_hash", name=op.f("uq_logout_tokens_jti_hash")),
    )


def downgrade() -> None:
    op.drop_table("logout_tokens")
    op.drop_index("ix_sign_ins_person_id", table_name="sign_ins")
    op.drop_column("sign_ins", "vouched_at")
    op.drop_column("sign_ins", "seen_at")
    op.drop_column("people", "sessions_valid_after")
