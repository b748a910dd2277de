"""How far forecasts get, from being possible to being used (METHODS 8.4).

Only reviews of the workbench count; those imported from before go-live have no ``item``.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

import numpy as np
import pandas as pd

from review_queue.measures.latency import SHORTEST_HOURS, hours_until, survival
from review_queue.measures.overrides import is_override, wilson
from review_queue.reasons import REASONS
from review_queue.withholding import HIDDEN, NOT_OF_TODAY

#: Why a value was not shown as one of today: where one was shown all the same, and wherever one had come.
_SEEN = [reason.value for reason in NOT_OF_TODAY]
_CAME = [*_SEEN, *(reason.value for reason in HIDDEN)]

ELIGIBLE, PRODUCED, SHOWN, OPENED, DECIDED = "eligible", "produced", "shown", "opened", "decided"
INFORMED, UNCHANGED, USED = "informed", "unchanged", "used"
STEPS = (ELIGIBLE, PRODUCED, SHOWN, OPENED, DECIDED, INFORMED, UNCHANGED, USED)
COLUMNS = ("week", *STEPS)
CONVERSIONS = ("week", "starts", "step", "reached", "pending", "n", "converted", "rate", "low", "high")
#: Reasons that bring information or correct the data or the model; the others are judgement or plan (METHODS 6.2).
INFORMING = frozenset(code for code, reason in REASONS.items() if reason.kind in ("I", "C"))
PENDING_UNTIL = 0.85  #: of those that ever take a step, the share whose time an item may take before it counts as lost
SAME = 1e-9  #: relative difference within which two values are one


def live(reviews: pd.DataFrame) -> pd.DataFrame:
    """The reviews of the workbench itself."""
    return reviews[reviews["item"].notna()] if "item" in reviews else reviews


def reached(reviews: pd.DataFrame, *, tolerance: float) -> pd.DataFrame:
    """When each live review reached each step of the funnel; NaT where it has not. Withdrawn ones are left out.

    - ``produced``: there is an AI value (``ai``), also one that was withheld as too wide or too old, or while its feed
      was out (``withheld``).
    - ``shown``: it was not withheld.
    - ``opened``: ``opened_at``; of an undecided review the first claim (``started_at``) will do.
    - ``decided``: also without having been opened, as in a batch.
    - ``informed``: decided as the AI has it, within ``tolerance`` (a share of its value), or an override whose reason
      brings information or a correction (classes I and C).
    - ``unchanged``: that value is the one in the locked plan (``plan_value``, ``locked_at``).
    - ``used``: that value is the one used downstream (``used_value``, ``used_at``).

    Args:
        reviews: with ``created_at``, ``started_at``, ``decided_at`` (UTC), ``state``, ``ai``, ``final``, ``reason``;
            besides, where they are known, ``item``, ``withheld``, ``opened_at``, ``ai_received_at``, ``plan_value``,
            ``locked_at``, ``used_value`` and ``used_at``.

    Returns:
        The columns of ``STEPS``, UTC, with the index of ``reviews``. A step that nothing is known about (no plan was
        locked, none was imported) is NaT throughout.
    """
    rows = live(reviews)
    rows = rows[rows["state"] != "withdrawn"]
    withheld = _text(rows, "withheld")
    is_produced = rows["ai"].notna() | withheld.isin(_CAME)
    is_decided = rows["state"] == "decided"
    opened = _times(rows, "opened_at") if "opened_at" in rows else rows["started_at"]
    accepted = ~is_override(rows, tolerance=tolerance) | rows["reason"].isin(INFORMING)
    informed = is_decided & rows["final"].notna() & rows["ai"].notna() & accepted
    unchanged = informed & _same(rows, "plan_value")
    used = _same(rows, "used_value") & (unchanged if _number(rows, "plan_value").notna().any() else informed)
    times = pd.DataFrame(index=rows.index)
    times[ELIGIBLE] = rows["created_at"]
    times[PRODUCED] = _times(rows, "ai_received_at").fillna(rows["created_at"]).where(is_produced)
    times[SHOWN] = times[PRODUCED].where(withheld.isna() | withheld.isin(_SEEN))
    times[OPENED] = opened.where(is_decided, opened.combine_first(rows["started_at"]))
    times[DECIDED] = rows["decided_at"].where(is_decided)
    times[INFORMED] = times[DECIDED].where(informed)
    times[UNCHANGED] = _times(rows, "locked_at").fillna(times[DECIDED]).where(unchanged)
    times[USED] = _times(rows, "used_at").fillna(times[UNCHANGED]).fillna(times[DECIDED]).where(used)
    return times


def measured(times: pd.DataFrame) -> list[str]:
    """The steps that are known about: all up to the decision, the later ones once any review has reached them."""
    return [step for step in STEPS if step not in (UNCHANGED, USED) or times[step].notna().any()]


def adoption(reviews: pd.DataFrame, *, tolerance: float, timezone: str = "UTC") -> pd.DataFrame:
    """How many reviews of each week got to each step so far.

    Returns:
        One row per ISO week (``2025-W13``) of ``created_at`` in ``timezone``, and a count per step as ``reached``
        defines it; NaN for a step that nothing is known about. ``decided`` may exceed ``opened``: what a batch confirms
        was never opened. Source: METHODS 8.4.
    """
    times = reached(reviews, tolerance=tolerance)
    counts = times.notna().groupby(week_of(times[ELIGIBLE], timezone), sort=True).sum().rename_axis("week")
    unknown = [step for step in STEPS if step not in measured(times)]
    counts[unknown] = np.nan
    return counts.reset_index()[list(COLUMNS)]


def conversions(
    times: pd.DataFrame, *, as_of: datetime, timezone: str = "UTC", groups: pd.Series | None = None
) -> pd.DataFrame:
    """The share of reviews at each step that took the next one, by the week in which they became eligible.

    A review is pending, neither taken nor lost, while it is inside the step's P85 time: that by which 85 % of those who
    ever take the step have done so. It is read from a Kaplan–Meier curve of the whole table, scaled to the share that
    the curve says will ever take the step (the scaling is ours: where fewer than 85 % do, the curve itself has no P85).
    While nobody has taken a step, all are pending.

    Args:
        times: as ``reached`` gives them.
        groups: split by these too, with the index of ``times``, into a column ``group``.

    Returns:
        One row per week and step that is known: ``week``, ``starts`` (its Monday), ``step`` (the one taken), how many
        ``reached`` the one before, of which ``pending``; ``n`` without these, of which ``converted``; ``rate`` with its
        Wilson 95 % interval, NaN where ``n`` is 0.
    """
    keys = {"week": week_of(times[ELIGIBLE], timezone), "starts": monday_of(times[ELIGIBLE], timezone)}
    if groups is not None:
        keys["group"] = groups.reindex(times.index).astype("object")
    parts = []
    for before, step in pairwise(measured(times)):
        is_there, is_taken = times[before].notna(), times[before].notna() & times[step].notna()
        is_pending = is_there & ~is_taken & ~_is_late(times, before, step, as_of)
        flags = {"reached": is_there, "pending": is_pending, "converted": is_taken}
        part = pd.DataFrame({**keys, **flags}).groupby(list(keys), dropna=False, sort=True)[list(flags)].sum()
        parts.append(part.reset_index().assign(step=step))
    table = pd.concat(parts, ignore_index=True)
    table["n"] = table["reached"] - table["pending"]
    table["rate"] = table["converted"] / table["n"].where(table["n"] > 0)
    table[["low", "high"]] = wilson(table["converted"], table["n"])
    return table[[*(["group"] if groups is not None else []), *CONVERSIONS]]


def monday_of(times: pd.Series, timezone: str) -> pd.Series:
    """The Monday, as a naive midnight, of the ISO week in which each instant (UTC) lies in ``timezone``."""
    days = times.dt.tz_convert(timezone).dt.tz_localize(None).dt.normalize()
    mondays: pd.Series = days - pd.to_timedelta(days.dt.day_of_week, unit="D")
    return mondays


def week_of(times: pd.Series, timezone: str) -> pd.Series:
    """The ISO week, as text, in which each instant (UTC) lies in ``timezone``."""
    mondays = monday_of(times, timezone)
    return mondays.map({monday: monday.strftime("%G-W%V") for monday in mondays.dropna().unique()})


def _is_late(times: pd.DataFrame, before: str, step: str, as_of: datetime) -> pd.Series:
    """Whether so much time has passed since ``before`` that ``step`` would have been taken by now."""
    waited = (times[step].fillna(pd.Timestamp(as_of)) - times[before]).dt.total_seconds() / 3600
    is_there = times[before].notna()
    lives = pd.DataFrame({"hours": waited.clip(lower=SHORTEST_HOURS), "finished": times[step].notna()})[is_there]
    if not lives["finished"].any():
        return pd.Series(False, index=times.index)
    curve = survival(lives)
    limit = hours_until(curve, PENDING_UNTIL * (1 - float(curve["waiting"].iloc[-1])))
    return waited >= limit


def _same(rows: pd.DataFrame, column: str) -> pd.Series:
    """Whether the value in ``column`` is known and the one that was decided."""
    other = _number(rows, column)
    return (other - rows["final"]).abs() <= SAME * rows["final"].abs()


def _number(rows: pd.DataFrame, column: str) -> pd.Series:
    return rows[column].astype(float) if column in rows else pd.Series(np.nan, index=rows.index)


def _text(rows: pd.DataFrame, column: str) -> pd.Series:
    return rows[column].astype("object") if column in rows else pd.Series(None, index=rows.index, dtype="object")


def _times(rows: pd.DataFrame, column: str) -> pd.Series:
    values = rows[column] if column in rows else pd.Series(pd.NaT, index=rows.index)
    return pd.to_datetime(values, utc=True)
