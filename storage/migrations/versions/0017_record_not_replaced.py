"""SQLite's audit record refuses REPLACE too, which deletes without asking the triggers that refuse to delete."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

#: Table → what tells that a new row would take the place of one that is there.
TAKEN = {
    "audit_events": "EXISTS (SELECT 1 FROM audit_events WHERE id = NEW.id)",
    "audit_chain": "EXISTS (SELECT 1 FROM audit_chain WHERE seq = NEW.seq)"
    " OR EXISTS (SELECT 1 FROM audit_chain WHERE event_id = NEW.event_id)",
}


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return  # PostgreSQL has no REPLACE, and takes an update for an update
    for table, is_taken in TAKEN.items():
        op.execute(
            f"CREATE TRIGGER {table}_refuses_replace BEFORE INSERT ON {table} WHEN {is_taken} "
            "BEGIN SELECT RAISE(ABORT, 'The audit record is only ever added to.'); END"
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table in TAKEN:
            op.execute(f"DROP TRIGGER IF EXISTS {table}_refuses_replace")
