"""The model versions that a workflow's forecasts came from, and what depends on each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from review_queue.columns import Kind
from review_queue.items import FINAL_OUTCOMES, SourceKind
from review_queue.withholding import Withheld
from storage.engine import database_now
from storage.showings import version_shown
from storage.tables import (
    OPEN,
    audit_events,
    decisions,
    forecasts,
    items,
    model_versions,
    pulls,
    receivers,
    sources,
)
from storage.track_record import standing_forecast
from storage.workflows import Workflow

EXPORTS_OVER = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Dependent:
    """What in one workflow depends on one model version. Receivers, pulls and exports depend on all of its workflow."""

    version: str  #: untrusted text
    workflow: Workflow
    first_seen_at: datetime  #: UTC
    open_items: int  #: whose AI value is of this version, shown or not
    decided_items: int  #: whose standing decision was made on it
    receivers: int  #: addresses that the workflow's decisions are sent to
    pulled_from: tuple[str, ...]  #: names of the databases that its forecasts were pulled from
    exports: int  #: taken out of the workflow in the last 90 days
    export_kinds: tuple[str, ...]


def ids(session: Session, workflow_id: int) -> dict[str, int]:
    """The model versions of a workflow: name → id, in the order in which they came."""
    rows = session.execute(
        select(model_versions.c.name, model_versions.c.id)
        .where(model_versions.c.workflow_id == workflow_id)
        .order_by(model_versions.c.first_seen_at, model_versions.c.id)
    )
    return {row.name: row.id for row in rows}


def dependents(session: Session, workflows: list[Workflow]) -> list[Dependent]:
    """What depends on each model version of these workflows, the newest version first."""
    return [each for workflow in workflows for each in _of(session, workflow)]


def _of(session: Session, workflow: Workflow) -> list[Dependent]:
    rows = session.execute(
        select(model_versions)
        .where(model_versions.c.workflow_id == workflow.id)
        .order_by(model_versions.c.first_seen_at.desc(), model_versions.c.id.desc())
    ).all()
    if not rows:
        return []
    waiting, decided = _open_items(session, workflow.id), _decided_items(session, workflow.id)
    told, pulled, exported = (
        _receivers(session, workflow.id),
        _pulled(session, workflow.id),
        _exports(session, workflow.id),
    )
    return [
        Dependent(
            version=row.name,
            workflow=workflow,
            first_seen_at=row.first_seen_at,
            open_items=waiting[row.id],
            decided_items=decided.get(row.name, 0),
            receivers=told,
            pulled_from=pulled,
            exports=sum(exported.values()),
            export_kinds=tuple(sorted(exported)),
        )
        for row in rows
    ]


def _open_items(session: Session, workflow_id: int) -> Counter[int]:
    """Items by the version of the AI value on them: the newest, or the one that the workflow is rolled back to."""
    is_earlier = func.coalesce(items.c.withheld == Withheld.ROLLED_BACK, False)
    version = func.coalesce(forecasts.c.model_version_id, 0)
    rows = session.execute(
        select(is_earlier, version, func.count())
        .select_from(items)
        .join(forecasts, forecasts.c.item_id == items.c.id)
        .join(sources, sources.c.id == forecasts.c.source_id)
        .where(items.c.workflow_id == workflow_id, OPEN, standing_forecast(SourceKind.AI))
        .group_by(is_earlier, version)
    ).all()
    counts: Counter[int] = Counter()
    shown = select(version_shown()).where(items.c.workflow_id == workflow_id).limit(1)
    for earlier, version_id, count in rows:
        counts[(session.execute(shown).scalar_one() or 0) if earlier else version_id] += count
    return counts


def _decided_items(session: Session, workflow_id: int) -> dict[str, int]:
    later = decisions.alias("later")
    is_superseded = select(later.c.id).where(later.c.supersedes_id == decisions.c.id).exists()
    rows = session.execute(
        select(decisions.c.model_version, func.count())
        .join(items, items.c.id == decisions.c.item_id)
        .where(items.c.workflow_id == workflow_id, decisions.c.outcome.in_(FINAL_OUTCOMES))
        .where(decisions.c.round == items.c.round, ~is_superseded, decisions.c.model_version.is_not(None))
        .group_by(decisions.c.model_version)
    )
    return {row[0]: row[1] for row in rows}


def _receivers(session: Session, workflow_id: int) -> int:
    in_use = select(func.count()).where(receivers.c.workflow_id == workflow_id, receivers.c.ended_at.is_(None))
    return session.execute(in_use.where(receivers.c.approved_at.is_not(None))).scalar_one()


def _pulled(session: Session, workflow_id: int) -> tuple[str, ...]:
    of_forecasts = select(pulls.c.source).where(pulls.c.workflow_id == workflow_id, pulls.c.kind == Kind.FORECASTS)
    return tuple(session.execute(of_forecasts.distinct().order_by(pulls.c.source)).scalars())


def _exports(session: Session, workflow_id: int) -> Counter[str]:
    since = database_now(session) - EXPORTS_OVER
    rows = session.execute(
        select(audit_events.c.details).where(
            audit_events.c.workflow_id == workflow_id, audit_events.c.action == "export", audit_events.c.at >= since
        )
    ).scalars()
    return Counter(str(details["kind"]) for details in rows)
