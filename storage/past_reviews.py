"""Reviews kept elsewhere before go-live, matched with what is stored and written by the set."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sqlalchemy import Text, and_, select
from sqlalchemy.orm import Session

from storage import bulk
from storage.bulk import Progress
from storage.fates import Fate, hashes
from storage.growth import note_changed
from storage.tables import past_reviews
from storage.workflows import Workflow

#: What tells one review from another.
KEY = ("series", "period", "reviewer", "created_at")
_TIMES = ("started_at", "decided_at", "due_at", "withdrawn_at")
_NUMBERS = ("ai_forecast", "human_forecast", "final_forecast", "actual")
_TEXTS = ("outcome", "reason_code", "note")


def match(session: Session, workflow: Workflow, rows: pd.DataFrame) -> pd.DataFrame:
    attributes = pd.Series([repr(sorted(each.items())) for each in rows["attributes"]], index=rows.index)
    content = [*_TIMES, *_NUMBERS, *_TEXTS, "attributes"]
    rows = rows.assign(
        identity_hash=hashes(rows, KEY), content_hash=hashes(rows.assign(attributes=attributes), content)
    )
    wanted = bulk.given(session, "wanted", {"identity": (Text(), rows["identity_hash"].tolist())})
    found = session.execute(
        select(past_reviews.c.identity_hash, past_reviews.c.id, past_reviews.c.content_hash)
        .select_from(wanted)
        .outerjoin(
            past_reviews,
            and_(past_reviews.c.workflow_id == workflow.id, past_reviews.c.identity_hash == wanted.c.identity),
        )
    ).all()
    stored = pd.DataFrame(found, columns=["identity_hash", "review_id", "stored_hash"])
    stored = stored.astype({"identity_hash": "object", "review_id": "float64", "stored_hash": "object"})
    rows = rows.merge(stored[stored["review_id"].notna()], how="left", on="identity_hash").set_axis(rows.index)
    is_new, changed = rows["review_id"].isna(), rows["content_hash"] != rows["stored_hash"]
    rows["fate"] = np.where(is_new, Fate.ACCEPTED, np.where(changed, Fate.UPDATED, Fate.UNCHANGED))
    return rows


def write(session: Session, workflow: Workflow, rows: pd.DataFrame, *, import_id: int, progress: Progress) -> None:
    kept = ["series_id", "segment_id", "identity_hash", "content_hash", "period", "period_start", "created_at"]
    columns = [*kept, *_TIMES, "reviewer", *_NUMBERS, *_TEXTS, "attributes"]
    stored = rows[columns].assign(workflow_id=workflow.id, import_id=import_id)
    is_new = (rows["fate"] == Fate.ACCEPTED).to_numpy()
    bulk.insert_in_chunks(session, [(past_reviews, stored[is_new])], progress)
    changed = rows.loc[~is_new, "review_id"].astype("int64")
    bulk.update_rows(session, past_reviews, stored[~is_new].assign(id=changed))
    restated = select(past_reviews.c.id).where(bulk.among(session, past_reviews.c.id, changed.tolist()))
    note_changed(session, workflow.id, restated, column="past_review_id")
