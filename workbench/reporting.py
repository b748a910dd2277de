"""The reports of ``workbench report``: a name in, rows of plain values out, as of any date."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import pandas as pd

from review_queue.measures.adoption import adoption
from review_queue.measures.ageing import ageing
from review_queue.measures.ai_health import ai_health
from review_queue.measures.impact import Setting, impact, went_live_at
from review_queue.measures.latency import Clock, latency
from review_queue.measures.overrides import overrides
from review_queue.measures.oversight import oversight
from review_queue.measures.value_added import value_added
from storage.engine import Database
from workbench.analytics import group_by, rows_of
from workbench.known_reviews import Reviews, read


class ReportName(StrEnum):
    """The reports that there are."""

    LATENCY = "latency"
    AGEING = "ageing"
    OVERRIDES = "overrides"
    VALUE_ADDED = "value-added"
    OVERSIGHT = "oversight"
    AI_HEALTH = "ai-health"
    ADOPTION = "adoption"
    IMPACT = "impact"


#: Reports that have a row for each week, and no groups.
BY_WEEK = (ReportName.ADOPTION,)


class ReportHasNoGroups(ValueError):
    """A report that has a row for each week was asked for by groups."""

    def __init__(self, name: ReportName) -> None:
        super().__init__(f"The report {name.value!r} has one row a week and is not grouped. Leave --by out.")


@dataclass(frozen=True)
class Report:
    """What ``workbench report`` prints."""

    name: ReportName
    workflow: str
    as_of: datetime
    rows: list[dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        return {"report": self.name.value, "workflow": self.workflow, "as_of": self.as_of, "rows": self.rows}


def report(
    database: Database,
    name: ReportName,
    *,
    person_id: int,
    workflow_key: str,
    as_of: datetime | None = None,
    by: str | None = None,
    clock: Clock = Clock.CYCLE,
) -> Report:
    """One of the reports of DESIGN section 7.

    Raises:
        ColumnUnknown: ``by`` names nothing that these reviews can be grouped by.
        ReportHasNoGroups: ``by`` was given for a report by week.
    """
    if by is not None and name in BY_WEEK:
        raise ReportHasNoGroups(name)
    known = read(database, person_id=person_id, workflow_key=workflow_key, as_of=as_of, is_whole=True)
    groups = None if by is None else group_by(known, by, week_of=_WEEK_OF.get(name, "created_at"))
    return Report(name, workflow_key, known.as_of, rows_of(_MEASURES[name](known, groups, clock)))


def setting_of(known: Reviews) -> Setting:
    """What impact is worked out with: go-live is when the first live review came in."""
    policy = known.workflow.policy
    return Setting(
        as_of=known.as_of,
        tolerance=known.tolerance,
        go_live=went_live_at(known.table) or known.as_of,
        currency=policy.currency or policy.unit,
    )


_WEEK_OF = {
    ReportName.OVERRIDES: "decided_at",
    ReportName.VALUE_ADDED: "decided_at",
    ReportName.OVERSIGHT: "decided_at",
}

_Measure = Callable[[Reviews, "pd.Series | None", Clock], pd.DataFrame]

_MEASURES: dict[ReportName, _Measure] = {
    ReportName.LATENCY: lambda known, groups, clock: latency(
        known.table, as_of=known.as_of, clock=clock, groups=groups
    ),
    ReportName.AGEING: lambda known, groups, _: ageing(known.table, as_of=known.as_of, groups=groups),
    ReportName.OVERRIDES: lambda known, groups, _: overrides(known.table, tolerance=known.tolerance, groups=groups),
    ReportName.VALUE_ADDED: lambda known, groups, _: value_added(known.table, groups=groups),
    ReportName.OVERSIGHT: lambda known, groups, _: oversight(known.table, tolerance=known.tolerance, groups=groups),
    ReportName.AI_HEALTH: lambda known, groups, _: ai_health(known.table, groups=groups),
    ReportName.ADOPTION: lambda known, _, __: adoption(
        known.table, tolerance=known.tolerance, timezone=known.workflow.policy.timezone
    ),
    ReportName.IMPACT: lambda known, groups, _: impact(known.table, setting_of(known), groups=groups),
}
