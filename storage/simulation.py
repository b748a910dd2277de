"""The simulated organisation's rows, put into an empty database set by set.

A ``Simulation`` names things as people do: a person by subject, a segment by path, a series by key, an item and a
decision by a number of the story. Here they become ids.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import Table, func, select, text, update
from sqlalchemy.orm import Session

from review_queue.errors import ReviewError
from review_queue.items import FINAL_OUTCOMES, Act, SourceKind
from storage import audit, bulk
from storage.locks import Lock
from storage.people import DEMO
from storage.tables import (
    actuals,
    advance_notices,
    audit_events,
    comments,
    cycles,
    decisions,
    evidence_views,
    figure_comments,
    forecasts,
    grants,
    identifiers,
    items,
    model_versions,
    outbox,
    people,
    policies,
    reasons,
    segments,
    series,
    sources,
    statements,
    used_values,
    workflows,
)

SOURCE_TITLES = {
    SourceKind.AI: "AI forecast (simulated)",
    SourceKind.MANUAL: "Manual forecast (simulated)",
    SourceKind.NAIVE: "Same month of last year",
}
SYSTEM_TITLES = {"crm": "CRM (simulated)", "orders": "Order book (simulated)"}
#: What an act is called, in the audit record and to other systems.
ACTIONS = {Act.DECIDE: "decision.made", Act.UNDO: "decision.undone", Act.OVERTURN: "decision.overturned"}


class DatabaseNotEmpty(ReviewError):
    """The simulated organisation goes into an empty database only."""

    code = "DATABASE_NOT_EMPTY"

    def __init__(self, workflow: str) -> None:
        super().__init__(
            f"The database already holds the workflow {workflow!r}, and simulated rows must not mix with yours. "
            "Point WORKBENCH_DATABASE_URL at a new database, then load again."
        )
        self.workflow = workflow


@dataclass(frozen=True, slots=True)
class Simulation:
    """Every row of the story. Columns are those of the tables, dates as ISO text; references go by name."""

    began_at: datetime  #: UTC; when the organisation set out
    people: pd.DataFrame  #: ``subject, name, email``
    grants: pd.DataFrame  #: ``subject, role, path`` (None: the whole workflow)
    segments: pd.DataFrame  #: ``level, depth, name, path, parent`` (a path; None at the top), parents first
    cycles: pd.DataFrame
    model_versions: pd.DataFrame
    series: pd.DataFrame  #: with ``path``
    items: pd.DataFrame  #: indexed by the story's number; ``series`` (key), ``path``, ``subject`` (last claim)
    forecasts: pd.DataFrame  #: ``item``, ``kind``, ``version`` (name or None)
    actuals: pd.DataFrame  #: ``series`` (key)
    decisions: pd.DataFrame  #: indexed by the story's number, oldest first; ``item``, ``subject``, ``supersedes``
    reasons: pd.DataFrame  #: ``decision``, ``subject`` (of who noted what became of it)
    evidence: pd.DataFrame  #: ``item``, ``subject``
    comments: pd.DataFrame  #: ``item``, ``subject``
    advance_notices: pd.DataFrame  #: ``subject``
    figure_comments: pd.DataFrame  #: ``subject``
    used: pd.DataFrame  #: ``item``; the plan as it was used
    statements: pd.DataFrame  #: ``source``, ``series`` (key); each ``record_id`` is the source's name for one series


class LoadUnderWay(ReviewError):
    """Somebody else loads the simulated organisation at this moment."""

    code = "LOAD_UNDER_WAY"

    def __init__(self) -> None:
        super().__init__(
            "Somebody else is loading the simulated organisation. It is there in a moment: reload the page."
        )


def load_alone(session: Session) -> None:
    """Until the end of this transaction nobody else loads.

    Raises:
        LoadUnderWay: somebody does.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    if not session.execute(text(f"SELECT pg_try_advisory_xact_lock({Lock.LOADING:d})")).scalar_one():
        raise LoadUnderWay


def require_empty(session: Session) -> None:
    """Refuse a database that anyone works in.

    Raises:
        DatabaseNotEmpty: it has a workflow.
    """
    found = session.execute(select(workflows.c.key).order_by(workflows.c.id).limit(1)).scalar_one_or_none()
    if found is not None:
        raise DatabaseNotEmpty(found)


def add_people(session: Session, simulation: Simulation) -> dict[str, int]:
    """The simulated people, without roles yet. Returns their ids by subject."""
    rows = simulation.people
    ids = _insert(
        session, people, rows.assign(issuer=DEMO, is_simulated=True, created_at=pd.Timestamp(simulation.began_at))
    )
    return dict(zip(rows["subject"], ids.tolist(), strict=True))


