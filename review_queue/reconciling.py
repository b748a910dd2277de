"""A period's forecast as a whole: who said what, summed up the tree, and how one number became another (DESIGN 8).

All functions take *leaves*, one row an item of a period, and give tables back. Money is a value times the value of one
unit, so that series in different units add up. Every breakdown adds up to the change that it breaks down.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import numpy as np
import pandas as pd

from review_queue.reasons import REASONS

SEPARATOR = "\x1f"  #: ends each name in a path
WHOLE = "Total"

#: Columns of leaves, beside ``item``: ``series``, ``path`` (of its segment), ``ai``, ``manual``, ``final`` (of the
#: decision that stands; NaN while nobody decided), ``last`` (the period before), ``value_per_unit``, ``decision``
#: (its id, NaN), ``reason`` (its code), ``is_override``, ``is_opposite`` (the other half of a timing shift).
LEAVES = (
    *("item", "series", "path", "ai", "manual", "final", "last", "value_per_unit"),
    *("decision", "reason", "is_override", "is_opposite"),
)


class Kind(StrEnum):
    """Where a number in the plan comes from."""

    DIRECT = "direct"  #: somebody decided this very number
    INDIRECT = "indirect"  #: it follows from what somebody decided elsewhere: the other half of a timing shift
    CALCULATED = "calculated"  #: nobody decided it: the AI's value, else the manual one, or a sum


class Take(StrEnum):
    """Whose value stands for an item that nobody decided."""

    AI = "ai"
    MANUAL = "manual"

    @property
    def words(self) -> str:
        return "the AI's value" if self is Take.AI else "the manual forecast"


def planned(leaves: pd.DataFrame, take: Take = Take.AI) -> pd.DataFrame:
    """The leaves with ``plan`` (in the unit; NaN where there is no number at all) and ``kind``.

    The plan is the final value; where nobody decided, the value of ``take``, and where that is missing, the other one.
    """
    first, second = (leaves["ai"], leaves["manual"]) if take is Take.AI else (leaves["manual"], leaves["ai"])
    decided = leaves["final"].notna()
    kind = np.where(~decided, Kind.CALCULATED, np.where(_true(leaves["is_opposite"]), Kind.INDIRECT, Kind.DIRECT))
    return leaves.assign(plan=leaves["final"].fillna(first).fillna(second), kind=kind)


def tree(leaves: pd.DataFrame, take: Take = Take.AI) -> pd.DataFrame:
    """Totals of every segment and of the whole, parents before their children; ``take`` as in ``planned``.

    Returns:
        ``path`` (empty for the whole), ``depth`` (0 for the whole), ``name``, ``items``, ``decided``, ``share``
        (decided / items, 0 to 1), and in money ``ai``, ``manual``, ``plan``, ``last``, ``net`` (manual minus AI where
        both are there) and ``gross`` (the sum of the sizes of these gaps: what the net hides).
    """
    rows = _in_money(planned(leaves, take))
    rows["net"] = rows["manual"] - rows["ai"]
    rows["gross"] = rows["net"].abs()
    rows["decided"] = rows["final"].notna()
    names = rows["path"].map(_names)
    deepest = int(names.map(len).max()) if len(rows) else 0
    levels = [_totals(rows, names, depth) for depth in range(deepest + 1)]
    found = pd.concat(levels, ignore_index=True).sort_values("path", kind="stable", ignore_index=True)
    return found.assign(share=found["decided"] / found["items"].where(found["items"] > 0))


def _totals(rows: pd.DataFrame, names: pd.Series, depth: int) -> pd.DataFrame:
    inside = names.map(len) >= depth
    paths = names[inside].map(lambda each: "".join(name + SEPARATOR for name in each[:depth]))
    grouped = rows[inside].assign(node=paths).groupby("node", sort=False)
    sums = grouped[["ai", "manual", "plan", "last", "net", "gross"]].sum(min_count=1)
    found = sums.assign(items=grouped.size(), decided=grouped["decided"].sum()).rename_axis("path").reset_index()
    if depth == 0 and found.empty:
        found.loc[0] = {"path": "", "items": 0, "decided": 0}
    return found.assign(depth=depth, name=[_names(path)[-1] if path else WHOLE for path in found["path"]])


def waterfall(leaves: pd.DataFrame, take: Take = Take.AI) -> pd.DataFrame:
    """How the AI's total became the plan's, step by step, in money.

    Returns:
        ``label``, ``step`` (``total``, ``change``), ``amount``, ``start``, ``end``, ``items``. The first row is the
        AI's total, the last one the plan's; between them what had no AI value, then overrides by reason, the largest
        first, then what was changed within tolerance, then what nobody decided and takes the manual forecast. The
        amounts between add up to the difference exactly.
    """
    rows = _in_money(planned(leaves, take))
    has_ai = rows["ai"].notna()
    undecided = rows[has_ai & rows["final"].isna() & (rows["plan"] != rows["ai"])]
    changed = rows[has_ai & rows["final"].notna()].assign(amount=lambda each: each["plan"] - each["ai"])
    is_override = _true(changed["is_override"])
    by_reason = changed[is_override].groupby(changed["reason"].map(reason_name))["amount"].agg(["sum", "size"])
    by_reason = by_reason.reindex(by_reason["sum"].abs().sort_values(ascending=False, kind="stable").index)
    small = changed[~is_override & (changed["amount"] != 0)]
    without = rows[~has_ai & rows["plan"].notna()]
    steps = [
        *([("Without an AI forecast", without["plan"].sum(), len(without))] if len(without) else []),
        *((str(name), float(row["sum"]), int(row["size"])) for name, row in by_reason.iterrows()),
        *([("Within tolerance", small["amount"].sum(), len(small))] if len(small) else []),
    ]
    if len(undecided):
        steps.append(("Undecided, manual", (undecided["plan"] - undecided["ai"]).sum(), len(undecided)))
    return _stairs(("AI", rows["ai"].sum(), int(has_ai.sum())), steps, ("Final", int(rows["plan"].notna().sum())))


def _stairs(first: tuple[str, float, int], steps: list[tuple[str, float, int]], last: tuple[str, int]) -> pd.DataFrame:
    name, at, items = first
    rows = [(name, "total", at, 0.0, at, items)]
    for label, amount, count in steps:
        rows.append((label, "change", amount, at, at + amount, count))
        at += amount
    rows.append((last[0], "total", at, 0.0, at, last[1]))
    return pd.DataFrame(rows, columns=["label", "step", "amount", "start", "end", "items"])


def changes(now: pd.DataFrame, then: pd.DataFrame) -> pd.DataFrame:
    """What moved the plan between two moments, in money, by category, the largest first.

    Args:
        now, then: leaves of the same period at either moment.

    Returns:
        ``label``, ``amount``, ``items``; the amounts add up to the change of the total. A category that moved nothing
        on balance, but did move items, is there too.
    """
    columns = ["plan", "ai", "manual", "decision", "reason", "is_override", "is_opposite", "final"]
    new, old = (_in_money(planned(each)).set_index("item")[columns] for each in (now, then))
    both = new.join(old, how="outer", lsuffix="_now", rsuffix="_then")
    both["amount"] = both["plan_now"].fillna(0.0) - both["plan_then"].fillna(0.0)
    moved = both[both["amount"] != 0]
    if moved.empty:
        return pd.DataFrame({"label": [], "amount": [], "items": []}).astype({"amount": float, "items": int})
    labels = moved.apply(_why_it_moved, axis=1, known_now=set(new.index), known_then=set(old.index))
    grouped = moved.groupby(labels)["amount"].agg(["sum", "size"]).reset_index()
    grouped.columns = pd.Index(["label", "amount", "items"])
    order = grouped["amount"].abs().sort_values(ascending=False, kind="stable").index
    return grouped.loc[order].reset_index(drop=True)


def _why_it_moved(row: pd.Series, *, known_now: set[int], known_then: set[int]) -> str:
    if row.name not in known_then:
        return "New items"
    if row.name not in known_now:
        return "Withdrawn items"
    decided_now, decided_then = pd.notna(row["final_now"]), pd.notna(row["final_then"])
    if decided_now and (not decided_then or row["decision_now"] != row["decision_then"]):
        if row["is_opposite_now"] == True or row["reason_now"] == "DEAL_TIMING":  # noqa: E712 -- or not known
            return reason_name("DEAL_TIMING")
        is_override = row["is_override_now"] == True  # noqa: E712 -- or not known
        return reason_name(row["reason_now"]) if is_override else "Decided within tolerance"
    if decided_then and not decided_now:
        return "Reopened or undone"
    return "AI forecast moved" if pd.notna(row["ai_now"]) else "Manual forecast moved"


def effect(leaves: pd.DataFrame, *, finals: Mapping[int, float], manuals: Mapping[int, float]) -> pd.DataFrame:
    """What edits would do to every total that they reach, before anything is saved.

    Args:
        finals: item → its final value as edited, in the unit.
        manuals: item → its manual forecast as edited.

    Returns:
        ``path``, ``depth``, ``name`` of each segment above an edited item, the whole first, and in money ``plan``,
        ``plan_after``, ``manual``, ``manual_after``.
    """
    edited = leaves.assign(
        final=leaves["item"].map(finals).astype(float).fillna(leaves["final"]),
        manual=leaves["item"].map(manuals).astype(float).fillna(leaves["manual"]),
    )
    touched = leaves.loc[leaves["item"].isin({*finals, *manuals}), "path"]
    before, after = tree(leaves), tree(edited)
    reached = before["path"].map(lambda path: any(each.startswith(path) for each in touched))
    return before[["path", "depth", "name", "plan", "manual"]].assign(
        plan_after=after["plan"], manual_after=after["manual"]
    )[reached]


def reason_name(code: object) -> str:
    """A reason's name for people, of its code."""
    known = REASONS.get(str(code))
    return known.name if known else "No reason kept"


def _in_money(rows: pd.DataFrame) -> pd.DataFrame:
    values = ["ai", "manual", "final", "plan", "last"]
    return rows.assign(**{name: rows[name] * rows["value_per_unit"] for name in values})


def _names(path: str) -> tuple[str, ...]:
    return tuple(path.split(SEPARATOR)[:-1])


def _true(flags: pd.Series) -> pd.Series:
    return flags.eq(True)
