"""Closed reviews, kept as rows are read, so that nobody reads them again out of the tables they come from.

They are kept by the week in which they ended and by stratum of their series, a part each. Strata are drawn by chance:
three of four series are in stratum 0, three of four of the others in stratum 1, and so on, so that the strata from one
on are a random sample of the series, each with all of its reviews. Everything here is derived: ``storage.keeping``
makes it from the decisions, and ``tests`` see that it is the same when made anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from review_queue.items import OPEN_STATES
from storage.reports import NUMBERS, TEXTS, TIMES, TRUTHS
from storage.tables import kept_reviews

STRATA, ONE_IN = 6, 4
#: Of more closed reviews than this a sample is read.
MOST = 100_000
LAYOUT = 2  #: of ``SCHEMA``: to be raised with each change of it
SCHEMA = pa.schema(
    [
        *((name, pa.int64()) for name in ("item", "past", "series_id", "reviewer_id", "lane")),
        *((name, pa.timestamp("us", tz="UTC")) for name in TIMES),
        *((name, pa.float64()) for name in NUMBERS),
        *((name, pa.bool_()) for name in (*TRUTHS, "knew_more")),
        *((name, pa.string()) for name in (*TEXTS, "path", "attributes")),
    ]
)


@dataclass(frozen=True)
class Kept:
    """Closed reviews that are kept."""

    rows: pd.DataFrame  #: as ``storage.reports.rows``
    lowest: int  #: the stratum from which on series were drawn; 0: all are there
    of: int  #: reviews that there are

    @property
    def one_in(self) -> int:
        """One of so many series was drawn."""
        return int(ONE_IN**self.lowest)


def strata_of(series_ids: pd.Series) -> NDArray[np.int64]:
    """The stratum of each series, drawn by its id alone."""
    drawn = _mixed(series_ids.to_numpy("uint64"))
    strata = np.zeros(len(drawn), dtype=np.int64)
    is_drawn = np.ones(len(drawn), dtype=bool)
    for _ in range(STRATA - 1):
        is_drawn &= drawn % np.uint64(ONE_IN) == 0
        strata += is_drawn
        drawn = drawn // np.uint64(ONE_IN)
    return strata


def weeks_of(rows: pd.DataFrame, zone: ZoneInfo) -> pd.Series:
    """The Monday of the week in which each review ended; that it came in where nobody knows when it was withdrawn."""
    ended = rows["decided_at"].combine_first(rows["withdrawn_at"]).combine_first(rows["created_at"])
    days = ended.dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
    mondays: pd.Series = (days - pd.to_timedelta(days.dt.weekday, unit="D")).dt.date
    return mondays


def closed(rows: pd.DataFrame) -> pd.DataFrame:
    """The reviews that are over; only these are kept."""
    return rows[~rows["state"].isin(OPEN_STATES)]


def read(session: Session, workflow_id: int, *, since: date | None = None, is_whole: bool = False) -> Kept:
    """The closed reviews of a workflow, or a sample of its series where there are more than ``MOST``.

    Args:
        since: leave out those that ended in a week before that of this day; None is all.
        is_whole: all of them, however many there are.
    """
    here = kept_reviews.c.workflow_id == workflow_id
    if since is not None:
        here &= kept_reviews.c.week >= since - pd.Timedelta(days=since.weekday())
    counts = dict(
        session.execute(
            select(kept_reviews.c.stratum, func.sum(kept_reviews.c.rows)).where(here).group_by(kept_reviews.c.stratum)
        ).all()
    )
    lowest = 0 if is_whole else _lowest_stratum(counts)
    parts = session.execute(select(kept_reviews.c.content).where(here, kept_reviews.c.stratum >= lowest)).scalars()
    return Kept(rows_of(map(decoded, parts)), lowest, sum(map(int, counts.values())))


def count(session: Session, workflow_id: int) -> int:
    """How many closed reviews are kept of a workflow."""
    every = select(func.coalesce(func.sum(kept_reviews.c.rows), 0)).where(kept_reviews.c.workflow_id == workflow_id)
    return int(session.execute(every).scalar_one())


def newest_weeks(session: Session, workflow_id: int) -> date | None:
    """The first of the newest weeks that hold ``MOST`` closed reviews or just more; None where there are fewer."""
    part = kept_reviews.c
    weeks = select(part.week, func.sum(part.rows)).where(part.workflow_id == workflow_id).group_by(part.week)
    counted = 0
    for week, rows_there in session.execute(weeks.order_by(part.week.desc())):
        counted += int(rows_there)
        if counted >= MOST:
            first: date = week
            return first
    return None


def part_of(rows: pd.DataFrame) -> pa.Table:
    """Rows as they are kept."""
    return pa.Table.from_pandas(rows[SCHEMA.names], schema=SCHEMA, preserve_index=False)


def encoded(part: pa.Table) -> bytes:
    """A part as a packed Arrow stream, in an order of its own: the same rows give the same bytes."""
    ordered = part.sort_by([("item", "ascending"), ("past", "ascending")])
    sink = pa.BufferOutputStream()
    # Packed as a whole: packing each column by itself takes several times as long to unpack where parts are small.
    with pa.CompressedOutputStream(sink, "zstd") as packed, pa.ipc.new_stream(packed, SCHEMA) as stream:
        stream.write_table(ordered.combine_chunks())
    return bytes(sink.getvalue().to_pybytes())


def decoded(content: bytes) -> pa.Table:
    """A part out of its stream."""
    with pa.CompressedInputStream(pa.BufferReader(content), "zstd") as unpacked:
        return pa.ipc.open_stream(pa.py_buffer(unpacked.read())).read_all()


def rows_of(parts: Iterable[pa.Table]) -> pd.DataFrame:
    """The rows of some parts."""
    together = pa.concat_tables([SCHEMA.empty_table(), *parts])
    rows: pd.DataFrame = together.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return rows


def _lowest_stratum(counts: dict[int, int]) -> int:
    """From which stratum on there are no more than ``MOST``; one lower where that would leave next to nothing."""
    sizes = [sum(int(rows) for stratum, rows in counts.items() if stratum >= lowest) for lowest in range(STRATA)]
    fits = next((lowest for lowest, size in enumerate(sizes) if size <= MOST), STRATA - 1)
    is_next_to_nothing = fits > 0 and sizes[fits] * ONE_IN**3 < MOST
    return fits - 1 if is_next_to_nothing else fits


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Numbers spread evenly whatever they are: the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    with np.errstate(over="ignore"):
        mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))