def add_rows(session: Session, simulation: Simulation, *, workflow_id: int, person_ids: dict[str, int]) -> None:
    """Everything but the people and the workflow itself, each table in one go."""
    began = pd.Timestamp(simulation.began_at)
    _backdate(session, workflow_id, simulation.began_at)
    paths = _add_segments(session, simulation, workflow_id)
    access = _with_people(simulation.grants, person_ids, "person_id").rename(columns={"path": "segment_path"})
    _insert(session, grants, access.assign(workflow_id=workflow_id, granted_at=began))
    _insert(session, cycles, simulation.cycles.assign(workflow_id=workflow_id))
    keys = _add_series(session, simulation, workflow_id, paths)
    known = simulation.actuals.assign(series_id=simulation.actuals["series"].map(keys))
    _insert(session, actuals, known.drop(columns="series"))
    item_ids = _add_items(session, simulation, workflow_id, paths, keys, person_ids)
    _add_forecasts(session, simulation, workflow_id, item_ids)
    _add_statements(session, simulation, workflow_id, keys)
    made = _add_decisions(session, simulation, item_ids, person_ids)
    given = simulation.reasons.assign(decision_id=simulation.reasons["decision"].map(made["id"]))
    _insert(session, reasons, _with_people(given.drop(columns="decision"), person_ids, "outcome_by"))
    _insert(session, evidence_views, _located(simulation.evidence, item_ids, person_ids, "person_id"))
    _insert(session, comments, _located(simulation.comments, item_ids, person_ids, "author_id"))
    for table, told in ((advance_notices, simulation.advance_notices), (figure_comments, simulation.figure_comments)):
        _insert(session, table, _with_people(told, person_ids, "person_id").assign(workflow_id=workflow_id))
    plan = simulation.used.assign(
        series_id=simulation.items.loc[simulation.used["item"], "series"].map(keys).to_numpy()
    )
    _insert(session, used_values, plan.drop(columns="item"))
    _tell(session, simulation, workflow_id, made)


def _backdate(session: Session, workflow_id: int, at: datetime) -> None:
    """The workflow and its policy stood when the first decision was made."""
    session.execute(update(workflows).where(workflows.c.id == workflow_id).values(created_at=at))
    session.execute(update(policies).where(policies.c.workflow_id == workflow_id).values(created_at=at))


def _add_segments(session: Session, simulation: Simulation, workflow_id: int) -> dict[str, int]:
    """Ids by path."""
    rows = simulation.segments.assign(workflow_id=workflow_id)
    ids = dict(zip(rows["path"], bulk.reserve_ids(session, segments, len(rows)).tolist(), strict=True))
    rows = rows.assign(id=rows["path"].map(ids), parent_id=rows["parent"].map(ids).astype("Int64"))
    bulk.insert_rows(session, segments, rows.drop(columns="parent"))
    return ids


def _add_series(session: Session, simulation: Simulation, workflow_id: int, paths: dict[str, int]) -> dict[str, int]:
    """Ids by key."""
    rows = simulation.series.assign(workflow_id=workflow_id, segment_id=simulation.series["path"].map(paths))
    ids = _insert(session, series, rows.drop(columns="path"))
    return dict(zip(rows["key"], ids.tolist(), strict=True))


def _add_items(
    session: Session,
    simulation: Simulation,
    workflow_id: int,
    paths: dict[str, int],
    keys: dict[str, int],
    person_ids: dict[str, int],
) -> pd.Series:
    """Ids by the story's number."""
    rows = simulation.items.assign(
        workflow_id=workflow_id,
        series_id=simulation.items["series"].map(keys),
        segment_id=simulation.items["path"].map(paths),
        why=pd.Series([[]] * len(simulation.items), index=simulation.items.index, dtype=object),
    )
    return _insert(session, items, _with_people(rows.drop(columns=["series", "path"]), person_ids, "claimed_by"))


def _add_forecasts(session: Session, simulation: Simulation, workflow_id: int, item_ids: pd.Series) -> None:
    titles = pd.DataFrame(
        [{"key": kind.value, "kind": kind.value, "title": title} for kind, title in SOURCE_TITLES.items()]
    )
    source_ids = _insert(session, sources, titles.assign(workflow_id=workflow_id)).set_axis(titles["kind"])
    versions = simulation.model_versions.assign(workflow_id=workflow_id)
    version_ids = _insert(session, model_versions, versions).set_axis(versions["name"])
    rows = simulation.forecasts
    facts = zip(*(rows[name].tolist() for name in ("item", "kind", "value", "low", "high", "note")), strict=True)
    rows = rows.assign(
        item_id=rows["item"].map(item_ids),
        source_id=rows["kind"].map(source_ids),
        model_version_id=rows["version"].map(version_ids).astype("Int64"),
        content_hash=[hashlib.sha256(repr(fact).encode()).hexdigest() for fact in facts],
    )
    _insert(session, forecasts, rows.drop(columns=["item", "kind", "version"]))


