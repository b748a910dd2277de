"""One item read whole: with its workflow, series and place in the tree, who has it, and the forecasts that stand."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, func, select
from sqlalchemy.orm import Session

from review_queue.errors import ItemNotFound
from review_queue.items import Band, Divergence, Forecast, Item, Lane, SourceKind, Stage, Standing, State
from review_queue.roles import Grant, Principal, Task
from review_queue.withholding import Withheld
from storage import bulk
from storage import people as people_
from storage.showings import version_shown
from storage.tables import forecasts, items, model_versions, people, policies, segments, series, sources, workflows
from storage.tree import names


def get(session: Session, item_id: int, who: Principal, task: Task = Task.SEE_QUEUE, *, lock: bool = False) -> Item:
    """The item with its standing forecasts, if ``who`` may see it; ``lock`` holds it until the transaction ends.

    Raises:
        ItemNotFound: there is none, or not in this person's scope.
    """
    row = session.execute(_visible_item(who.grants, task, lock=lock), {"item_id": item_id}).one_or_none()
    if row is None:
        raise ItemNotFound(item_id)
    return _shown(session, _item(row, _standing_forecasts(session, item_id)))


def following(
    session: Session, who: Principal, task: Task, *wanted: ColumnElement[bool], after: int, limit: int
) -> list[Item]:
    """The first items past the id ``after`` that ``who`` may touch for ``task`` and that are as ``wanted``, by id."""
    rows = session.execute(
        _whole_items().where(people_.scope(who, task), items.c.id > after, *wanted).order_by(items.c.id).limit(limit)
    ).all()
    standing: dict[int, list[Forecast]] = {row.id: [] for row in rows}
    newest = select(func.max(forecasts.c.id)).where(forecasts.c.item_id.in_(list(standing)))
    for row in session.execute(_standing(newest.group_by(forecasts.c.item_id, forecasts.c.source_id))):
        standing[row.item_id].append(_forecast(row))
    return [_shown(session, _item(row, standing[row.id])) for row in rows]


def of_series(session: Session, series_id: int, period: str) -> int | None:
    """The id of the item of a series and period; None if there is none."""
    return session.execute(
        select(items.c.id).where(items.c.series_id == series_id, items.c.period == period)
    ).scalar_one_or_none()


def require_visible(session: Session, who: Principal, item_id: int) -> None:
    """Raise ``ItemNotFound`` unless there is such an item and ``who`` may see it."""
    seen = select(items.c.id).where(items.c.id == item_id, people_.scope(who, Task.SEE_QUEUE))
    if session.execute(seen).first() is None:
        raise ItemNotFound(item_id)


def visible(session: Session, who: Principal, workflow_id: int, item_ids: Collection[int]) -> set[int]:
    """Those of these items that lie in the workflow and that ``who`` may see."""
    if not item_ids:
        return set()
    which = bulk.among(session, items.c.id, sorted(set(item_ids)))
    asked = select(items.c.id).where(which, items.c.workflow_id == workflow_id, people_.scope(who, Task.SEE_QUEUE))
    return set(session.execute(asked).scalars())


# Built once for each set of grants, as every press needs it: building it takes longer than running it.
@lru_cache(maxsize=512)
def _visible_item(grants: tuple[Grant, ...], task: Task, *, lock: bool) -> Select[Any]:
    wanted = _whole_items().where(items.c.id == bindparam("item_id"), people_.scope(Principal(0, "", grants), task))
    return wanted.with_for_update(of=items) if lock else wanted


def _whole_items() -> Select[Any]:
    assignees = people.alias("assignees")
    newest = (
        select(func.max(policies.c.version))
        .where(policies.c.workflow_id == items.c.workflow_id)
        .correlate(items)
        .scalar_subquery()
    )
    return (
        select(
            items,
            workflows.c.key.label("workflow_key"),
            workflows.c.unit,
            policies.c.body["tolerance"].as_float().label("tolerance"),
            series.c.key.label("series"),
            series.c.value_per_unit,
            series.c.currency,
            segments.c.path,
            people.c.name.label("holder_name"),
            assignees.c.name.label("assigned_name"),
        )
        .join(workflows, workflows.c.id == items.c.workflow_id)
        .join(
            policies,
            and_(policies.c.workflow_id == items.c.workflow_id, policies.c.version == newest),
        )
        .join(series, series.c.id == items.c.series_id)
        .outerjoin(segments, segments.c.id == items.c.segment_id)
        .outerjoin(people, people.c.id == items.c.claimed_by)
        .outerjoin(assignees, assignees.c.id == items.c.assigned_to)
    )


@cache
def _newest_forecasts() -> Select[Any]:
    newest = select(func.max(forecasts.c.id)).where(forecasts.c.item_id == bindparam("item_id"))
    return _standing(newest.group_by(forecasts.c.source_id))


def _standing(newest: Select[Any]) -> Select[Any]:
    """Forecasts whole, of those with the ids that ``newest`` gives, in the order in which they came."""
    return (
        select(forecasts, sources.c.key, sources.c.kind, model_versions.c.name.label("model_version"))
        .join(sources, sources.c.id == forecasts.c.source_id)
        .outerjoin(model_versions, model_versions.c.id == forecasts.c.model_version_id)
        .where(forecasts.c.id.in_(newest))
        .order_by(forecasts.c.id)
    )


def _standing_forecasts(session: Session, item_id: int) -> list[Forecast]:
    return [_forecast(row) for row in session.execute(_newest_forecasts(), {"item_id": item_id})]


def _shown(session: Session, item: Item) -> Item:
    """The item with the AI's value of the version that its workflow is rolled back to, where that is what is shown."""
    if item.withheld != Withheld.ROLLED_BACK:
        return item
    earlier = (
        select(func.max(forecasts.c.id))
        .join(sources, sources.c.id == forecasts.c.source_id)
        .join(items, items.c.id == forecasts.c.item_id)
        .where(
            forecasts.c.item_id == item.id,
            sources.c.kind == SourceKind.AI,
            forecasts.c.model_version_id == version_shown(),
        )
    )
    return replace(item, ai=_forecast(session.execute(_standing(earlier)).one()))


