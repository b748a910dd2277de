"""What other systems say of a series, as of a time: matched with what is stored, written by the set, and read back.

Statements are added, never edited. The one with the newest ``as_of`` stands; of two with the same, the later row.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import ColumnElement, Select, Text, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from review_queue.items import SourceKind
from review_queue.periods import parse_period
from storage import bulk, catalogue, crosswalk
from storage.bulk import Progress
from storage.fates import Fate, hashes
from storage.tables import actuals, forecasts, items, sources, statements
from storage.track_record import standing_forecast, stands
from storage.workflows import Workflow

#: What tells one statement from another.
KEY = ("series", "attribute", "period", "source", "as_of")
#: Of one source about one series and period, with what came true.
PAST = ("series", "source", "period", "value", "as_of", "actual", "ended_at")
SAID = ("series", "source", "source_id", "value", "as_of", "record_id")


def match(session: Session, workflow: Workflow, rows: pd.DataFrame) -> pd.DataFrame:
    """Tell of each row what it does here."""
    # The id is a float in a frame where some are missing, and must make the same text where none is.
    about = rows.assign(series_id=rows["series_id"].astype("float64"))
    rows = rows.assign(identity_hash=hashes(about, ["series_id", *KEY[1:]]))
    wanted = bulk.given(session, "wanted", {"identity": (Text(), rows["identity_hash"].tolist())})
    newer = statements.alias("newer")
    is_newest = ~exists().where(newer.c.identity_hash == statements.c.identity_hash, newer.c.id > statements.c.id)
    found = session.execute(
        select(wanted.c.identity, statements.c.value)
        .select_from(wanted)
        .outerjoin(statements, and_(statements.c.identity_hash == wanted.c.identity, is_newest))
    ).all()
    stored = pd.DataFrame(found, columns=["identity_hash", "stored"]).astype({"stored": "float64"})
    stored = stored.drop_duplicates("identity_hash")
    rows = rows.merge(stored, how="left", on="identity_hash").set_axis(rows.index)
    is_same = (rows["stored"] == rows["value"]) & ~rows["is_new_id"]
    rows["fate"] = np.where(is_same, Fate.UNCHANGED, np.where(rows["stored"].isna(), Fate.ACCEPTED, Fate.UPDATED))
    return rows


def write(
    session: Session, workflow: Workflow, rows: pd.DataFrame, *, import_id: int, now: datetime, progress: Progress
) -> None:
    """Add the statements, and what they teach the crosswalk."""
    ids = catalogue.ensure_systems(session, workflow.id, rows["source"].unique())
    new = pd.DataFrame(
        {
            "series_id": rows["series_id"],
            "source_id": rows["source"].map(ids),
            **{name: rows[name] for name in ("attribute", "period", "period_start", "value", "as_of", "record_id")},
            "is_ahead": _is_ahead(rows, workflow),
            "identity_hash": rows["identity_hash"],
            "received_at": pd.Timestamp(now),
            "import_id": import_id,
        }
    )
    bulk.insert_in_chunks(session, [(statements, new[rows["stored"] != rows["value"]])], progress)
    crosswalk.learn(session, rows, ids, import_id=import_id, now=now)


def other_attributes(session: Session, series_id: int, attribute: str, period_start: date) -> pd.DataFrame:
    """What stands of a series about everything else, in this period or in none: ``attribute`` and ``SAID``."""
    when = or_(statements.c.period_start == period_start, statements.c.period_start.is_(None))
    rows = session.execute(
        select(statements.c.attribute, *_columns())
        .join(sources, sources.c.id == statements.c.source_id)
        .where(statements.c.series_id == series_id, statements.c.attribute != attribute, when, _stands())
        .order_by(statements.c.attribute, sources.c.key)
    ).all()
    return _typed(pd.DataFrame(rows, columns=["attribute", *SAID]))


def of_items(session: Session, attribute: str, item_ids: Sequence[int]) -> pd.DataFrame:
    """What stands of one attribute about these items: ``item`` and ``SAID``, one row an item and source."""
    of_item = and_(items.c.series_id == statements.c.series_id, items.c.period_start == statements.c.period_start)
    rows = session.execute(
        select(items.c.id, *_columns())
        .select_from(items)
        .join(statements, of_item)
        .join(sources, sources.c.id == statements.c.source_id)
        .where(bulk.among(session, items.c.id, item_ids), statements.c.attribute == attribute, _stands())
        .order_by(items.c.id, sources.c.key)
    ).all()
    return _typed(pd.DataFrame(rows, columns=["item", *SAID]))


def is_said(session: Session, workflow_id: int) -> bool:
    """Whether any other system has said anything in this workflow."""
    known = select(sources.c.id).where(sources.c.workflow_id == workflow_id, sources.c.kind == SourceKind.OTHER)
    return session.execute(known.limit(1)).first() is not None


def heard(session: Session, workflow_id: int) -> pd.DataFrame:
    """Every other system that has spoken here, by name: ``source``, ``n`` statements, ``newest`` of their ``as_of``."""
    rows = session.execute(
        select(sources.c.key, func.count(), func.max(statements.c.as_of))
        .join(statements, statements.c.source_id == sources.c.id)
        .where(sources.c.workflow_id == workflow_id, sources.c.kind == SourceKind.OTHER)
        .group_by(sources.c.key)
        .order_by(sources.c.key)
    ).all()
    found = pd.DataFrame(rows, columns=["source", "n", "newest"])
    return found.assign(newest=pd.to_datetime(found["newest"], utc=True))


def speakers(session: Session, series_id: int, period_start: date) -> int:
    """How many other systems have said anything of a series, in this period or in none."""
    when = or_(statements.c.period_start == period_start, statements.c.period_start.is_(None))
    of_them = select(func.count(statements.c.source_id.distinct()))
    found: int = session.execute(of_them.where(statements.c.series_id == series_id, when)).scalar_one()
    return found


def past(session: Session, workflow_id: int, attribute: str) -> pd.DataFrame:
    """What every source said of periods whose actual is known, as it stood before the period began: ``PAST``.

    Of the AI and of people, the forecast that stands; of series that another system has spoken of. Lower bounds are no
    actuals to be measured by.
    """
    spoken_of = select(statements.c.series_id).join(sources, sources.c.id == statements.c.source_id)
    wanted = spoken_of.where(sources.c.workflow_id == workflow_id)
    said = _past_statements(attribute).where(statements.c.series_id.in_(wanted))
    pieces = [
        pd.DataFrame(session.execute(query).all(), columns=list(PAST[:-1]))
        for query in (said, _past_forecasts().where(items.c.series_id.in_(wanted)))
    ]
    found = pd.concat([piece for piece in pieces if len(piece)] or pieces[:1], ignore_index=True)
    ends = {text: datetime.combine(parse_period(text).end, time(), UTC) for text in found["period"].unique()}
    found["ended_at"] = pd.to_datetime(found["period"].map(ends), utc=True).astype("datetime64[us, UTC]")
    return _typed(found.astype({"actual": "float64"}))


def records(session: Session, attribute: str, item_ids: Sequence[int]) -> pd.DataFrame:
    """How far each source was off in earlier periods of these items' series, as ``past`` counts it.

    Returns:
        ``group`` (the item), ``source``, ``count`` of errors and the sum of their ``squares`` (unit squared).
    """
    of = items.alias("of")
    rows: list[Any] = []
    for query, series_id, begins, source, value in (
        (
            _past_statements(attribute),
            statements.c.series_id,
            statements.c.period_start,
            sources.c.key,
            statements.c.value,
        ),
        (_past_forecasts(), items.c.series_id, items.c.period_start, sources.c.kind, forecasts.c.value),
    ):
        error = actuals.c.value - value
        earlier = query.join(of, and_(of.c.series_id == series_id, of.c.period_start > begins))
        summed = earlier.with_only_columns(of.c.id, source, func.count(), func.sum(error * error))
        rows += session.execute(summed.where(bulk.among(session, of.c.id, item_ids)).group_by(of.c.id, source)).all()
    found = pd.DataFrame(rows, columns=["group", "source", "count", "squares"])
    return found.astype({"group": "int64", "source": "str", "count": "float64", "squares": "float64"})


def _is_ahead(rows: pd.DataFrame, workflow: Workflow) -> pd.Series:
    """Whether it was said before the period began, by the workflow's own midnight."""
    midnights = pd.to_datetime(rows["period_start"])
    begins = midnights.dt.tz_localize(workflow.policy.zone, ambiguous=True, nonexistent="shift_forward")
    return (rows["as_of"] < begins.dt.tz_convert("UTC")).fillna(False).astype("bool")


