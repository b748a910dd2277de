"""Putting items in their place: what the rules make of the forecasts that stand on them, worked out by the set.

New items are placed before they are stored (``place_new``); stored ones when a forecast, an actual, the policy or the
clock has moved on (``place_items``). Both go through the same ``_placed``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, and_, func, not_, select
from sqlalchemy.orm import Session

from review_queue.divergence import diverge
from review_queue.items import OPEN_STATES, SourceKind, State
from review_queue.priority import place
from review_queue.showing import Showing
from review_queue.withholding import HIDDEN, NOT_OF_TODAY, withheld
from storage import bulk, feeds, showings, track_record, workflows
from storage.fates import exact_texts
from storage.tables import OPEN, forecasts, items, model_versions, segments, series, sources
from storage.workflows import Workflow

Floats = NDArray[np.float64]

#: What a placing writes on an item.
PLACED = (
    *("gap", "money", "scale", "u", "symmetric", "band", "outside_interval", "flagged"),
    *("lane", "score", "why", "placed_until", "withheld", "content_hash"),
)
#: Open items, the newest first, whose intervals say how wide an interval is here.
WIDTHS = 5_000
STAKES_OVER = timedelta(days=90)
_SHOWN = ("value", "low", "high", "level", "model_version")
#: What is shown as worked out from that.
_DERIVED = ("gap", "money", "scale", "u", "band")


@dataclass(frozen=True)
class Surroundings:
    """What the items of one workflow are placed against: it takes a look at all of them to know it."""

    at: datetime  #: UTC
    policy_version: int

    #: ``parent, period, total``: the AI's total, in money; None where policy sets materiality
    totals: pd.DataFrame | None
    widths: Floats  #: of the AI's intervals on open items, as shares of its values, ascending
    g95: float | None  #: 95th percentile of the money at stake in the last 90 days


def place_items(
    session: Session,
    workflow: Workflow,
    *,
    now: datetime,
    item_ids: Collection[int] | None = None,
    forecasts_changed: bool = True,
) -> int:
    """Work out gap, lane, score and their reasons again for open items, and write back what changed.

    Args:
        now: UTC; what ages and deadlines are counted to.
        item_ids: the items to place; None is every open item.
        forecasts_changed: False when only the clock has moved on: then an item in somebody's hands is left as it is.
            True writes an item in somebody's hands too, if what it shows has changed.

    Returns:
        How many items were written.
    """
    written = 0
    small = item_ids is not None and len(item_ids) <= bulk.CHUNK
    around: Surroundings | None = None
    showing = showings.of(session, workflow.id)
    for facts, standing in _stored(session, workflow, now, item_ids, showing):
        if around is None:
            around = surroundings(session, workflow, now, facts if small else None)
        placed = _placed(session, workflow, facts, standing, around, now=now, showing=showing)
        written += _write(session, facts, placed, forecasts_changed=forecasts_changed)
    return written


def content_hashes(session: Session, workflow_id: int) -> dict[int, str]:
    """What each open item shows as fact, by its id: another hash, and it reads differently."""
    shown = select(items.c.id, items.c.content_hash).where(items.c.workflow_id == workflow_id, OPEN)
    return {row.id: row.content_hash for row in session.execute(shown)}


def placed_as(session: Session, workflow: Workflow, showing: Showing, *, now: datetime) -> pd.DataFrame:
    """Where every open item would stand with this policy and these of the AI's values; nothing is written.

    Columns ``PLACED`` and ``id, series_id, period, state, is_held, naive``, values in the unit.
    """
    pieces = [pd.DataFrame(columns=["id", "series_id", "period", "state", "is_held", "naive", *PLACED])]
    around: Surroundings | None = None
    for facts, standing in _stored(session, workflow, now, None, showing):
        around = around or surroundings(session, workflow, now)
        placed = _placed(session, workflow, facts, standing, around, now=now, showing=showing)
        naive = standing[standing["kind"] == SourceKind.NAIVE].set_index("item_id")["value"]
        known = facts[["id", "series_id", "period", "state", "is_held"]].assign(naive=facts["id"].map(naive))
        pieces.append(pd.concat([known, placed[list(PLACED)]], axis=1))
    return pd.concat(pieces[1:] or pieces, ignore_index=True)


def place_due(session: Session, workflow: Workflow, around: Surroundings, *, now: datetime, limit: int) -> int:
    """Work out the place of up to ``limit`` items again that the clock has moved on, the longest overdue first.

    Items in somebody's hands are left as they are, and nothing is done while an import is at work.

    Returns:
        How many items were looked at; fewer than ``limit`` when none is left.
    """
    if not workflows.try_lock(session, workflow.id):
        return 0
    held = and_(items.c.state == State.CLAIMED, items.c.expires_at > now)
    due = (
        session.execute(
            select(items.c.id)
            .where(items.c.workflow_id == workflow.id, OPEN, items.c.placed_until <= now, not_(held))
            .order_by(items.c.placed_until)
            .limit(limit)
        )
        .scalars()
        .all()
    )
    showing = showings.of(session, workflow.id)
    for facts, standing in _stored(session, workflow, now, due, showing):
        placed = _placed(session, workflow, facts, standing, around, now=now, showing=showing)
        _write(session, facts, placed, forecasts_changed=False)
    return len(due)


def place_new(
    session: Session, workflow: Workflow, new: pd.DataFrame, standing: pd.DataFrame, *, now: datetime
) -> pd.DataFrame:
    """Where items stand that are about to be stored: columns ``PLACED``, index of ``new``.

    Args:
        new: one row an item, by rising id: ``id, series_id, parent, period, horizon, created_at, due_at, audit_sample,
            value_per_unit``; ``parent`` as in ``track_record.parent_of``.
        standing: their forecasts: ``item_id, key, kind, value, low, high, level, model_version``.
    """
    if new.empty:
        return pd.DataFrame(columns=list(PLACED))
    facts = _with_forecasts(new, standing)
    around = _with_new(session, workflow, surroundings(session, workflow, now, None), facts, now)
    showing = showings.of(session, workflow.id)
    pieces = []
    for piece in bulk.chunks(facts):
        theirs = standing[standing["item_id"].between(piece["id"].iloc[0], piece["id"].iloc[-1])]
        pieces.append(_placed(session, workflow, piece, theirs, around, now=now, showing=showing))
    return pd.concat(pieces)[list(PLACED)]


def audit_sample(workflow: Workflow, item_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which items are judged even if they are Routine."""
    return _drawn(workflow, item_ids, workflow.policy.audit_share, salt=0)


