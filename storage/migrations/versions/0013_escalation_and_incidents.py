"""The escalation ladder's acts, incidents with their timeline, and tests of the override path.

``incidents`` was there before, but nothing ever wrote to it, so it is made anew.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
OPEN = "state IN ('ready', 'claimed', 'deferred', 'sent_back')"


def upgrade() -> None:
    op.drop_table("incidents")
    op.create_table(
        "incidents",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("alert_id", BIG_ID, nullable=True),
        sa.Column("title", sa.String(length=400), nullable=False),
        sa.Column("severity", sa.String(length=20), nullable=False),
        sa.Column("owner_id", BIG_ID, nullable=True),
        sa.Column("model_version", sa.String(length=200), nullable=True),
        sa.Column("opened_by", BIG_ID, nullable=True),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT, nullable=True),
        sa.Column("closed_by", BIG_ID, nullable=True),
        sa.Column("closing_note", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("(closed_at IS NULL) = (closed_by IS NULL)", name=op.f("ck_incidents_closed_by_somebody")),
        sa.CheckConstraint("closed_at IS NULL OR trim(closing_note) <> ''", name=op.f("ck_incidents_closed_with_note")),
        sa.CheckConstraint("severity IN ('minor', 'major', 'critical')", name=op.f("ck_incidents_severity")),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("fk_incidents_alert_id")),
        sa.ForeignKeyConstraint(["closed_by"], ["people.id"], name=op.f("fk_incidents_closed_by")),
        sa.ForeignKeyConstraint(["opened_by"], ["people.id"], name=op.f("fk_incidents_opened_by")),
        sa.ForeignKeyConstraint(["owner_id"], ["people.id"], name=op.f("fk_incidents_owner_id")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_incidents_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
    )
    op.create_index(op.f("ix_incidents_workflow_id"), "incidents", ["workflow_id"])
    _index("uq_incidents_alert", "incidents", ["alert_id"], where="closed_at IS NULL", unique=True)
    op.create_table(
        "incident_items",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("incident_id", BIG_ID, nullable=False),
        sa.Column("item_id", BIG_ID, nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("fk_incident_items_incident_id")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_incident_items_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_items")),
        sa.UniqueConstraint("incident_id", "item_id", name=op.f("uq_incident_items_incident_id_item_id")),
    )
    op.create_index(op.f("ix_incident_items_item_id"), "incident_items", ["item_id"])
    op.create_table(
        "incident_events",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("incident_id", BIG_ID, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("actor_id", BIG_ID, nullable=True),
        sa.Column("item_id", BIG_ID, nullable=True),
        sa.Column("body", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "kind IN ('opened', 'comment', 'changed', 'ai_paused', 'ai_resumed', 'escalated', 'closed', 'reopened')",
            name=op.f("ck_incident_events_kind"),
        ),
        sa.ForeignKeyConstraint(["actor_id"], ["people.id"], name=op.f("fk_incident_events_actor_id")),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("fk_incident_events_incident_id")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_incident_events_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_events")),
    )
    op.create_index(op.f("ix_incident_events_incident_id"), "incident_events", ["incident_id"])
    op.create_table(
        "escalations",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("item_id", BIG_ID, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("did", sa.String(length=20), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("from_level", sa.SmallInteger(), nullable=False),
        sa.Column("to_level", sa.SmallInteger(), nullable=False),
        sa.Column("assigned_to", BIG_ID, nullable=True),
        sa.Column("told", JSON, nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("acted_at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "did IN ('notified', 'raised', 'assigned', 'not_possible')", name=op.f("ck_escalations_did")
        ),
        sa.ForeignKeyConstraint(["assigned_to"], ["people.id"], name=op.f("fk_escalations_assigned_to")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_escalations_item_id")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_escalations_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_escalations")),
        sa.UniqueConstraint("item_id", "round", "step", name=op.f("uq_escalations_item_id_round_step")),
    )
    op.create_index("ix_escalations_step", "escalations", ["workflow_id", "step", "acted_at"])
    op.create_table(
        "path_tests",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("is_passed", sa.Boolean(), nullable=False),
        sa.Column("parts", JSON, nullable=False),
        sa.Column("mailed", sa.Boolean(), nullable=False),
        sa.Column("tested_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_path_tests_person_id")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_path_tests_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_path_tests")),
    )
    op.create_index("ix_path_tests_newest", "path_tests", ["workflow_id", "id"])
    _index("ix_items_due", "items", ["workflow_id", "due_at"], where=OPEN)
    _index("ix_items_created", "items", ["workflow_id", "created_at"], where=OPEN)
    _index("ix_items_left", "items", ["workflow_id", "expiries"], where=OPEN + " AND expiries > 0")
    with op.batch_alter_table("assignments", schema=None) as batch_op:
        batch_op.alter_column("assigned_by", existing_type=BIG_ID, nullable=True)
        # Said again, or SQLite would write it in brackets from now on.
        batch_op.alter_column("note", existing_type=sa.Text(), server_default=sa.text("''"))


def downgrade() -> None:
    op.execute("DELETE FROM assignments WHERE assigned_by IS NULL")
    with op.batch_alter_table("assignments", schema=None) as batch_op:
        batch_op.alter_column("assigned_by", existing_type=BIG_ID, nullable=False)
        # Said again, or SQLite would write it in brackets from now on.
        batch_op.alter_column("note", existing_type=sa.Text(), server_default=sa.text("''"))
    op.drop_index("ix_items_left", table_name="items")
    op.drop_index("ix_items_created", table_name="items")
    op.drop_index("ix_items_due", table_name="items")
    for table in ("path_tests", "escalations", "incident_events", "incident_items", "incidents"):
        op.drop_table(table)
    op.create_table(
        "incidents",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("alert_id", BIG_ID, nullable=True),
        sa.Column("opened_by", BIG_ID, nullable=True),
        sa.Column("title", sa.String(length=400), nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT, nullable=True),
        sa.Column("closing_note", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("fk_incidents_alert_id")),
        sa.ForeignKeyConstraint(["opened_by"], ["people.id"], name=op.f("fk_incidents_opened_by")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_incidents_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
    )


def _index(name: str, table: str, columns: list[str], *, where: str, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
