"""Items and the forecasts on them, matched with what is stored and written by the set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from review_queue.items import SourceKind, State
from review_queue.staleness import Stale
from storage import bulk, catalogue, closing, feeds, placing, staleness, track_record
from storage.bulk import Progress
from storage.fates import Fate, Written, hashes
from storage.growth import note_changed
from storage.tables import forecasts, items, segments, sources
from storage.tables import series as series_
from storage.workflows import Workflow


@dataclass(frozen=True)
class _Source:
    """Which columns of a file make the forecast of one source."""

    kind: SourceKind
    value: str
    low: str | None = None
    high: str | None = None
    level: str | None = None
    quantiles: str | None = None
    model_version: str | None = None
    made_at: str | None = None
    author: str | None = None
    note: str | None = None
    rationale: str | None = None

    @property
    def adds(self) -> str:
        return f"adds_{self.kind}"


_SOURCES = (
    _Source(
        SourceKind.AI,
        value="ai_forecast",
        low="ai_low",
        high="ai_high",
        level="ai_level",
        quantiles="quantiles",
        model_version="model_version",
        made_at="ai_made_at",
        rationale="ai_rationale",
    ),
    _Source(
        SourceKind.MANUAL,
        value="human_forecast",
        low="human_low",
        high="human_high",
        made_at="human_made_at",
        author="human_by",
        note="human_note",
    ),
    _Source(SourceKind.NAIVE, value="naive_forecast"),
)
_PARTS = ("value", "low", "high", "level", "quantiles", "model_version", "made_at", "author", "note", "rationale")


def forecasts_of(rows: pd.DataFrame, source: _Source) -> pd.DataFrame:
    """The forecasts that ``rows`` give of one source: columns ``_PARTS`` and ``content_hash``; index of the rows."""
    there = rows[rows[source.value].notna()]
    found = {part: there[column] for part in _PARTS if (column := getattr(source, part)) is not None}
    frame = pd.DataFrame(found, index=there.index)
    frame["content_hash"] = hashes(frame, list(found))
    return frame


def match(session: Session, workflow: Workflow, rows: pd.DataFrame) -> pd.DataFrame:
    stored = _items_of(session, workflow, rows)
    rows = rows.merge(stored, how="left", on=["series_id", "period"]).set_axis(rows.index)
    is_new = rows["item_id"].isna()
    newest = _newest_imported(session, rows.loc[~is_new, "item_id"].to_numpy(dtype="int64"))
    changed = pd.Series(False, index=rows.index)
    for source in _SOURCES:
        of_source = newest[newest["kind"] == source.kind].set_index("item_id")["content_hash"]
        given = forecasts_of(rows[~is_new], source)["content_hash"]
        rows[source.adds] = (given != rows["item_id"].map(of_source).reindex(given.index)).reindex(
            rows.index, fill_value=False
        )
        changed |= rows[source.adds]
    for name in ("due_at", "horizon", "value_per_unit"):
        changed |= rows[name].notna() & (rows[name] != rows[f"stored_{name}"])
    changed |= (rows["path"] != "") & rows["stored_segment_id"].isna()
    rows["fate"] = np.where(is_new, Fate.ACCEPTED, np.where(changed, Fate.UPDATED, Fate.UNCHANGED))
    return rows


def _items_of(session: Session, workflow: Workflow, rows: pd.DataFrame) -> pd.DataFrame:
    """The items that stand for series and period of ``rows``, with what a file may change of them."""
    wanted = catalogue.given_periods(session, rows)
    found = session.execute(
        select(
            items.c.series_id,
            items.c.period,
            items.c.id,
            items.c.due_at,
            items.c.horizon,
            series_.c.value_per_unit,
            items.c.segment_id,
        )
        .select_from(wanted)
        .outerjoin(
            items,
            and_(
                items.c.workflow_id == workflow.id,
                items.c.series_id == wanted.c.series_id,
                items.c.period == wanted.c.period,
            ),
        )
        .outerjoin(series_, series_.c.id == items.c.series_id)
    ).all()
    names = ["series_id", "period", "item_id", "stored_due_at", "stored_horizon", "stored_value_per_unit"]
    frame = pd.DataFrame(found, columns=[*names, "stored_segment_id"])
    frame["stored_due_at"] = pd.to_datetime(frame["stored_due_at"], utc=True)
    numbers = ("series_id", "item_id", "stored_horizon", "stored_value_per_unit", "stored_segment_id")
    frame = frame.astype({**dict.fromkeys(numbers, "float64"), "period": "str"})
    return frame[frame["item_id"].notna()]


def _newest_imported(session: Session, item_ids: Any) -> pd.DataFrame:
    """The last forecast of each source that came in a file: ``item_id, kind, content_hash``.

    One typed in since is left aside, so that a file that comes again changes nothing.
    """
    found = session.execute(
        select(forecasts.c.item_id, sources.c.kind, forecasts.c.content_hash)
        .join(sources, sources.c.id == forecasts.c.source_id)
        .where(bulk.among(session, forecasts.c.item_id, item_ids), forecasts.c.import_id.is_not(None))
        .where(sources.c.key.in_([source.kind for source in _SOURCES]))
        .order_by(forecasts.c.id)
    ).all()
    frame = pd.DataFrame(found, columns=["item_id", "kind", "content_hash"])
    return frame.astype({"item_id": "float64"}).drop_duplicates(["item_id", "kind"], keep="last")


def write(
    session: Session, workflow: Workflow, rows: pd.DataFrame, *, import_id: int, now: datetime, progress: Progress
) -> Written:
    catalogue.ensure_cycles(session, workflow.id, rows[["period", "period_start"]])
    source_ids = catalogue.ensure_sources(session, workflow.id)
    versions = catalogue.ensure_model_versions(session, workflow.id, rows["model_version"].dropna().unique(), now=now)
    is_new = (rows["fate"] == Fate.ACCEPTED).to_numpy()
    new = rows[is_new].assign(item_id=bulk.reserve_ids(session, items, int(is_new.sum())))
    old = rows[~is_new]
    given = pd.concat([_long(new, everything=True), _long(old, everything=False)], ignore_index=True)
    given = given.sort_values("item_id", kind="stable")
    is_back = bool((given["kind"] == SourceKind.AI).any()) and feeds.end(session, workflow.id, now=now)
    placed = _new_items(session, workflow, new, given, import_id=import_id, now=now)
    given["source_id"] = given["kind"].map(source_ids)
    given["model_version_id"] = given["model_version"].map(versions)
    given = given.assign(received_at=pd.Timestamp(now), import_id=import_id).rename(columns={"level": "interval_level"})
    stored = given.drop(columns=["key", "kind", "model_version"])
    bulk.insert_in_chunks(session, [(items, placed), (forecasts, stored)], progress)
    affected = catalogue.open_items(session, rows.loc[rows["is_revalued"], "series_id"].unique(), unheld_at=None)
    written = _update_items(session, workflow, old, affected, now=now)
    if is_back:
        placing.place_items(session, workflow, now=now)
    return replace(written, feed_is_back=is_back)


def _long(rows: pd.DataFrame, *, everything: bool) -> pd.DataFrame:
    """The forecasts that ``rows`` add, one row each: ``item_id, key, kind``, ``_PARTS``, ``content_hash``."""
    pieces = []
    for source in _SOURCES:
        adding = rows if everything else rows[rows[source.adds]]
        piece = forecasts_of(adding, source)
        piece["item_id"] = adding["item_id"].astype("int64").reindex(piece.index)
        pieces.append(piece.assign(key=str(source.kind), kind=str(source.kind)))
    together = pd.concat(pieces)
    return together.reindex(columns=["item_id", "key", "kind", *_PARTS, "content_hash"])


def _new_items(
    session: Session, workflow: Workflow, new: pd.DataFrame, given: pd.DataFrame, *, import_id: int, now: datetime
) -> pd.DataFrame:
    """The rows of ``items`` for ``new``, placed by the forecasts ``given`` with them."""
    closed = closing.locked_periods(session, workflow.id)
    rows = pd.DataFrame(
        {
            "id": new["item_id"],
            "workflow_id": workflow.id,
            "series_id": new["series_id"],
            "segment_id": new["segment_id"],
            "period": new["period"],
            "period_start": new["period_start"],
            "horizon": new["horizon"],
            "created_at": new["created_at"].fillna(pd.Timestamp(now)),
            "due_at": new["due_at"],
            "state": new["period"].isin(closed).map({True: State.LOCKED.value, False: State.READY.value}),
            "available_at": pd.Timestamp(now),
            "audit_sample": placing.audit_sample(workflow, new["item_id"].to_numpy()),
            "human_first": placing.human_first(workflow, new["item_id"].to_numpy()),
            "import_id": import_id,
        }
    )
    facts = rows.assign(parent=_parents(session, workflow, new), value_per_unit=new["value_per_unit"].fillna(1.0))
    theirs = given[given["item_id"].isin(new["item_id"])]
    theirs = theirs.assign(made_at=pd.to_datetime(theirs["made_at"], utc=True).fillna(pd.Timestamp(now)))
    placed = placing.place_new(session, workflow, facts, theirs, now=now)
    return pd.concat([rows, placed], axis=1)


def _parents(session: Session, workflow: Workflow, rows: pd.DataFrame) -> pd.Series:
    """The segment that each row's series is pooled in."""
    query = select(segments.c.id, track_record.parent_of()).where(segments.c.workflow_id == workflow.id)
    parents: dict[int, int] = dict(session.execute(query).all())
    return rows["segment_id"].map(parents).fillna(0).astype("int64")


