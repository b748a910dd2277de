"""Realised values, of the past and of what was forecast, matched with what is stored and written by the set."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from storage import bulk, catalogue, placing, track_record
from storage.bulk import Progress
from storage.fates import Fate
from storage.tables import actuals
from storage.workflows import Workflow


def match(session: Session, workflow: Workflow, rows: pd.DataFrame) -> pd.DataFrame:
    wanted = catalogue.given_periods(session, rows)
    same = and_(
        actuals.c.series_id == wanted.c.series_id,
        actuals.c.period_start == wanted.c.period_start,
        track_record.stands(),
    )
    values = (actuals.c.value, actuals.c.final_at, actuals.c.is_lower_bound)
    found = session.execute(
        select(wanted.c.series_id, wanted.c.period, *values).select_from(wanted).outerjoin(actuals, same)
    ).all()
    stored = pd.DataFrame(found, columns=["series_id", "period", "stored", "stored_final_at", "stored_bound"])
    stored["stored_final_at"] = pd.to_datetime(stored["stored_final_at"], utc=True)
    stored = stored.astype({"series_id": "float64", "period": "str", "stored": "float64", "stored_bound": "boolean"})
    rows = rows.merge(stored, how="left", on=["series_id", "period"]).set_axis(rows.index)
    changed = rows["actual"] != rows["stored"]
    if "is_lower_bound" in rows.columns:
        bound = rows["is_lower_bound"]
        changed |= bound.notna() & ((bound == "true") != rows["stored_bound"].fillna(False))
        changed |= rows["final_at"].notna() & (rows["final_at"] != rows["stored_final_at"])
    is_new = rows["stored"].isna()
    rows["fate"] = np.where(is_new, Fate.ACCEPTED, np.where(changed, Fate.UPDATED, Fate.UNCHANGED))
    return rows


def write(
    session: Session, workflow: Workflow, rows: pd.DataFrame, *, import_id: int, now: datetime, progress: Progress
) -> None:
    bound = rows["is_lower_bound"] if "is_lower_bound" in rows.columns else pd.Series(pd.NA, index=rows.index)
    new = pd.DataFrame(
        {
            "series_id": rows["series_id"],
            "period": rows["period"],
            "period_start": rows["period_start"],
            "value": rows["actual"],
            "final_at": rows["final_at"]
            if "final_at" in rows.columns
            else pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us, UTC]"),
            "is_lower_bound": (bound == "true").where(bound.notna(), rows["stored_bound"].fillna(False)).astype("bool"),
            "received_at": pd.Timestamp(now),
            "import_id": import_id,
        }
    )
    # Another value was not final when the one before it was.
    is_same = rows["actual"] == rows["stored"]
    new["final_at"] = new["final_at"].where(new["final_at"].notna() | ~is_same, rows["stored_final_at"])
    bulk.insert_in_chunks(session, [(actuals, new.sort_values(["series_id", "period_start"]))], progress)
    affected = catalogue.open_items(session, new["series_id"].unique(), unheld_at=now)
    if affected:
        placing.place_items(session, workflow, now=now, item_ids=affected)
