"""Every review as one table, as it was known at some instant: what the measures are worked out from.

Live items and the reviews imported from before go-live stand side by side in it, one row each.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

import pandas as pd
from sqlalchemy import select
from sqlalchemy.orm import Session

from review_queue.roles import Principal
from storage import used_plans
from storage.growth import Some
from storage.known_actuals import with_actuals, with_naive
from storage.live_rows import HOW_DECIDED, live_rows
from storage.past_rows import past_rows
from storage.tables import people
from storage.workflows import Workflow

SEGMENT, ATTRIBUTE = "segment_", "attribute_"  #: what the columns of levels and of imported attributes begin with
TIMES = (
    *("created_at", "started_at", "decided_at", "withdrawn_at", "due_at", "actual_final_at"),
    *("opened_at", "first_evidence_at", "used_at", "locked_at"),
)
NUMBERS = (
    *("ai", "manual", "naive", "final", "actual", "ai_low", "ai_high", "ai_level", "u", "value_per_unit"),
    *("scale", "initial_value", "hours_to_deadline", "queue_length", "horizon"),
    *("used_value", "plan_value"),
)
TRUTHS = ("flagged", "is_lower_bound", "audit_sample", "is_degraded")
TEXTS = (
    *("series", "period", "state", "reviewer", "outcome"),
    *("model_version", "reason", "note", "band", "mode"),
)
COLUMNS = (
    "item",
    "series",
    "period",
    *TIMES[:5],
    "state",
    "reviewer",
    "reviewer_id",
    "outcome",
    *NUMBERS[:5],
    "actual_final_at",
    *NUMBERS[5:8],
    "model_version",
    "reason",
    "note",
    "u",
    "band",
    "lane",
    "flagged",
    "value_per_unit",
    "is_lower_bound",
    "simulated",
    "audit_sample",
    "horizon",
    *HOW_DECIDED,
    *used_plans.COLUMNS,
)
#: What rows have besides: who they are, where they belong, and what came with past ones as JSON objects.
PLACES = ("past", "series_id", "path", "attributes")
IDS = ("item", "past", "series_id", "reviewer_id", "lane")


def reviews(
    session: Session,
    workflow: Workflow,
    as_of: datetime,
    *,
    within: Principal | None = None,
) -> pd.DataFrame:
    """One row per review that existed at ``as_of`` (UTC): live items, and past reviews kept elsewhere.

    Values are those that were known then. A live decided item shows what was frozen in its decision: the newest
    one of the newest round, if that is final, was not undone and waits for nobody else. An undecided one shows the
    forecasts that stood.
    ``naive`` is the given naive forecast, else the last actual of the same season whose period had ended before the
    review was created. An actual counts from its ``final_at``, else from when it was received; one that follows another
    of the same series and period, from when it was received at the earliest; one that came with a past review, from
    the end of its period. ``started_at`` is the first claim.
    ``lane``, ``u``, ``band`` and ``flagged`` of undecided items are today's, and so is a withdrawal without a date.

    Args:
        within: keep to what this person may see in analytics; None is everything.

    Returns:
        The columns of ``COLUMNS``, then ``segment_<level>`` for each level of the policy and ``attribute_<name>`` for
        each attribute of past reviews, as text. Values are in the workflow's unit, times UTC, unknown is NaN or NaT;
        ``reviewer`` is who decided, else who holds it now, and ``reviewer_id`` their account; ``item`` is <NA> for past
        reviews. ``note`` is the text of the reason, else of the decision; ``knew_more`` is True, False or None. At the
        end of ``COLUMNS`` are those of ``used_plans``.
    """
    return presented(session, workflow, rows(session, workflow, as_of, within=within))


def rows(
    session: Session,
    workflow: Workflow,
    as_of: datetime,
    *,
    within: Principal | None = None,
    only: Some | None = None,
) -> pd.DataFrame:
    """The reviews before they are ``presented``: ``COLUMNS`` without ``simulated``, and ``PLACES``.

    A live reviewer is a ``reviewer_id`` alone. Arguments: as for ``reviews``; ``only`` None is everything.
    """
    table = pd.concat(
        [live_rows(session, workflow, as_of, within, only), past_rows(session, workflow, as_of, within, only)],
        ignore_index=True,
    )
    table = with_actuals(session, workflow, table, as_of)
    table = with_naive(session, workflow, table, as_of)
    table = used_plans.with_plans(session, workflow, table, as_of)
    return typed(table[[*(name for name in COLUMNS if name != "simulated"), *PLACES]])


def presented(session: Session, workflow: Workflow, table: pd.DataFrame) -> pd.DataFrame:
    """Rows as ``reviews`` gives them: with the names that people and levels have today."""
    names = dict(session.execute(select(people.c.id, people.c.name)).all())
    named = table["reviewer_id"].map(names).astype("str")
    table = table.assign(reviewer=named.where(named.notna(), table["reviewer"]), simulated=workflow.is_simulated)
    levels = _levels(table["path"], workflow.policy.segments)
    shown = pd.concat([table[list(COLUMNS)], levels, _attributes(table["attributes"])], axis=1)
    return shown.reset_index(drop=True)


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """Rows with the same types whatever came in, even nothing."""
    for column in TIMES:
        table[column] = pd.to_datetime(table[column], utc=True).dt.as_unit("us")
    for column in NUMBERS:
        table[column] = pd.to_numeric(table[column]).astype(float)
    for column in TRUTHS:
        table[column] = table[column].eq(True)
    for column in (*TEXTS, "path", "attributes"):
        table[column] = table[column].astype("str")
    table["knew_more"] = table["knew_more"].astype("object").where(table["knew_more"].notna(), None)
    for column in IDS:
        table[column] = table[column].astype("Int64")
    return table


def _levels(paths: pd.Series, levels: Sequence[str]) -> pd.DataFrame:
    """Each path as the names of its levels; a level below an item's own segment is unknown."""
    names = {path: path.split("\x1f")[:-1] for path in paths.dropna().unique()}
    found = {}
    for depth, level in enumerate(levels):
        known = {path: parts[depth] for path, parts in names.items() if depth < len(parts)}
        found[SEGMENT + level] = paths.map(known).astype("str")
    return pd.DataFrame(found, index=paths.index)


def _attributes(written: pd.Series) -> pd.DataFrame:
    """A column for each attribute that came with past reviews."""
    known = written.dropna()
    found = pd.DataFrame([json.loads(each) for each in known], index=known.index).add_prefix(ATTRIBUTE)
    return found.reindex(written.index).astype("str")
