"""The plan as it was used downstream and as it was locked, beside what was decided: where shadow overrides show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import ColumnElement, and_, case, exists, func, select, true
from sqlalchemy.orm import Session

from storage import bulk, catalogue
from storage.bulk import Progress
from storage.fates import Fate
from storage.tables import items, series, snapshot_rows, snapshots, used_values
from storage.workflows import Workflow

#: What ``with_plans`` adds.
COLUMNS = ("used_value", "used_at", "plan_value", "locked_at")


def match(session: Session, workflow: Workflow, rows: pd.DataFrame) -> pd.DataFrame:
    """``rows`` with their ``fate`` and what is ``stored`` of them; as the other modules that take files in."""
    wanted = catalogue.given_periods(session, rows)
    later = used_values.alias("later")
    follows = exists().where(
        later.c.series_id == used_values.c.series_id,
        later.c.period_start == used_values.c.period_start,
        later.c.id > used_values.c.id,
    )
    same = and_(
        used_values.c.series_id == wanted.c.series_id, used_values.c.period_start == wanted.c.period_start, ~follows
    )
    found = session.execute(
        select(wanted.c.series_id, wanted.c.period, used_values.c.value, used_values.c.used_at)
        .select_from(wanted)
        .outerjoin(used_values, same)
    ).all()
    stored = pd.DataFrame(found, columns=["series_id", "period", "stored", "stored_at"])
    stored["stored_at"] = pd.to_datetime(stored["stored_at"], utc=True)
    stored = stored.astype({"series_id": "float64", "period": "str", "stored": "float64"})
    rows = rows.merge(stored, how="left", on=["series_id", "period"]).set_axis(rows.index)
    changed = (rows["value"] != rows["stored"]) | (rows["at"].notna() & (rows["at"] != rows["stored_at"]))
    rows["fate"] = np.where(rows["stored"].isna(), Fate.ACCEPTED, np.where(changed, Fate.UPDATED, Fate.UNCHANGED))
    return rows


def write(session: Session, rows: pd.DataFrame, *, import_id: int, now: datetime, progress: Progress) -> None:
    new = pd.DataFrame(
        {
            "series_id": rows["series_id"],
            "period": rows["period"],
            "period_start": rows["period_start"],
            "value": rows["value"],
            "used_at": rows["at"],
            "received_at": pd.Timestamp(now),
            "import_id": import_id,
        }
    )
    bulk.insert_in_chunks(session, [(used_values, new.sort_values(["series_id", "period_start"]))], progress)


def with_plans(session: Session, workflow: Workflow, table: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """``table`` with the value of each row that was used downstream, and the one in the locked plan.

    A used value is known from when it was used, where the file says so, else from when it came in; one that follows
    another of the same series and period, from when it came in at the earliest.

    Args:
        table: with ``series_id`` and ``period`` (canonical text), whatever else it has.
        as_of: UTC; what became known later is left out.

    Returns:
        ``table`` with the same index and ``COLUMNS``: values in the unit, times UTC; NaN and NaT where none is known.
    """
    of = table["series_id"].dropna().unique()
    among = bulk.among(session, series.c.id, of) if len(of) <= bulk.CHUNK else true()
    used, locked = _used(session, workflow.id, as_of, among), _locked(session, workflow.id, as_of, among)
    keys = table[["series_id", "period"]].astype({"series_id": "int64", "period": "str"})
    found = keys.merge(used, how="left", on=["series_id", "period"]).merge(
        locked, how="left", on=["series_id", "period"]
    )
    return table.assign(**{name: found[name].set_axis(table.index) for name in COLUMNS})


def _used(session: Session, workflow_id: int, as_of: datetime, among: ColumnElement[bool]) -> pd.DataFrame:
    earlier = used_values.alias("earlier")
    follows = exists().where(
        earlier.c.series_id == used_values.c.series_id,
        earlier.c.period_start == used_values.c.period_start,
        earlier.c.id < used_values.c.id,
    )
    said = func.coalesce(used_values.c.used_at, used_values.c.received_at)
    known_from = case((and_(follows, said < used_values.c.received_at), used_values.c.received_at), else_=said)
    rows = session.execute(
        select(used_values.c.series_id, used_values.c.period, used_values.c.value, said)
        .join(series, series.c.id == used_values.c.series_id)
        .where(series.c.workflow_id == workflow_id, known_from <= as_of, among)
        .order_by(used_values.c.id)
    ).all()
    return _typed(rows, "used_value", "used_at")


def _locked(session: Session, workflow_id: int, as_of: datetime, among: ColumnElement[bool]) -> pd.DataFrame:
    rows = session.execute(
        select(items.c.series_id, items.c.period, snapshot_rows.c.plan_value, snapshots.c.locked_at)
        .join(snapshot_rows, snapshot_rows.c.item_id == items.c.id)
        .join(snapshots, snapshots.c.id == snapshot_rows.c.snapshot_id)
        .join(series, series.c.id == items.c.series_id)
        .where(snapshots.c.workflow_id == workflow_id, snapshots.c.locked_at <= as_of, among)
    ).all()
    return _typed(rows, "plan_value", "locked_at")


def _typed(rows: Sequence[Any], value: str, at: str) -> pd.DataFrame:
    """The last row of each series and period."""
    frame = pd.DataFrame(rows, columns=["series_id", "period", value, at])
    frame[at] = pd.to_datetime(frame[at], utc=True).dt.as_unit("us")
    typed = frame.astype({"series_id": "int64", "period": "str", value: "float64"})
    return typed.drop_duplicates(["series_id", "period"], keep="last")
