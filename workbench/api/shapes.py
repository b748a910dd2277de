"""What goes out over HTTP: every field with its meaning, since the OpenAPI document is made of these.

Times are ISO 8601 with a zone, amounts are in the workflow's unit, and what is unknown is null.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from review_queue.columns import Kind
from review_queue.items import Act, Band, Forecast, Lane, Outcome, State
from review_queue.roles import Task
from storage.feed import Told
from storage.imports import SetAside
from storage.tokens import Bearer
from storage.workflows import Workflow
from workbench.actions.importing import ImportSummary
from workbench.actions.telling import ItemShown

T = TypeVar("T")


class Shape(BaseModel):
    """Something that goes out: every field is always there."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class AsideShape(Shape):
    """A row of this request that was set aside."""

    row: int = Field(description="Its place in `rows`; the first is 1.")
    column: str
    code: str
    sentence: str = Field(description="What is wrong, and what to do. It may quote the row.")


class ImportShape(Shape):
    """What became of the rows: accepted + unchanged + updated + set_aside = rows."""

    workflow: str
    kind: Kind
    rows: int
    accepted: int = Field(description="New here.")
    unchanged: int = Field(description="Known already.")
    updated: int = Field(description="Something new about what was known.")
    set_aside: int = Field(description="Kept, not trusted; to be corrected on the Data page or sent again.")
    reasons: dict[str, int] = Field(description="Code → rows that were set aside for it.")
    aside: list[AsideShape] = Field(description="The first 200 of them.")
    batch: int | None = Field(description="The import's number; null for a dry run.")
    timezone: str = Field(description="In which times without a zone were read.")
    after_decision: list[int] = Field(description="Decided items that a newer forecast came for; the decision stands.")
    came_back: int = Field(description="Overridden items that came back, since a number of theirs has moved.")

    @classmethod
    def of(cls, summary: ImportSummary) -> ImportShape:
        counts = summary.counts
        return cls(
            workflow=summary.workflow,
            kind=summary.kind,
            rows=counts.rows,
            accepted=counts.accepted,
            unchanged=counts.unchanged,
            updated=counts.updated,
            set_aside=counts.set_aside,
            reasons=counts.reasons,
            aside=[AsideShape(row=a.row, column=a.column, code=a.code, sentence=a.sentence) for a in summary.aside],
            batch=summary.batch,
            timezone=summary.timezone,
            after_decision=list(summary.after_decision),
            came_back=summary.stale,
        )


class WorkflowShape(Shape):
    """One kind of forecast under review."""

    key: str
    title: str
    unit: str
    timezone: str
    currency: str | None
    segments: list[str] = Field(description="Levels, outermost first; rows fill them from `segment_` and the level.")
    policy_version: int
    is_ready: bool = Field(description="Whether it is open for review.")
    is_simulated: bool

    @classmethod
    def of(cls, workflow: Workflow) -> WorkflowShape:
        return cls(
            key=workflow.key,
            title=workflow.title,
            unit=workflow.unit,
            timezone=workflow.policy.timezone,
            currency=workflow.policy.currency,
            segments=list(workflow.policy.segments),
            policy_version=workflow.policy_version,
            is_ready=not workflow.missing_for_review(),
            is_simulated=workflow.is_simulated,
        )


class TokenShape(Shape):
    """The token that was shown, and what it can do."""

    name: str
    holder: str = Field(description="Whose grant it stands for.")
    role: str
    reads: bool = Field(description="Items and decisions.")
    writes: bool = Field(description="Rows.")

    @classmethod
    def of(cls, bearer: Bearer) -> TokenShape:
        return cls(
            name=bearer.token_name,
            holder=bearer.who.name,
            role=bearer.who.grants[0].role.value,
            reads=bearer.who.may(Task.EXPORT),
            writes=bearer.may_write and bearer.who.may(Task.IMPORT),
        )


class ForecastShape(Shape):
    """One number from one source."""

    source: str
    value: float
    low: float | None
    high: float | None
    level: float | None = Field(description="Nominal coverage of the range, 0 to 1.")
    model_version: str | None
    author: str | None
    made_at: datetime | None
    received_at: datetime
    note: str | None = Field(description="As its author wrote it: show it as text.")
    rationale: str | None = Field(description="As the AI wrote it: show it as text.")

    @classmethod
    def of(cls, forecast: Forecast) -> ForecastShape:
        return cls(**{name: getattr(forecast, name) for name in cls.model_fields})


LaneName = Literal["due", "judgement", "routine"]
Hidden = Literal["second_review", "number_first", "too_wide", "too_old", "feed_out", "paused", "other_version"]


