"""What the rows of a file would do to what is stored, and then doing exactly that, all by the set.

Matching only reads, so a dry run gives the numbers of the import.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pandas as pd
from sqlalchemy.orm import Session

from review_queue.columns import Kind
from review_queue.periods import DAYS, in_step, parse_period
from review_queue.rows import check_repeats, check_series
from storage import actuals, bulk, catalogue, crosswalk, forecasts, past_reviews, statements, used_plans
from storage.bulk import Progress
from storage.fates import Fate, Written
from storage.workflows import Workflow

_KEYS = {
    Kind.FORECASTS: ("series", "period"),
    Kind.HISTORY: ("series", "period"),
    Kind.ACTUALS: ("series", "period"),
    Kind.REVIEWS: past_reviews.KEY,
    Kind.USED: ("series", "period"),
    Kind.SOURCES: statements.KEY,
}
_MATCHERS = {
    Kind.FORECASTS: forecasts.match,
    Kind.HISTORY: actuals.match,
    Kind.ACTUALS: actuals.match,
    Kind.REVIEWS: past_reviews.match,
    Kind.SOURCES: statements.match,
    Kind.USED: used_plans.match,
}


@dataclass(frozen=True)
class Matched:
    """A file's trusted rows beside what is stored."""

    #: As ``check_series`` leaves them, with ``fate``, the id of what they meet (NaN: nothing yet) and, for forecasts,
    #: ``adds_ai``, ``adds_manual``, ``adds_naive``: whether that forecast is new.
    rows: pd.DataFrame
    aside: pd.DataFrame  #: as ``Findings.rows``
    repeats: int  #: rows that say what an earlier one said


def match(session: Session, workflow: Workflow, kind: Kind, good: pd.DataFrame) -> Matched:
    """Tell of each row that ``check_rows`` trusts what it does here. Reads only."""
    good, aside = _in_step(session, workflow, good), []
    if kind is Kind.SOURCES:
        named = crosswalk.resolve(session, workflow.id, good)
        good, aside = named.good, [named.aside]
    known = catalogue.known_series(session, workflow.id, good["series"].unique())
    of_series = check_series(good, known, kind, workflow.policy)
    kept, repeats = check_repeats(of_series.good, _KEYS[kind])
    rows = kept.good
    pieces = [_MATCHERS[kind](session, workflow, piece) for piece in bulk.chunks(rows)] or [rows.assign(fate="")]
    return Matched(pd.concat(pieces), pd.concat([*aside, of_series.aside, kept.aside]), repeats)


def _in_step(session: Session, workflow: Workflow, good: pd.DataFrame) -> pd.DataFrame:
    """Write every period as the workflow does, or as the file does where the workflow has none yet."""
    given = {text: parse_period(text) for text in good["period"].dropna().unique()}
    season = catalogue.season(session, workflow.id)
    if season is None:
        season = next((period.season for period in given.values() if period.season != DAYS), DAYS)
    same = {text: in_step(period, season).text for text, period in given.items()}
    return good.assign(period=good["period"].map(same).astype(good["period"].dtype))


def write(
    session: Session,
    workflow: Workflow,
    kind: Kind,
    rows: pd.DataFrame,
    *,
    import_id: int,
    now: datetime,
    progress: Progress,
) -> Written:
    """Do what ``match`` told of ``rows``. Those that change nothing leave no trace."""
    rows = rows[rows["fate"] != Fate.UNCHANGED]
    if rows.empty:
        return Written()
    rows = _with_series(session, workflow, rows)
    if kind is Kind.FORECASTS:
        return forecasts.write(session, workflow, rows, import_id=import_id, now=now, progress=progress)
    if kind is Kind.REVIEWS:
        past_reviews.write(session, workflow, rows, import_id=import_id, progress=progress)
    elif kind is Kind.USED:
        used_plans.write(session, rows, import_id=import_id, now=now, progress=progress)
    elif kind is Kind.SOURCES:
        statements.write(session, workflow, rows, import_id=import_id, now=now, progress=progress)
    else:
        actuals.write(session, workflow, rows, import_id=import_id, now=now, progress=progress)
    return Written()


def _with_series(session: Session, workflow: Workflow, rows: pd.DataFrame) -> pd.DataFrame:
    """``rows`` with their series, made where it was missing: ``series_id, segment_id`` (NaN: none)``, is_revalued``."""
    columns = ["series", "series_id", "path", "value_per_unit", "currency"]
    one_each = rows.reindex(columns=columns).groupby("series", sort=False, as_index=False).first()
    one_each["value_per_unit"] = one_each["value_per_unit"].astype("float64")
    ids = catalogue.ensure_series(session, workflow.id, one_each, workflow.policy.segments).set_index("series")
    return rows.assign(**{name: rows["series"].map(ids[name]) for name in ids.columns})