def _update_items(
    session: Session, workflow: Workflow, old: pd.DataFrame, revalued: list[int], *, now: datetime
) -> Written:
    """Bring stored items up to date with the rows ``old``, and place them and the ``revalued`` ones again."""
    adds = old[[source.adds for source in _SOURCES]].any(axis=1)
    changes = pd.DataFrame(
        {
            "id": old["item_id"].astype("int64"),
            "due_at": old["due_at"].where(old["due_at"].notna(), old["stored_due_at"]),
            "horizon": old["horizon"].where(old["horizon"].notna(), old["stored_horizon"]),
            "segment_id": old["stored_segment_id"].where(old["stored_segment_id"].notna(), old["segment_id"]),
        }
    )
    bulk.update_rows(session, items, changes)
    restated = select(items.c.id).where(bulk.among(session, items.c.id, changes["id"].to_numpy()))
    note_changed(session, workflow.id, restated, column="item_id")
    newer = bulk.among(session, items.c.id, changes.loc[adds, "id"].to_numpy())
    # By the state of now: since the rows were matched, somebody may have decided one that had been sent back.
    returned = session.execute(
        update(items)
        .where(newer, items.c.state == State.SENT_BACK)
        .values(state=State.READY, available_at=now)
        .returning(items.c.id)
    )
    back = tuple(sorted(returned.scalars()))
    closed = items.c.state.in_((State.DECIDED, State.LOCKED))
    decided = session.execute(select(items.c.id).where(newer, closed).order_by(items.c.id)).scalars().all()
    stale = staleness.bring_back(session, workflow, decided, now=now)
    gone_stale = {each.item_id for each in stale}
    if affected := {*changes["id"].tolist(), *revalued}:
        placing.place_items(session, workflow, now=now, item_ids=affected)
    return Written(back, tuple(each for each in decided if each not in gone_stale), tuple(stale))