class ItemShape(Shape):
    """One series and period put up for review."""

    id: int
    workflow: str
    unit: str
    series: str
    period: str
    segments: list[str] = Field(description="Names, outermost first.")
    state: State
    round: int
    lane: LaneName
    why: list[str] = Field(description="Why it stands where it stands, in words.")
    created_at: datetime
    due_at: datetime | None
    ai: ForecastShape | None
    manual: ForecastShape | None
    naive: ForecastShape | None
    gap: float | None = Field(description="Manual minus AI.")
    usual_miss: float | None = Field(description="How far the AI is typically off here.")
    times_usual_miss: float | None = Field(description="The gap divided by it.")
    band: Band
    flagged: bool = Field(description="Worth a judgement.")
    hidden: Hidden | None = Field(description="Why the AI's figures are left out, as on the holder's own screens.")

    @classmethod
    def of(cls, shown: ItemShown) -> ItemShape:
        item, gap = shown.item, shown.item.divergence
        return cls(
            id=item.id,
            workflow=item.workflow_key,
            unit=item.unit,
            series=item.series,
            period=item.period,
            segments=list(item.segments),
            state=item.state,
            round=item.round,
            lane=_lane(item.standing.lane),
            why=list(item.standing.why),
            created_at=item.created_at,
            due_at=item.due_at,
            ai=ForecastShape.of(item.ai) if item.ai else None,
            manual=ForecastShape.of(item.manual) if item.manual else None,
            naive=ForecastShape.of(item.naive) if item.naive else None,
            gap=gap.gap,
            usual_miss=gap.scale,
            times_usual_miss=gap.u,
            band=gap.band,
            flagged=gap.flagged,
            hidden=shown.hidden,  # type: ignore[arg-type]
        )


class ReasonShape(Shape):
    """Why a final value differs from the AI's."""

    code: str
    text: str = Field(description="As the reviewer wrote it: show it as text.")
    direction: str | None
    effect_low: float | None
    effect_mid: float | None
    effect_high: float | None
    confidence: int | None = Field(description="Percent.")
    valid_from: date | None
    valid_until: date | None


class SeenShape(Shape):
    """What was on the screen; null where it was unknown or, in a blind second review, not shown."""

    ai: float | None
    ai_low: float | None
    ai_high: float | None
    ai_level: float | None
    model_version: str | None
    manual: float | None
    naive: float | None
    gap: float | None
    usual_miss: float | None
    times_usual_miss: float | None
    band: Band
    flagged: bool
    lane: LaneName


class DecisionShape(Shape):
    """One choice that somebody made, or an undo of one. Nothing in it ever changes but `stands`."""

    id: int
    workflow: str
    item: int
    series: str
    period: str
    segments: list[str]
    round: int
    stage: int = Field(description="1; 2 is a blind second review, 3 settles two that differ.")
    act: Act
    outcome: Outcome | None = Field(description="Null for an undo.")
    final: float | None = Field(description="The value; null where the outcome gives none.")
    is_override: bool = Field(description="It differs from the AI's by more than the workflow's tolerance.")
    is_provisional: bool = Field(description="It waits for another person's value.")
    stands: bool = Field(description="No later one took its place.")
    supersedes: int | None = Field(description="The decision whose place it took.")
    decided_by: int = Field(description="The person's number.")
    decided_by_name: str
    decided_at: datetime
    note: str = Field(description="As the reviewer wrote it: show it as text.")
    reason: ReasonShape | None
    mode: str = Field(description="`ai_first`, `human_first` or `bulk`.")
    policy_version: int
    seen: SeenShape

    @classmethod
    def of(cls, told: Told) -> DecisionShape:
        why, seen = told.why, told.seen
        same = {name: getattr(told, name) for name in _SAME}
        figures = {name: getattr(seen, name) for name in SeenShape.model_fields if hasattr(seen, name)}
        return cls(
            **same,
            item=told.item_id,
            segments=list(told.segments),
            decided_by=told.by_id,
            decided_by_name=told.by_name,
            reason=ReasonShape(**{name: getattr(why, name) for name in ReasonShape.model_fields}) if why else None,
            seen=SeenShape(**{**figures, "times_usual_miss": seen.u, "lane": _lane(seen.lane)}),
        )


_SAME = (
    "id", "workflow", "series", "period", "round", "stage", "act", "outcome", "final", "is_override",
    "is_provisional", "stands", "supersedes", "decided_at", "note", "mode", "policy_version",
)  # fmt: skip


class SetAsideShape(Shape):
    """A row that waits for a correction, as an import left it."""

    id: int
    batch: int
    kind: Kind
    row: int
    column: str
    code: str
    sentence: str = Field(description="What is wrong, and what to do. It may quote the row.")
    cells: dict[str, str] = Field(description="Column → text as it came in.")

    @classmethod
    def of(cls, row: SetAside) -> SetAsideShape:
        return cls(
            id=row.id,
            batch=row.import_id,
            kind=row.kind,
            row=row.row_number,
            column=row.column,
            code=row.code,
            sentence=row.sentence,
            cells=row.cells,
        )


class Page(Shape, Generic[T]):
    """Some rows of a list, and where it goes on."""

    data: list[T]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last one.")


class WorkflowPage(Page[WorkflowShape]):
    """Workflows that the token reaches."""


class ItemPage(Page[ItemShape]):
    """Items, in the order in which they came in."""


class DecisionPage(Page[DecisionShape]):
    """Decisions, in the order in which they were made."""


class SetAsidePage(Page[SetAsideShape]):
    """Rows set aside, in the order in which they came in."""


def _lane(lane: Lane) -> LaneName:
    names: dict[Lane, LaneName] = {Lane.DUE: "due", Lane.JUDGEMENT: "judgement", Lane.ROUTINE: "routine"}
    return names[lane]
