"""What forecasts are about, found and made by the set: segments, series, cycles, sources, model versions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import CTE, BigInteger, Date, Text, and_, insert, select
from sqlalchemy.orm import Session

from review_queue.items import OPEN_STATES, SourceKind, State
from review_queue.periods import parse_period
from review_queue.rows import SEPARATOR
from storage import bulk
from storage.growth import note_changed
from storage.tables import actuals, cycles, items, model_versions, past_reviews, segments, series, sources

_TITLES = {
    SourceKind.AI: "AI forecast",
    SourceKind.MANUAL: "Manual forecast",
    SourceKind.NAIVE: "Naive forecast",
}


def season(session: Session, workflow_id: int) -> int | None:
    """The season of the periods that the workflow has so far, which tells how it writes them; None before the first."""
    of_series = select(actuals.c.period).join(series, series.c.id == actuals.c.series_id)
    for query in (
        select(cycles.c.period).where(cycles.c.workflow_id == workflow_id).order_by(cycles.c.id),
        of_series.where(series.c.workflow_id == workflow_id).order_by(actuals.c.id),
        select(past_reviews.c.period)
        .where(past_reviews.c.workflow_id == workflow_id, past_reviews.c.period.is_not(None))
        .order_by(past_reviews.c.id),
    ):
        first = session.execute(query.limit(1)).scalar_one_or_none()
        if first is not None:
            return parse_period(first).season
    return None


def known_series(session: Session, workflow_id: int, keys: Iterable[str]) -> pd.DataFrame:
    """Those of the series that exist: ``series, series_id, segment_id, path, value_per_unit, currency``."""
    # Here and wherever given values are matched, the outer join keeps them in front: left to choose, SQLite reads the
    # other table whole, and the given values again for each of its rows.
    wanted = bulk.given(session, "wanted", {"key": (Text(), list(keys))})
    rows = session.execute(
        select(
            series.c.key,
            series.c.id,
            series.c.segment_id,
            segments.c.path,
            series.c.value_per_unit,
            series.c.currency,
        )
        .select_from(wanted)
        .outerjoin(series, and_(series.c.workflow_id == workflow_id, series.c.key == wanted.c.key))
        .outerjoin(segments, segments.c.id == series.c.segment_id)
    ).all()
    columns = ["series", "series_id", "segment_id", "path", "value_per_unit", "currency"]
    types = {"series": "str", "series_id": "float64", "segment_id": "float64", "path": "str", "currency": "str"}
    found = pd.DataFrame(rows, columns=columns).astype({**types, "value_per_unit": "float64"})
    return found[found["series_id"].notna()]


def ensure_segments(
    session: Session, workflow_id: int, levels: tuple[str, ...], paths: Iterable[str]
) -> dict[str, int]:
    """The ids of the segments at ``paths``, made where they are missing, with those above them. "" has none."""
    wanted = {above for path in paths for above in _and_above(path)}
    query = select(segments.c.path, segments.c.id).where(segments.c.workflow_id == workflow_id)
    known: dict[str, int] = dict(session.execute(query).all())
    for depth, level in enumerate(levels):
        missing = sorted(path for path in wanted if path.count(SEPARATOR) == depth + 1 and path not in known)
        ids = bulk.reserve_ids(session, segments, len(missing))
        outer = [path[: path.rstrip(SEPARATOR).rfind(SEPARATOR) + 1] for path in missing]
        new = pd.DataFrame({"id": ids, "path": missing})
        new["parent_id"] = pd.Series([known.get(path) for path in outer], dtype="float64")
        new["name"] = [path[len(above) : -1] for path, above in zip(missing, outer, strict=True)]
        bulk.insert_rows(session, segments, new.assign(workflow_id=workflow_id, level=level, depth=depth))
        known.update(zip(missing, ids.tolist(), strict=True))
    return {path: known[path] for path in wanted}


def ensure_series(session: Session, workflow_id: int, wanted: pd.DataFrame, levels: tuple[str, ...]) -> pd.DataFrame:
    """Make the series that are missing, and bring what is known of the others up to date.

    Args:
        wanted: one row a series, as ``check_series`` settled it: ``series, series_id`` (NaN: new)``, path,
            value_per_unit, currency``; NA leaves what stands.

    Returns:
        ``series, series_id, segment_id`` of all of them, and ``is_revalued``: whether the value of a unit changed.
    """
    ids = ensure_segments(session, workflow_id, levels, wanted["path"].unique())
    wanted = wanted.assign(segment_id=wanted["path"].map(ids).astype("float64"))
    is_new = wanted["series_id"].isna()
    made = wanted[is_new].assign(series_id=bulk.reserve_ids(session, series, int(is_new.sum())))
    bulk.insert_rows(
        session,
        series,
        pd.DataFrame(
            {
                "id": made["series_id"],
                "workflow_id": workflow_id,
                "key": made["series"],
                "segment_id": made["segment_id"],
                "value_per_unit": made["value_per_unit"].fillna(1.0),
                "currency": made["currency"],
            }
        ),
    )
    revalued = _bring_up_to_date(session, workflow_id, wanted[~is_new])
    found = pd.concat([wanted[~is_new], made])[["series", "series_id", "segment_id"]]
    return found.astype({"series_id": "int64"}).assign(is_revalued=found["series_id"].isin(revalued))


def ensure_cycles(session: Session, workflow_id: int, periods: pd.DataFrame) -> None:
    """Open a cycle for each period (``period``, ``period_start``) that has none yet."""
    known = session.execute(select(cycles.c.period).where(cycles.c.workflow_id == workflow_id)).scalars()
    wanted = periods.drop_duplicates("period")
    new = wanted[~wanted["period"].isin(set(known))].sort_values("period_start")
    bulk.insert_rows(session, cycles, new[["period", "period_start"]].assign(workflow_id=workflow_id))


def ensure_sources(session: Session, workflow_id: int) -> dict[SourceKind, int]:
    """The ids of the workflow's AI, manual and naive sources, which go by their kind's name."""
    for kind, title in _TITLES.items():
        known = select(sources.c.id).where(sources.c.workflow_id == workflow_id, sources.c.key == kind)
        if session.execute(known).one_or_none() is None:
            session.execute(insert(sources).values(workflow_id=workflow_id, key=kind, kind=kind, title=title))
    rows = session.execute(
        select(sources.c.key, sources.c.id).where(sources.c.workflow_id == workflow_id, sources.c.key.in_(_TITLES))
    )
    return {SourceKind(key): source_id for key, source_id in rows}


def ensure_systems(session: Session, workflow_id: int, names: Iterable[str]) -> dict[str, int]:
    """The ids of other systems that speak here, made where they were not heard before."""
    query = select(sources.c.key, sources.c.id).where(
        sources.c.workflow_id == workflow_id, sources.c.kind == SourceKind.OTHER
    )
    missing = sorted(set(names) - set(session.execute(query).scalars()))
    new = pd.DataFrame({"key": missing, "title": missing}, dtype="str")
    bulk.insert_rows(session, sources, new.assign(workflow_id=workflow_id, kind=SourceKind.OTHER.value))
    return dict(session.execute(query).all())


def ensure_model_versions(session: Session, workflow_id: int, names: Iterable[str], *, now: datetime) -> dict[str, int]:
    """The ids of the model versions, made where they were not seen before."""
    query = select(model_versions.c.name, model_versions.c.id).where(model_versions.c.workflow_id == workflow_id)
    known = set(session.execute(query).scalars())
    missing = sorted(set(names) - known)
    seen = pd.DataFrame({"name": missing}, dtype="str").assign(workflow_id=workflow_id, first_seen_at=pd.Timestamp(now))
    bulk.insert_rows(session, model_versions, seen)
    return dict(session.execute(query).all())


def given_periods(session: Session, rows: pd.DataFrame) -> CTE:
    """``series_id, period, period_start`` of those ``rows`` whose series exists, as a table to join with."""
    known = rows[rows["series_id"].notna()]
    return bulk.given(
        session,
        "wanted",
        {
            "series_id": (BigInteger(), known["series_id"].astype("int64").tolist()),
            "period": (Text(), known["period"].tolist()),
            "period_start": (Date(), known["period_start"].tolist()),  # ISO text is how both databases take a date
        },
    )


def open_items(session: Session, series_ids: Any, *, unheld_at: datetime | None) -> list[int]:
    """The open items of these series; ``unheld_at`` leaves out those in somebody's hands at that time."""
    query = select(items.c.id).where(bulk.among(session, items.c.series_id, series_ids), items.c.state.in_(OPEN_STATES))
    if unheld_at is not None:
        query = query.where(~and_(items.c.state == State.CLAIMED, items.c.expires_at > unheld_at))
    return list(session.execute(query).scalars())


def _bring_up_to_date(session: Session, workflow_id: int, wanted: pd.DataFrame) -> pd.Series:
    """Write what changed of existing series; the ids of those whose value of a unit did."""
    stood = known_series(session, workflow_id, wanted["series"]).set_index("series").reindex(wanted["series"])
    new = pd.DataFrame({"id": wanted["series_id"].to_numpy()}, index=wanted["series"])
    for name in ("segment_id", "value_per_unit", "currency"):
        given = wanted.set_index("series")[name]
        new[name] = given.where(given.notna(), stood[name])
    compared = new.drop(columns="id")
    stood = stood[compared.columns]
    changed = ((compared != stood) & ~(compared.isna() & stood.isna())).any(axis=1)
    bulk.update_rows(session, series, new[changed].reset_index(drop=True))
    restated = select(series.c.id).where(bulk.among(session, series.c.id, new.loc[changed, "id"].to_numpy("int64")))
    note_changed(session, workflow_id, restated, column="series_id")
    return new.loc[new["value_per_unit"] != stood["value_per_unit"], "id"]


def _and_above(path: str) -> list[str]:
    names = path.split(SEPARATOR)[:-1]
    return [SEPARATOR.join(names[: depth + 1]) + SEPARATOR for depth in range(len(names))]
