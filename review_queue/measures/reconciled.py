"""Statements with their record, weighed by a workflow's policy: the value, and a confidence that outcomes corrected."""

from __future__ import annotations

import numpy as np
import pandas as pd

from review_queue.confidence import STALE_CONFIDENCE, weigh
from review_queue.measures.calibration import Curve, corrected
from review_queue.measures.source_records import errors_of, records_as_of, with_usual_miss
from review_queue.workflows import Policy


def reconcile(
    said: pd.DataFrame, records: pd.DataFrame, policy: Policy, *, curve: Curve = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What each group of statements comes to.

    Args:
        said: as ``source_records.with_usual_miss`` takes them.
        records: the same.
        policy: for ``sources``.
        curve: the correction of confidence; none while too few actuals are known.

    Returns:
        The statements with all that ``with_usual_miss`` and ``confidence.weigh`` say of them, and the groups as
        ``weigh`` gives them, with ``confidence`` corrected and ``worked_out`` as it was before.
    """
    rules = policy.sources
    prepared = with_usual_miss(said, records, policy)
    statements, groups = weigh(prepared, overlaps=rules.copied, largest_share=rules.largest_share)
    told = corrected(groups["confidence"], curve)
    capped = told.where(groups["is_fresh"], np.fmin(told, STALE_CONFIDENCE))
    return prepared.join(statements), groups.assign(worked_out=groups["confidence"], confidence=capped)


def replayed(past: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """What the sources of past periods came to when the last of them spoke, and whether it came true.

    Nothing counts that was not known then: errors of periods that were not over, and no later statement.

    Args:
        past: one row a source of a series and period, as ``source_records.errors_of`` takes them, with ``as_of`` (UTC)
            and ``materiality``.

    Returns:
        One row a series and period: ``series``, ``period``, the columns of the groups of ``reconcile``, ``actual`` and
        ``came_true`` (it lay within the tolerance).
    """
    said = past.assign(group=past.groupby(["series", "period"]).ngroup())
    said = said.assign(at=said.groupby("group")["as_of"].transform("max"))
    _, groups = reconcile(said, records_as_of(errors_of(past), said), policy)
    about = said.drop_duplicates("group").set_index("group")[["series", "period", "actual"]]
    found = groups.join(about)
    return found.assign(came_true=(found["actual"] - found["value"]).abs() <= found["tolerance"])