def human_first(workflow: Workflow, item_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which items are decided human first, if they are flagged."""
    return _drawn(workflow, item_ids, workflow.policy.human_first_share, salt=1 << 40)


def _drawn(workflow: Workflow, item_ids: NDArray[np.int64], share: float, *, salt: int) -> NDArray[np.bool_]:
    """A draw that is random, but the same for the same ids; another one for each ``salt``.

    Source: the finaliser of SplitMix64 (Steele, Lea & Flood 2014) on the two ids.
    """
    with np.errstate(over="ignore"):
        x = item_ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(workflow.id + salt)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return np.asarray(x.astype(np.float64) / 2.0**64 < share)


# --- one chunk -----------------------------------------------------------------------------------------------------


def _placed(
    session: Session,
    workflow: Workflow,
    facts: pd.DataFrame,
    standing: pd.DataFrame,
    around: Surroundings,
    *,
    now: datetime,
    showing: Showing,
) -> pd.DataFrame:
    """``PLACED`` of ``facts``, which has the standing forecasts in ``ai, ai_low, ai_high, ai_level, manual``."""
    facts = _with_record(session, workflow, facts)
    facts["materiality"] = _materiality(workflow, facts, around)
    facts["uncertainty"] = _rank(_relative_width(facts), around.widths)
    facts["has_ai"], facts["has_manual"] = facts["ai"].notna(), facts["manual"].notna()
    apart = diverge(facts, workflow.policy)
    is_out = feeds.is_out(session, workflow.id)
    hidden = withheld(facts, workflow.policy, now=now, feed_is_out=is_out, showing=showing)
    apart["flagged"] |= np.isin(hidden, HIDDEN)
    whole = pd.concat([facts, apart], axis=1)
    order = place(whole, workflow.policy, now=now, g95=around.g95)
    placed = pd.concat([apart, order], axis=1)
    placed["withheld"] = hidden
    placed["content_hash"] = _content_hashes(workflow, facts, standing, placed)
    return placed


def _with_record(session: Session, workflow: Workflow, facts: pd.DataFrame) -> pd.DataFrame:
    record = track_record.errors(session, workflow.id, facts["parent"].unique())
    pooled = record.groupby(["parent", "horizon"], as_index=False)[["n_relative", "relative"]].sum()
    pooled["parent_relative_mae"] = pooled["relative"] / pooled["n_relative"].where(pooled["n_relative"] > 0)
    typical = track_record.typical_actuals(session, facts["series_id"].unique())
    keyed = facts.assign(horizon=facts["horizon"].fillna(-1).astype("float64"))
    keyed = keyed.merge(record[["series_id", "horizon", "n_hist", "mae_hist"]], how="left", on=["series_id", "horizon"])
    keyed = keyed.merge(pooled[["parent", "horizon", "parent_relative_mae"]], how="left", on=["parent", "horizon"])
    keyed = keyed.merge(typical, how="left", on="series_id").set_axis(facts.index)
    return keyed.assign(n_hist=keyed["n_hist"].fillna(0.0))


def _materiality(workflow: Workflow, facts: pd.DataFrame, around: Surroundings) -> Floats:
    """In money: the policy's, which is in the unit, times the value of one; else a share of the parent's AI total."""
    if workflow.policy.materiality is not None or around.totals is None:
        return facts["value_per_unit"].to_numpy() * (workflow.policy.materiality or np.nan)
    totals = facts[["parent", "period"]].merge(around.totals, how="left", on=["parent", "period"])["total"]
    return totals.to_numpy(dtype="float64") * workflow.policy.materiality_share


def _relative_width(facts: pd.DataFrame) -> Floats:
    size = facts["ai"].abs()
    return ((facts["ai_high"] - facts["ai_low"]) / size.where(size > 0)).to_numpy(dtype="float64")


def _rank(widths: Floats, among: Floats) -> Floats:
    """The share of ``among`` (ascending) that each width is above, ties counted half; NaN where it is unknown."""
    if len(among) == 0:
        return np.full(len(widths), np.nan)
    below, up_to = np.searchsorted(among, widths, side="left"), np.searchsorted(among, widths, side="right")
    return np.where(np.isnan(widths), np.nan, (below + up_to) / (2.0 * len(among)))


def _content_hashes(workflow: Workflow, facts: pd.DataFrame, standing: pd.DataFrame, apart: pd.DataFrame) -> list[str]:
    """Of each item, the SHA-256 of everything that is shown as fact: what a decision names as what it saw."""
    shown: dict[int, list[str]] = {}
    ordered = standing.sort_values(["item_id", "key"], kind="stable")
    for item_id, text in zip(ordered["item_id"].tolist(), exact_texts(ordered, ("key", *_SHOWN)), strict=True):
        shown.setdefault(item_id, []).append(text)
    derived = zip(facts["id"].tolist(), exact_texts(apart, _DERIVED), apart["withheld"], strict=True)
    return [
        sha256("\x1e".join((workflow.unit, *shown.get(item_id, ()), text, *_not_shown(why))).encode()).hexdigest()
        for item_id, text, why in derived
    ]


def _not_shown(why: str | None) -> tuple[str, ...]:
    """What the hash of an item holds of a value that is there and not shown, or not as one of today."""
    return (why,) if why in (*HIDDEN, *NOT_OF_TODAY) else ()


# --- what is stored ------------------------------------------------------------------------------------------------


def _stored(
    session: Session, workflow: Workflow, now: datetime, item_ids: Collection[int] | None, showing: Showing
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """The open items asked for, chunk by chunk in the order of their ids: their facts, and their standing forecasts."""
    wanted = None if item_ids is None else np.unique(np.fromiter(item_ids, dtype=np.int64))
    last = 0
    while wanted is None or len(wanted):
        if wanted is None:
            condition: ColumnElement[bool] = items.c.id > last
        else:
            condition, wanted = bulk.among(session, items.c.id, wanted[: bulk.CHUNK]), wanted[bulk.CHUNK :]
        facts = _facts(session, workflow, now, condition)
        if facts.empty and wanted is None:
            return
        if not facts.empty:
            last = int(facts["id"].iloc[-1])
            standing = standing_on(session, facts["id"].to_numpy(), showing)
            yield _with_forecasts(facts, standing), standing


def _facts(session: Session, workflow: Workflow, now: datetime, condition: ColumnElement[bool]) -> pd.DataFrame:
    is_held = and_(items.c.state == State.CLAIMED, items.c.expires_at > now)
    rows = session.execute(
        select(
            items.c.id,
            items.c.series_id,
            track_record.parent_of(),
            items.c.period,
            items.c.horizon,
            items.c.created_at,
            items.c.due_at,
            items.c.audit_sample,
            series.c.value_per_unit,
            func.coalesce(is_held, False),
            items.c.content_hash,
            items.c.flagged,
            items.c.state,
        )
        .join(series, series.c.id == items.c.series_id)
        .outerjoin(segments, segments.c.id == series.c.segment_id)
        .where(items.c.workflow_id == workflow.id, items.c.state.in_(OPEN_STATES), condition)
        .order_by(items.c.id)
        .limit(bulk.CHUNK)
    ).all()
    columns = ["id", "series_id", "parent", "period", "horizon", "created_at", "due_at", "audit_sample"]
    frame = pd.DataFrame(rows, columns=[*columns, "value_per_unit", "is_held", "stored_hash", "stored_flag", "state"])
    for name in ("created_at", "due_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    return frame.astype({"horizon": "float64", "value_per_unit": "float64", "is_held": "bool"})


def standing_on(session: Session, item_ids: NDArray[np.int64], showing: Showing) -> pd.DataFrame:
    """The forecast of each source that stands on these items: the newest, or the AI's newest of the version shown.

    Where that version has none, the newest stands and is not shown. Columns ``item_id, key, kind, value, low, high,
    level, model_version``, values in the unit, ``made_at``, which is when it came where it does not say, and
    ``is_newest``.
    """
    rows = session.execute(
        select(
            forecasts.c.item_id,
            sources.c.key,
            sources.c.kind,
            forecasts.c.value,
            forecasts.c.low,
            forecasts.c.high,
            forecasts.c.interval_level,
            model_versions.c.name,
            func.coalesce(forecasts.c.made_at, forecasts.c.received_at),
        )
        .join(sources, sources.c.id == forecasts.c.source_id)
        .outerjoin(model_versions, model_versions.c.id == forecasts.c.model_version_id)
        .where(bulk.among(session, forecasts.c.item_id, item_ids))
        .order_by(forecasts.c.id)
    ).all()
    frame = pd.DataFrame(rows, columns=["item_id", "key", "kind", *_SHOWN, "made_at"])
    numbers = dict.fromkeys(("value", "low", "high", "level"), "float64")
    frame["is_newest"] = ~frame.duplicated(["item_id", "key"], keep="last")
    if showing.only is None:
        return frame[frame["is_newest"]].astype(numbers)
    is_meant = (frame["kind"] != SourceKind.AI) | (frame["model_version"] == showing.only)
    first_choice = frame[is_meant].drop_duplicates(["item_id", "key"], keep="last")
    rest = frame[
        frame["is_newest"] & ~frame["item_id"].isin(first_choice.loc[first_choice["kind"] == SourceKind.AI, "item_id"])
    ]
    chosen = pd.concat([first_choice, rest]).drop_duplicates(["item_id", "key"])
    return chosen.sort_index().astype(numbers)


def _with_forecasts(facts: pd.DataFrame, standing: pd.DataFrame) -> pd.DataFrame:
    ai = standing[standing["kind"] == SourceKind.AI].drop_duplicates("item_id", keep="last").set_index("item_id")
    manual = standing[standing["kind"] == SourceKind.MANUAL].drop_duplicates("item_id", keep="last")
    found = facts.copy()
    for name, column in (("ai", "value"), ("ai_low", "low"), ("ai_high", "high"), ("ai_level", "level")):
        found[name] = facts["id"].map(ai[column]).astype("float64")
    made_at = dict(zip(ai.index.tolist(), ai["made_at"].tolist(), strict=True))
    found["ai_made_at"] = pd.to_datetime(facts["id"].map(made_at), utc=True)
    found["ai_version"] = facts["id"].map(ai["model_version"]).astype("object")
    found["ai_is_newest"] = (
        True if "is_newest" not in ai else facts["id"].map(ai["is_newest"]).fillna(True).astype("bool")
    )
    found["manual"] = facts["id"].map(manual.set_index("item_id")["value"]).astype("float64")
    return found


def _write(session: Session, facts: pd.DataFrame, placed: pd.DataFrame, *, forecasts_changed: bool) -> int:
    changed = ~facts["is_held"]
    if forecasts_changed:
        changed |= placed["content_hash"] != facts["stored_hash"]
        changed |= placed["flagged"] != facts["stored_flag"]
    rows = pd.concat([facts["id"], placed[list(PLACED)]], axis=1)[changed]
    held = _hold(session, rows["id"].to_numpy(), skip_locked=not forecasts_changed)
    rows = rows[rows["id"].isin(held)]
    bulk.update_rows(session, items, rows)
    return len(rows)


def _hold(session: Session, item_ids: NDArray[np.int64], *, skip_locked: bool) -> set[int]:
    """Lock the rows in the order of their ids, so that two who write many of them cannot wait for each other.

    Which: those that are open still. What was decided since they were read stays as it was decided on.
    """
    which = bulk.among(session, items.c.id, item_ids) & OPEN
    held = select(items.c.id).where(which).order_by(items.c.id)
    return set(session.execute(held.with_for_update(key_share=True, skip_locked=skip_locked)).scalars())


# --- surroundings --------------------------------------------------------------------------------------------------


def surroundings(session: Session, workflow: Workflow, now: datetime, only: pd.DataFrame | None = None) -> Surroundings:
    """What ``workflow``'s items are placed against; ``only`` keeps the totals to the parents and periods of some."""
    totals = None if workflow.policy.materiality is not None else _totals(session, workflow, only)
    return Surroundings(now, workflow.policy_version, totals, _widths(session, workflow), _g95(session, workflow, now))


def _totals(session: Session, workflow: Workflow, only: pd.DataFrame | None) -> pd.DataFrame:
    parent = track_record.parent_of()
    query = (
        select(parent, items.c.period, func.sum(func.abs(forecasts.c.value * series.c.value_per_unit)))
        .select_from(items)
        .join(series, series.c.id == items.c.series_id)
        .outerjoin(segments, segments.c.id == items.c.segment_id)
        .join(forecasts, forecasts.c.item_id == items.c.id)
        .join(sources, sources.c.id == forecasts.c.source_id)
        .where(
            items.c.workflow_id == workflow.id,
            items.c.state != State.WITHDRAWN,
            track_record.standing_forecast(SourceKind.AI),
        )
        .group_by(parent, items.c.period)
    )
    if only is not None:
        query = query.where(
            items.c.period.in_(only["period"].unique().tolist()),
            bulk.among(session, parent, only["parent"].unique()),
        )
    rows = session.execute(query).all()
    return pd.DataFrame(rows, columns=["parent", "period", "total"]).astype({"parent": "int64", "total": "float64"})


def _widths(session: Session, workflow: Workflow) -> Floats:
    newest = (
        select(items.c.id)
        .where(items.c.workflow_id == workflow.id, items.c.state.in_(OPEN_STATES))
        .order_by(items.c.id.desc())
        .limit(WIDTHS)
    )
    rows = session.execute(
        select((forecasts.c.high - forecasts.c.low) / func.abs(forecasts.c.value))
        .join(sources, sources.c.id == forecasts.c.source_id)
        .where(
            forecasts.c.item_id.in_(newest),
            track_record.standing_forecast(SourceKind.AI),
            forecasts.c.low.is_not(None),
            forecasts.c.high.is_not(None),
            forecasts.c.value != 0,
        )
    )
    return np.sort(np.array(rows.scalars().all(), dtype="float64"))


def _recent_stakes(workflow: Workflow, now: datetime) -> ColumnElement[bool]:
    return and_(items.c.workflow_id == workflow.id, items.c.created_at > now - STAKES_OVER, items.c.money.is_not(None))


def _g95(session: Session, workflow: Workflow, now: datetime) -> float | None:
    """By the money stored on the items, interpolated between the two around the 95th percentile."""
    recent = _recent_stakes(workflow, now)
    count = session.execute(select(func.count()).select_from(items).where(recent)).scalar_one()
    if count == 0:
        return None
    place, share = divmod(0.95 * (count - 1), 1)
    size = func.abs(items.c.money)
    around = session.execute(select(size).where(recent).order_by(size).offset(int(place)).limit(2)).scalars().all()
    return float(around[0] + share * (around[-1] - around[0]))


def _with_new(
    session: Session, workflow: Workflow, around: Surroundings, facts: pd.DataFrame, now: datetime
) -> Surroundings:
    """``around`` with items that are not stored yet."""
    fresh = _relative_width(facts)
    fresh = fresh[~np.isnan(fresh)][-WIDTHS:]
    widths = np.sort(np.concatenate([around.widths[: WIDTHS - len(fresh)], fresh]))
    money = ((facts["manual"] - facts["ai"]) * facts["value_per_unit"]).abs()
    money = money[facts["created_at"] > now - STAKES_OVER].dropna()
    stored = session.execute(select(func.abs(items.c.money)).where(_recent_stakes(workflow, now))).scalars().all()
    stakes = np.concatenate([money.to_numpy(), np.array(stored, dtype="float64")])
    totals = around.totals
    if totals is not None:
        new = facts.assign(total=(facts["ai"] * facts["value_per_unit"]).abs())[["parent", "period", "total"]]
        totals = pd.concat([totals, new.dropna()]).groupby(["parent", "period"], as_index=False).sum()
    return Surroundings(
        now, workflow.policy_version, totals, widths, float(np.percentile(stakes, 95)) if len(stakes) else None
    )