def _add_statements(session: Session, simulation: Simulation, workflow_id: int, keys: dict[str, int]) -> None:
    """What other systems say, with the crosswalk of what they call each series."""
    titles = pd.DataFrame(SYSTEM_TITLES.items(), columns=["key", "title"])
    systems = _insert(session, sources, titles.assign(workflow_id=workflow_id, kind=SourceKind.OTHER.value))
    rows = simulation.statements
    facts = zip(*(rows[name].tolist() for name in ("series", "period", "source", "as_of")), strict=True)
    rows = rows.assign(
        series_id=rows["series"].map(keys),
        source_id=rows["source"].map(systems.set_axis(titles["key"])),
        identity_hash=[hashlib.sha256(repr(fact).encode()).hexdigest() for fact in facts],
    ).drop(columns=["series", "source"])
    _insert(session, statements, rows)
    names = rows.drop_duplicates(["source_id", "record_id"])[["source_id", "record_id", "series_id", "received_at"]]
    _insert(session, identifiers, names.rename(columns={"received_at": "learnt_at"}))


def _add_decisions(
    session: Session, simulation: Simulation, item_ids: pd.Series, person_ids: dict[str, int]
) -> pd.DataFrame:
    """The decisions as stored, by the story's number; ids rise in the order in which they were made."""
    rows = _located(simulation.decisions, item_ids, person_ids, "actor_id")
    ids = pd.Series(bulk.reserve_ids(session, decisions, len(rows)), index=rows.index)
    rows = rows.assign(id=ids, supersedes_id=rows["supersedes"].map(ids).astype("Int64")).drop(columns="supersedes")
    bulk.insert_rows(session, decisions, rows)
    return rows


def _tell(session: Session, simulation: Simulation, workflow_id: int, made: pd.DataFrame) -> None:
    """An audit event for each decision and an outbox event for each final one, as the actions would have written."""
    events = pd.DataFrame(
        {
            "at": made["decided_at"],
            "actor_id": made["actor_id"],
            "action": made["act"].map(ACTIONS),
            "workflow_id": workflow_id,
            "item_id": made["item_id"],
            "decision_id": made["id"],
            "details": [_audit_details(row) for row in made.itertuples()],
        }
    )
    _insert(session, audit_events, events)
    audit.seal_unsealed(session)
    about = simulation.items.loc[simulation.decisions["item"], ["series", "period"]].set_axis(made.index)
    told = made.join(about)[made["outcome"].isin(FINAL_OUTCOMES) | (made["act"] == Act.UNDO)]
    messages = pd.DataFrame(
        {
            "workflow_id": workflow_id,
            "item_id": told["item_id"],
            "decision_id": told["id"],
            "topic": told["act"].map(ACTIONS),
            "payload": [_message(row) for row in told.itertuples()],
            "created_at": told["decided_at"],
        }
    )
    _insert(session, outbox, messages)


def _audit_details(row: Any) -> dict[str, Any]:
    if row.act == Act.UNDO:
        return {"undone": int(row.supersedes_id), "fence": row.fence}
    return {"outcome": str(row.outcome), "fence": row.fence, "round": row.round}


def _message(row: Any) -> dict[str, Any]:
    facts = {"series": row.series, "period": row.period, "round": row.round}
    if row.act == Act.UNDO:
        return {**facts, "undone": int(row.supersedes_id)}
    return {
        **facts,
        "outcome": str(row.outcome),
        "final": row.final_value,
        "ai": row.ai_value,
        "override": row.is_override,
        "reason": row.reason_code if row.is_override else None,
    }


def _located(rows: pd.DataFrame, item_ids: pd.Series, person_ids: dict[str, int], person: str) -> pd.DataFrame:
    """The story's numbers and subjects as ids."""
    located = rows.assign(item_id=rows["item"].map(item_ids)).drop(columns="item")
    return _with_people(located, person_ids, person)


def _with_people(rows: pd.DataFrame, person_ids: dict[str, int], person: str) -> pd.DataFrame:
    """``subject`` as an id in the column ``person``."""
    return rows.assign(**{person: rows["subject"].map(person_ids).astype("Int64")}).drop(columns="subject")


def _insert(session: Session, table: Table, rows: pd.DataFrame) -> pd.Series:
    """Add a frame's rows to a table as one set, in their order. Returns their ids, by the frame's index."""
    ids = pd.Series(bulk.reserve_ids(session, table, len(rows)), index=rows.index)
    bulk.insert_rows(session, table, rows.assign(id=ids))
    return ids


def counts(session: Session) -> dict[str, int]:
    """How many rows the larger tables hold now."""
    tables = (series, items, forecasts, actuals, decisions, reasons)
    return {table.name: session.execute(select(func.count()).select_from(table)).scalar_one() for table in tables}
