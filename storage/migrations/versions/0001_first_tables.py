"""First tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "people",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("issuer", sa.String(length=400), nullable=False),
        sa.Column("subject", sa.String(length=400), nullable=False),
        sa.Column("name", sa.String(length=400), nullable=False),
        sa.Column("email", sa.String(length=400), nullable=True),
        sa.Column("is_simulated", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("disabled_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_people_issuer_subject")),
    )
    op.create_table(
        "workflows",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("title", sa.String(length=400), nullable=False),
        sa.Column("unit", sa.String(length=100), nullable=False),
        sa.Column("timezone", sa.String(length=100), nullable=False),
        sa.Column("is_simulated", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("ordered_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workflows")),
        sa.UniqueConstraint("key", name=op.f("uq_workflows_key")),
    )
    op.create_table(
        "alerts",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("measure", sa.String(length=100), nullable=False),
        sa.Column("details", JSON, nullable=False),
        sa.Column("owner", sa.String(length=400), nullable=True),
        sa.Column("raised_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT, nullable=True),
        sa.Column("acknowledged_at", INSTANT, nullable=True),
        sa.Column("closed_at", INSTANT, nullable=True),
        sa.Column("explanation", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_alerts_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_table(
        "cycles",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("period", sa.String(length=20), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("opens_at", INSTANT, nullable=True),
        sa.Column("deadline_at", INSTANT, nullable=True),
        sa.Column("locked_at", INSTANT, nullable=True),
        sa.Column("locked_by", BIG_ID, nullable=True),
        sa.ForeignKeyConstraint(["locked_by"], ["people.id"], name=op.f("fk_cycles_locked_by")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_cycles_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cycles")),
        sa.UniqueConstraint("workflow_id", "period", name=op.f("uq_cycles_workflow_id_period")),
    )
    op.create_table(
        "grants",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("role", sa.String(length=40), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=True),
        sa.Column("segment_path", sa.Text(), nullable=True),
        sa.Column("granted_by", BIG_ID, nullable=True),
        sa.Column("granted_at", INSTANT, nullable=False),
        sa.Column("revoked_at", INSTANT, nullable=True),
        sa.CheckConstraint(
            "role IN ('reviewer', 'director', 'manager', 'workflow owner', 'auditor', 'administrator', 'integrator')",
            name=op.f("ck_grants_role"),
        ),
        sa.ForeignKeyConstraint(["granted_by"], ["people.id"], name=op.f("fk_grants_granted_by")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_grants_person_id")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_grants_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
    )
    op.create_index(op.f("ix_grants_person_id"), "grants", ["person_id"], unique=False)
    op.create_table(
        "imports",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("file_name", sa.String(length=400), nullable=False),
        sa.Column("file_hash", sa.String(length=64), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("updated", sa.Integer(), nullable=False),
        sa.Column("set_aside", sa.Integer(), nullable=False),
        sa.Column("reasons", JSON, nullable=False),
        sa.Column("mapping", JSON, nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint("accepted + unchanged + updated + set_aside = rows", name=op.f("ck_imports_rows_add_up")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_imports_person_id")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_imports_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_index(op.f("ix_imports_workflow_id"), "imports", ["workflow_id"], unique=False)
    op.create_table(
        "model_versions",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("first_seen_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_model_versions_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_versions")),
        sa.UniqueConstraint("workflow_id", "name", name=op.f("uq_model_versions_workflow_id_name")),
    )
    op.create_table(
        "policies",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column("author_id", BIG_ID, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["people.id"], name=op.f("fk_policies_author_id")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_policies_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policies")),
        sa.UniqueConstraint("workflow_id", "version", name=op.f("uq_policies_workflow_id_version")),
    )
    op.create_table(
        "segments",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("parent_id", BIG_ID, nullable=True),
        sa.Column("level", sa.String(length=100), nullable=False),
        sa.Column("depth", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.String(length=400), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["segments.id"], name=op.f("fk_segments_parent_id")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_segments_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_segments")),
        sa.UniqueConstraint("workflow_id", "path", name=op.f("uq_segments_workflow_id_path")),
    )
    op.create_index(op.f("ix_segments_parent_id"), "segments", ["parent_id"], unique=False)
    op.create_table(
        "sign_ins",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_sign_ins_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_ins")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_sign_ins_token_hash")),
    )
    op.create_table(
        "sources",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("title", sa.String(length=400), nullable=False),
        sa.CheckConstraint("kind IN ('ai', 'manual', 'naive', 'other')", name=op.f("ck_sources_kind")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_sources_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sources")),
        sa.UniqueConstraint("workflow_id", "key", name=op.f("uq_sources_workflow_id_key")),
    )
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
    op.create_table(
        "series",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("key", sa.String(length=400), nullable=False),
        sa.Column("segment_id", BIG_ID, nullable=True),
        sa.Column("value_per_unit", sa.Float(), server_default=sa.text("1"), nullable=False),
        sa.Column("currency", sa.String(length=10), nullable=True),
        sa.ForeignKeyConstraint(["segment_id"], ["segments.id"], name=op.f("fk_series_segment_id")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_series_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_series")),
        sa.UniqueConstraint("workflow_id", "key", name=op.f("uq_series_workflow_id_key")),
    )
    op.create_index(op.f("ix_series_segment_id"), "series", ["segment_id"], unique=False)
    op.create_table(
        "set_aside_rows",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("import_id", BIG_ID, nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("row_number", sa.Integer(), nullable=False),
        sa.Column("column", sa.String(length=200), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("cells", JSON, nullable=False),
        sa.Column("status", sa.String(length=20), server_default=sa.text("'open'"), nullable=False),
        sa.Column("resolved_by", BIG_ID, nullable=True),
        sa.Column("resolved_at", INSTANT, nullable=True),
        sa.CheckConstraint("status IN ('open', 'fixed', 'dismissed')", name=op.f("ck_set_aside_rows_status")),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_set_aside_rows_import_id")),
        sa.ForeignKeyConstraint(["resolved_by"], ["people.id"], name=op.f("fk_set_aside_rows_resolved_by")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_set_aside_rows_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_set_aside_rows")),
    )
    op.create_index("ix_set_aside_open", "set_aside_rows", ["workflow_id", "status"], unique=False)
    op.create_index(op.f("ix_set_aside_rows_import_id"), "set_aside_rows", ["import_id"], unique=False)
    op.create_table(
        "actuals",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("series_id", BIG_ID, nullable=False),
        sa.Column("period", sa.String(length=20), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("final_at", INSTANT, nullable=True),
        sa.Column("is_lower_bound", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("import_id", BIG_ID, nullable=True),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_actuals_import_id")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_actuals_series_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_actuals")),
    )
    op.create_index("ix_actuals_series_period", "actuals", ["series_id", "period_start", "id"], unique=False)
    op.create_table(
        "items",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("series_id", BIG_ID, nullable=False),
        sa.Column("segment_id", BIG_ID, nullable=True),
        sa.Column("period", sa.String(length=20), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("horizon", sa.Integer(), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT, nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("round", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("level", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("available_at", INSTANT, nullable=False),
        sa.Column("assigned_to", BIG_ID, nullable=True),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("claimed_by", BIG_ID, nullable=True),
        sa.Column("claimed_at", INSTANT, nullable=True),
        sa.Column("expires_at", INSTANT, nullable=True),
        sa.Column("expiries", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("gap", sa.Float(), nullable=True),
        sa.Column("money", sa.Float(), nullable=True),
        sa.Column("scale", sa.Float(), nullable=True),
        sa.Column("u", sa.Float(), nullable=True),
        sa.Column("symmetric", sa.Float(), nullable=True),
        sa.Column("band", sa.String(length=20), nullable=False),
        sa.Column("outside_interval", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("flagged", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("why", JSON, nullable=False),
        sa.Column("audit_sample", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("import_id", BIG_ID, nullable=True),
        sa.CheckConstraint(
            "(state <> 'claimed') OR (claimed_by IS NOT NULL AND expires_at IS NOT NULL)",
            name=op.f("ck_items_claim_is_whole"),
        ),
        sa.CheckConstraint(
            "band IN ('agree', 'minor', 'notable', 'large', 'extreme', 'opposite', 'one_sided', 'no_scale')",
            name=op.f("ck_items_band"),
        ),
        sa.CheckConstraint(
            "state IN ('ready', 'claimed', 'deferred', 'sent_back', 'decided', 'withdrawn', 'locked')",
            name=op.f("ck_items_state"),
        ),
        sa.ForeignKeyConstraint(["assigned_to"], ["people.id"], name=op.f("fk_items_assigned_to")),
        sa.ForeignKeyConstraint(["claimed_by"], ["people.id"], name=op.f("fk_items_claimed_by")),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_items_import_id")),
        sa.ForeignKeyConstraint(["segment_id"], ["segments.id"], name=op.f("fk_items_segment_id")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_items_series_id")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_items_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_items")),
        sa.UniqueConstraint("workflow_id", "series_id", "period", name=op.f("uq_items_workflow_id_series_id_period")),
    )
    op.create_index(op.f("ix_items_claimed_by"), "items", ["claimed_by"], unique=False)
    op.create_index(
        "ix_items_order",
        "items",
        ["workflow_id", "lane", sa.literal_column("score DESC"), "due_at", "id"],
        unique=False,
    )
    op.create_index(op.f("ix_items_segment_id"), "items", ["segment_id"], unique=False)
    op.create_index(op.f("ix_items_series_id"), "items", ["series_id"], unique=False)
    op.create_index("ix_items_state", "items", ["workflow_id", "state", "available_at"], unique=False)
    op.create_table(
        "past_reviews",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("series_id", BIG_ID, nullable=False),
        sa.Column("segment_id", BIG_ID, nullable=True),
        sa.Column("identity_hash", sa.String(length=64), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("period", sa.String(length=20), nullable=True),
        sa.Column("period_start", sa.Date(), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT, nullable=True),
        sa.Column("decided_at", INSTANT, nullable=True),
        sa.Column("due_at", INSTANT, nullable=True),
        sa.Column("withdrawn_at", INSTANT, nullable=True),
        sa.Column("reviewer", sa.String(length=400), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("ai_forecast", sa.Float(), nullable=True),
        sa.Column("human_forecast", sa.Float(), nullable=True),
        sa.Column("final_forecast", sa.Float(), nullable=True),
        sa.Column("actual", sa.Float(), nullable=True),
        sa.Column("reason_code", sa.String(length=40), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("attributes", JSON, nullable=False),
        sa.Column("import_id", BIG_ID, nullable=True),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_past_reviews_import_id")),
        sa.ForeignKeyConstraint(["segment_id"], ["segments.id"], name=op.f("fk_past_reviews_segment_id")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_past_reviews_series_id")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_past_reviews_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_past_reviews")),
        sa.UniqueConstraint("workflow_id", "identity_hash", name=op.f("uq_past_reviews_workflow_id_identity_hash")),
    )
    op.create_table(
        "comments",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("item_id", BIG_ID, nullable=False),
        sa.Column("author_id", BIG_ID, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["people.id"], name=op.f("fk_comments_author_id")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_comments_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comments")),
    )
    op.create_index(op.f("ix_comments_item_id"), "comments", ["item_id"], unique=False)
    op.create_table(
        "decisions",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("item_id", BIG_ID, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("stage", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("act", sa.String(length=20), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("final_value", sa.Float(), nullable=True),
        sa.Column("is_override", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("reason_code", sa.String(length=40), nullable=True),
        sa.Column("note", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("supersedes_id", BIG_ID, nullable=True),
        sa.Column("actor_id", BIG_ID, nullable=False),
        sa.Column("idempotency_key", sa.String(length=64), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("mode", sa.String(length=20), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("ai_value", sa.Float(), nullable=True),
        sa.Column("ai_low", sa.Float(), nullable=True),
        sa.Column("ai_high", sa.Float(), nullable=True),
        sa.Column("ai_level", sa.Float(), nullable=True),
        sa.Column("model_version", sa.String(length=200), nullable=True),
        sa.Column("manual_value", sa.Float(), nullable=True),
        sa.Column("naive_value", sa.Float(), nullable=True),
        sa.Column("gap", sa.Float(), nullable=True),
        sa.Column("money", sa.Float(), nullable=True),
        sa.Column("scale", sa.Float(), nullable=True),
        sa.Column("u", sa.Float(), nullable=True),
        sa.Column("band", sa.String(length=20), nullable=False),
        sa.Column("flagged", sa.Boolean(), nullable=False),
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=400), nullable=True),
        sa.Column("is_degraded", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("queue_length", sa.Integer(), nullable=True),
        sa.Column("hours_to_deadline", sa.Float(), nullable=True),
        sa.Column("claimed_at", INSTANT, nullable=True),
        sa.Column("opened_at", INSTANT, nullable=True),
        sa.Column("first_evidence_at", INSTANT, nullable=True),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "(act = 'decide') = (outcome IS NOT NULL) OR act = 'overturn'",
            name=op.f("ck_decisions_choice_has_outcome"),
        ),
        sa.CheckConstraint("act IN ('decide', 'undo', 'overturn')", name=op.f("ck_decisions_act")),
        sa.CheckConstraint(
            "outcome IS NULL OR (outcome IN ('accept_ai', 'keep_manual', 'adjust')) = (final_value IS NOT NULL)",
            name=op.f("ck_decisions_final_has_value"),
        ),
        sa.CheckConstraint(
            "outcome IS NULL OR outcome IN ('accept_ai', 'keep_manual', 'adjust', 'send_back', 'escalate', 'defer')",
            name=op.f("ck_decisions_outcome"),
        ),
        sa.CheckConstraint("NOT is_override OR reason_code IS NOT NULL", name=op.f("ck_decisions_override_has_reason")),
        sa.ForeignKeyConstraint(["actor_id"], ["people.id"], name=op.f("fk_decisions_actor_id")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_decisions_item_id")),
        sa.ForeignKeyConstraint(
            ["supersedes_id", "item_id"],
            ["decisions.id", "decisions.item_id"],
            name="fk_decisions_supersedes_same_item",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        sa.UniqueConstraint("id", "item_id", name=op.f("uq_decisions_id_item_id")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_decisions_idempotency_key")),
        sa.UniqueConstraint("supersedes_id", name=op.f("uq_decisions_supersedes_id")),
    )
    op.create_index(op.f("ix_decisions_actor_id"), "decisions", ["actor_id"], unique=False)
    op.create_index("ix_decisions_decided_at", "decisions", ["decided_at"], unique=False)
    op.create_index("ix_decisions_item", "decisions", ["item_id", "id"], unique=False)
    op.create_index(
        "uq_decisions_first_of_round",
        "decisions",
        ["item_id", "round", "stage"],
        unique=True,
        sqlite_where=sa.text("supersedes_id IS NULL AND outcome IN ('accept_ai', 'keep_manual', 'adjust')"),
        postgresql_where=sa.text("supersedes_id IS NULL AND outcome IN ('accept_ai', 'keep_manual', 'adjust')"),
    )
    op.create_table(
        "drafts",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("item_id", BIG_ID, nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column("saved_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_drafts_item_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_drafts_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drafts")),
        sa.UniqueConstraint("item_id", "person_id", name=op.f("uq_drafts_item_id_person_id")),
    )
    op.create_table(
        "evidence_views",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("item_id", BIG_ID, nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("panel", sa.String(length=40), nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_evidence_views_item_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_evidence_views_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence_views")),
    )
    op.create_index("ix_evidence_views_item_person", "evidence_views", ["item_id", "person_id"], unique=False)
    op.create_table(
        "forecasts",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("item_id", BIG_ID, nullable=False),
        sa.Column("source_id", BIG_ID, nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("low", sa.Float(), nullable=True),
        sa.Column("high", sa.Float(), nullable=True),
        sa.Column("interval_level", sa.Float(), nullable=True),
        sa.Column("quantiles", JSON, nullable=True),
        sa.Column("model_version_id", BIG_ID, nullable=True),
        sa.Column("made_at", INSTANT, nullable=True),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("author", sa.String(length=400), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("rationale", sa.Text(), nullable=True),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("import_id", BIG_ID, nullable=True),
        sa.CheckConstraint("low IS NULL OR high IS NULL OR low <= high", name=op.f("ck_forecasts_interval_in_order")),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_forecasts_import_id")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_forecasts_item_id")),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_versions.id"], name=op.f("fk_forecasts_model_version_id")
        ),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_forecasts_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forecasts")),
    )
    op.create_index("ix_forecasts_item_source", "forecasts", ["item_id", "source_id", "id"], unique=False)
    op.create_table(
        "audit_events",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor_id", BIG_ID, nullable=True),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=True),
        sa.Column("item_id", BIG_ID, nullable=True),
        sa.Column("decision_id", BIG_ID, nullable=True),
        sa.Column("details", JSON, nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["people.id"], name=op.f("fk_audit_events_actor_id")),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name=op.f("fk_audit_events_decision_id")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_audit_events_item_id")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_audit_events_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    op.create_index(op.f("ix_audit_events_item_id"), "audit_events", ["item_id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", BIG_ID, nullable=False),
        sa.Column("item_id", BIG_ID, nullable=True),
        sa.Column("decision_id", BIG_ID, nullable=True),
        sa.Column("topic", sa.String(length=100), nullable=False),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name=op.f("fk_outbox_decision_id")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_outbox_item_id")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_outbox_workflow_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index(op.f("ix_outbox_item_id"), "outbox", ["item_id"], unique=False)
    op.create_table(
        "reasons",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("decision_id", BIG_ID, nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("direction", sa.String(length=10), nullable=True),
        sa.Column("effect_low", sa.Float(), nullable=True),
        sa.Column("effect_mid", sa.Float(), nullable=True),
        sa.Column("effect_high", sa.Float(), nullable=True),
        sa.Column("confidence", sa.SmallInteger(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("source_type", sa.String(length=20), nullable=True),
        sa.Column("source_ref", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("already_in_model", sa.String(length=10), nullable=True),
        sa.Column("controllable", sa.Boolean(), nullable=True),
        sa.Column("text", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("outcome_by", BIG_ID, nullable=True),
        sa.Column("outcome_at", INSTANT, nullable=True),
        sa.Column("realised_effect", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name=op.f("fk_reasons_decision_id")),
        sa.ForeignKeyConstraint(["outcome_by"], ["people.id"], name=op.f("fk_reasons_outcome_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reasons")),
        sa.UniqueConstraint("decision_id", "rank", name=op.f("uq_reasons_decision_id_rank")),
    )
    op.create_index(op.f("ix_reasons_decision_id"), "reasons", ["decision_id"], unique=False)
    op.create_table(
        "checkpoints",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("audit_event_id", BIG_ID, nullable=False),
        sa.Column("tip_hash", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["audit_event_id"], ["audit_events.id"], name=op.f("fk_checkpoints_audit_event_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkpoints")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("outbox_id", BIG_ID, nullable=False),
        sa.Column("endpoint", sa.String(length=400), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("answer", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("attempted_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name=op.f("fk_deliveries_outbox_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index(op.f("ix_deliveries_outbox_id"), "deliveries", ["outbox_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_deliveries_outbox_id"), table_name="deliveries")
    op.drop_table("deliveries")
    op.drop_table("checkpoints")
    op.drop_index(op.f("ix_reasons_decision_id"), table_name="reasons")
    op.drop_table("reasons")
    op.drop_index(op.f("ix_outbox_item_id"), table_name="outbox")
    op.drop_table("outbox")
    op.drop_index(op.f("ix_audit_events_item_id"), table_name="audit_events")
    op.drop_table("audit_events")
    op.drop_index("ix_forecasts_item_source", table_name="forecasts")
    op.drop_table("forecasts")
    op.drop_index("ix_evidence_views_item_person", table_name="evidence_views")
    op.drop_table("evidence_views")
    op.drop_table("drafts")
    op.drop_index(
        "uq_decisions_first_of_round",
        table_name="decisions",
        sqlite_where=sa.text("supersedes_id IS NULL AND outcome IN ('accept_ai', 'keep_manual', 'adjust')"),
        postgresql_where=sa.text("supersedes_id IS NULL AND outcome IN ('accept_ai', 'keep_manual', 'adjust')"),
    )
    op.drop_index("ix_decisions_item", table_name="decisions")
    op.drop_index("ix_decisions_decided_at", table_name="decisions")
    op.drop_index(op.f("ix_decisions_actor_id"), table_name="decisions")
    op.drop_table("decisions")
    op.drop_index(op.f("ix_comments_item_id"), table_name="comments")
    op.drop_table("comments")
    op.drop_table("past_reviews")
    op.drop_index("ix_items_state", table_name="items")
    op.drop_index(op.f("ix_items_series_id"), table_name="items")
    op.drop_index(op.f("ix_items_segment_id"), table_name="items")
    op.drop_index("ix_items_order", table_name="items")
    op.drop_index(op.f("ix_items_claimed_by"), table_name="items")
    op.drop_table("items")
    op.drop_index("ix_actuals_series_period", table_name="actuals")
    op.drop_table("actuals")
    op.drop_index(op.f("ix_set_aside_rows_import_id"), table_name="set_aside_rows")
    op.drop_index("ix_set_aside_open", table_name="set_aside_rows")
    op.drop_table("set_aside_rows")
    op.drop_index(op.f("ix_series_segment_id"), table_name="series")
    op.drop_table("series")
    op.drop_table("incidents")
    op.drop_table("sources")
    op.drop_table("sign_ins")
    op.drop_index(op.f("ix_segments_parent_id"), table_name="segments")
    op.drop_table("segments")
    op.drop_table("policies")
    op.drop_table("model_versions")
    op.drop_index(op.f("ix_imports_workflow_id"), table_name="imports")
    op.drop_table("imports")
    op.drop_index(op.f("ix_grants_person_id"), table_name="grants")
    op.drop_table("grants")
    op.drop_table("cycles")
    op.drop_table("alerts")
    op.drop_table("workflows")
    op.drop_table("people")