def _forecast(row: Row[Any]) -> Forecast:
    return Forecast(
        id=row.id,
        source=row.key,
        kind=SourceKind(row.kind),
        value=row.value,
        received_at=row.received_at,
        low=row.low,
        high=row.high,
        level=row.interval_level,
        model_version=row.model_version,
        made_at=row.made_at,
        author=row.author,
        note=row.note,
        rationale=row.rationale,
    )


def _item(row: Row[Any], standing: list[Forecast]) -> Item:
    by_kind = {forecast.kind: forecast for forecast in standing}
    return Item(
        id=row.id,
        workflow_id=row.workflow_id,
        workflow_key=row.workflow_key,
        unit=row.unit,
        series_id=row.series_id,
        series=row.series,
        period=row.period,
        period_start=row.period_start,
        segments=names(row.path),
        state=State(row.state),
        round=row.round,
        level=row.level,
        stage=Stage(row.stage),
        created_at=row.created_at,
        due_at=row.due_at,
        ai=by_kind.get(SourceKind.AI),
        manual=by_kind.get(SourceKind.MANUAL),
        naive=by_kind.get(SourceKind.NAIVE),
        others=tuple(forecast for forecast in standing if forecast.kind is SourceKind.OTHER),
        divergence=Divergence(
            gap=row.gap,
            money=row.money,
            scale=row.scale,
            u=row.u,
            symmetric=row.symmetric,
            band=Band(row.band),
            outside_interval=row.outside_interval,
            flagged=row.flagged,
        ),
        standing=Standing(Lane(row.lane), row.score, tuple(row.why)),
        content_hash=row.content_hash,
        tolerance=row.tolerance,
        fence=row.fence,
        holder_id=row.claimed_by,
        holder_name=row.holder_name,
        claimed_at=row.claimed_at,
        expires_at=row.expires_at,
        deferred_until=row.available_at if row.state == State.DEFERRED else None,
        not_for=row.not_for,
        nor_for=row.nor_for,
        assigned_id=row.assigned_to,
        assigned_name=row.assigned_name,
        value_per_unit=row.value_per_unit,
        currency=row.currency,
        withheld=row.withheld,
        human_first=row.human_first,
        stale_at=row.stale_at,
    )