def type_in(
    session: Session, workflow: Workflow, values: Mapping[int, float], *, by: str, note: str, now: datetime
) -> list[Stale]:
    """Add manual forecasts that somebody typed here, to locked items, and place these again.

    Args:
        values: item → its new manual forecast, in the unit.

    Returns:
        The overrides that went stale by it.
    """
    if not values:
        return []
    source_id = catalogue.ensure_sources(session, workflow.id)[SourceKind.MANUAL]
    typed = pd.DataFrame({"item_id": list(values), "value": list(values.values())})
    typed = typed.assign(source_id=source_id, author=by, note=note, made_at=pd.Timestamp(now))
    typed["content_hash"] = hashes(typed, ["value", "author", "note"])
    bulk.insert_rows(session, forecasts, typed.assign(received_at=pd.Timestamp(now)))
    which = bulk.among(session, items.c.id, typed["item_id"].to_numpy(dtype="int64"))
    answered = {"state": State.READY, "available_at": now}
    session.execute(update(items).where(which, items.c.state == State.SENT_BACK).values(answered))
    decided = session.execute(select(items.c.id).where(which, items.c.state == State.DECIDED)).scalars().all()
    stale = staleness.bring_back(session, workflow, decided, now=now)
    placing.place_items(session, workflow, now=now, item_ids=list(values))
    return stale