def _columns() -> tuple[ColumnElement[Any], ...]:
    said = (statements.c.value, statements.c.as_of, statements.c.record_id)
    return (statements.c.series_id, sources.c.key, sources.c.id, *said)


def _stands() -> ColumnElement[bool]:
    """The condition on ``statements`` that its source has said nothing newer of the same."""
    return ~_newer_exists(only_ahead=False)


def _newer_exists(*, only_ahead: bool) -> ColumnElement[bool]:
    newer = statements.alias("newer")
    is_newer = or_(
        newer.c.as_of > statements.c.as_of, and_(newer.c.as_of == statements.c.as_of, newer.c.id > statements.c.id)
    )
    return exists().where(
        newer.c.series_id == statements.c.series_id,
        newer.c.attribute == statements.c.attribute,
        newer.c.period_start.is_not_distinct_from(statements.c.period_start),
        newer.c.source_id == statements.c.source_id,
        is_newer,
        *([newer.c.is_ahead] if only_ahead else []),
    )


def _past_statements(attribute: str) -> Select[Any]:
    realised = and_(actuals.c.series_id == statements.c.series_id, actuals.c.period_start == statements.c.period_start)
    return (
        select(
            statements.c.series_id,
            sources.c.key,
            statements.c.period,
            statements.c.value,
            statements.c.as_of,
            actuals.c.value,
        )
        .join(sources, sources.c.id == statements.c.source_id)
        .join(actuals, realised)
        .where(
            statements.c.attribute == attribute,
            statements.c.is_ahead,
            ~_newer_exists(only_ahead=True),
            ~actuals.c.is_lower_bound,
            stands(),
        )
    )


def _past_forecasts() -> Select[Any]:
    realised = and_(actuals.c.series_id == items.c.series_id, actuals.c.period_start == items.c.period_start)
    return (
        select(
            items.c.series_id,
            sources.c.kind,
            items.c.period,
            forecasts.c.value,
            func.coalesce(forecasts.c.made_at, forecasts.c.received_at),
            actuals.c.value,
        )
        .select_from(items)
        .join(actuals, realised)
        .join(forecasts, forecasts.c.item_id == items.c.id)
        .join(sources, sources.c.id == forecasts.c.source_id)
        .where(
            ~actuals.c.is_lower_bound,
            stands(),
            or_(standing_forecast(SourceKind.AI), standing_forecast(SourceKind.MANUAL)),
        )
    )


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    rows["as_of"] = pd.to_datetime(rows["as_of"], utc=True).astype("datetime64[us, UTC]")
    return rows.astype({"value": "float64", "source": "str"})
