"""Whether overrides helped, and which kinds of them did (METHODS 3.5).

``adj`` is the final value minus the AI's, ``gap`` the actual minus the AI's; an override came nearer to what happened
exactly if adj / gap lies between 0 and 2. The four ways in which it can end are those of ``damping``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from review_queue.measures.damping import HELPED, OVERSHOOT, WRONG_DIRECTION, outcomes
from review_queue.measures.groups import split
from review_queue.measures.overrides import NOT_ENOUGH, is_override, judged, wilson
from review_queue.measures.value_added import CANT_TELL, is_controllable, matched
from review_queue.reasons import REASONS

COLUMNS = (
    "group",
    "n",
    "hit",
    "hit_low",
    "hit_high",
    "shrunk_hit",
    "wrong",
    "wrong_low",
    "wrong_high",
    "overshoot",
    "overshoot_low",
    "overshoot_high",
    "net_error_removed",
    "median_ratio",
    "state",
)
DEFAULT_KAPPA = 20.0  #: overrides that the overall rate counts as, where the groups cannot tell
FEWEST_GROUPS = 3  #: from which a spread between groups is estimated
#: Hours to the deadline at which each bucket begins (METHODS 5.3).
DEADLINES: dict[str, float] = {"late": -np.inf, "under_1d": 0, "d1_3": 24, "d3_6": 72, "later": 144}
QUARTILES = ("smallest quarter", "second quarter", "third quarter", "largest quarter")
CUTS = ("direction", "size", "reason", "reason class", "horizon", "deadline", "person")

SELECTION_WARNING = (
    "Overrides are chosen, not random: that they helped does not say that more of them would. "
    "Only the random sample of routine items and blind second reviews are free of this."
)
PERFORMATIVE_WARNING = (
    "A forecast can move what happens: a commitment becomes a target, a promotion is booked because of it. "
    "Overrides for something in our own control are left out."
)


class MinimumSample(NamedTuple):
    """Overrides from which figures are shown and may be concluded from."""

    shown: int
    concluded: int


ENOUGH = MinimumSample(20, 60)  #: METHODS 9
ENOUGH_OF_A_PERSON = MinimumSample(100, 100)  #: METHODS 3.5: less says nothing of a person


def overridden(reviews: pd.DataFrame, *, tolerance: float, controllable: bool = False) -> pd.DataFrame:
    """The overrides whose actual is known, with how each ended.

    Args:
        reviews: ``ai``, ``final`` and ``actual`` in the unit, ``value_per_unit`` (money), ``state``, ``reason``,
            ``is_lower_bound``, and where they are known ``scale`` (the usual miss, in the unit) and ``controllable``.
        tolerance: share of the AI's value within which a final value is no override.
        controllable: give those for something in our own control instead, to be shown apart.

    Returns:
        The rows that are overrides, with ``adj`` and ``gap`` (unit), ``outcome``, ``helped``, ``removed`` (the AI's
        error minus the final's, money), ``ratio`` (adj / gap; NaN for a gap of 0 and under a lower bound, where the
        gap is unknown), ``size`` (|adj| in usual misses; NaN without any) and ``direction``, ``up`` or ``down``.
        Under a lower bound that neither value lies above, only the direction counts, and that is known.
    """
    fair = matched(reviews.assign(controllable=is_controllable(reviews).ne(controllable)), ["ai", "final"])
    decided = judged(fair)
    made = decided[is_override(decided, tolerance=tolerance)].drop(columns="controllable")
    adj, gap = made["final"] - made["ai"], made["actual"] - made["ai"]
    removed = made["value_per_unit"] * (gap.abs() - (made["actual"] - made["final"]).abs())
    label = outcomes(pd.DataFrame({"adj": adj, "gap": gap}))
    scale = made["scale"].where(made["scale"] > 0) if "scale" in made else float("nan")
    return made.assign(
        adj=adj,
        gap=gap,
        outcome=label,
        helped=label.isin(HELPED),
        removed=removed,
        ratio=(adj / gap.where(gap != 0)).mask(made["is_lower_bound"]),
        size=adj.abs() / scale,
        direction=np.where(adj > 0, "up", "down"),
    )


def effectiveness(
    past: pd.DataFrame,
    *,
    groups: pd.Series | None = None,
    minimum: MinimumSample = ENOUGH,
) -> pd.DataFrame:
    """How often overrides hit, went the wrong way and overshot, by group, and how much error they removed.

    Args:
        past: as ``overridden`` gives it.

    Returns:
        ``n`` overrides; ``hit``, ``wrong`` and ``overshoot`` rates, 0 to 1, each with its Wilson 95 % interval;
        ``shrunk_hit``, the hit rate drawn towards that of all groups; ``net_error_removed`` (money, below 0: they added
        error); ``median_ratio`` of adj / gap. ``state`` is "not enough data" below the number to show (all figures are
        then NaN), "can't tell yet" below the number to conclude from, and otherwise unknown.

    Source: METHODS 3.5.
    """
    rows = [_counts(name, part) for name, part in split(past, groups)]
    table = pd.DataFrame(rows, columns=["group", "n", "hits", "wrongs", "overshoots", *COLUMNS[-3:-1]])
    tried = table["n"].where(table["n"] > 0)
    for rate, count in (("hit", "hits"), ("wrong", "wrongs"), ("overshoot", "overshoots")):
        table[rate] = table[count] / tried
        table[[f"{rate}_low", f"{rate}_high"]] = wilson(table[count], table["n"])
    table["shrunk_hit"] = shrunk(table["hits"], table["n"])
    hidden = table["n"] < minimum.shown
    figures = list(COLUMNS[2:-1])
    table[figures] = table[figures].astype(float).mask(hidden)
    table["state"] = np.select([hidden, table["n"] < minimum.concluded], [NOT_ENOUGH, CANT_TELL], "")
    table["state"] = table["state"].astype("object").where(table["state"] != "", None)
    return table[list(COLUMNS)]


def effectiveness_by(past: pd.DataFrame, cut: str) -> pd.DataFrame:
    """``effectiveness`` by one of ``CUTS``, or by a column of ``past`` such as ``segment_region``.

    Of a person nothing is said below 100 overrides.
    """
    minimum = ENOUGH_OF_A_PERSON if cut == "person" else ENOUGH
    return effectiveness(past, groups=cut_by(past, cut), minimum=minimum)


def cut_by(past: pd.DataFrame, cut: str) -> pd.Series:
    """Which group of a cut each override is in; unknown (None) where the column that it is made from is missing.

    ``size`` are quarters of |adj| in usual misses, ``reason class`` I, C or N (METHODS 6.2), ``horizon`` the column or
    the imported attribute of that name, ``deadline`` buckets of ``hours_to_deadline``, ``person`` the reviewer.
    """
    if cut == "size":
        return _quarters(past["size"])
    if cut == "reason class":
        return past["reason"].map({code: reason.kind for code, reason in REASONS.items()}).astype("object")
    if cut == "deadline":
        return _until(_column(past, "hours_to_deadline"))
    if cut == "horizon":
        return _column(past, "horizon" if "horizon" in past else "attribute_horizon")
    return _column(past, "reviewer" if cut == "person" else cut)


def shrunk(hits: pd.Series, n: pd.Series) -> pd.Series:
    """Each group's rate drawn towards the rate of all: ``(k + κ p) / (n + κ)`` with κ as ``kappa`` gives it.

    NaN throughout where there is not one row. A group without rows gets the overall rate.
    """
    if not n.sum():
        return pd.Series(float("nan"), index=n.index)
    weight = kappa(hits, n)
    return (hits + weight * (hits.sum() / n.sum())) / (n + weight)


def kappa(hits: pd.Series, n: pd.Series) -> float:
    """How many rows the overall rate counts as, by matching the spread of the groups' rates to a beta-binomial's.

    The rates' weighted sum of squares ``S = Σ n (k/n - p)²`` has mean ``p(1-p) [(G-1) + ρ (N - Σn²/N - (G-1))]``; it is
    solved for ρ, and κ = 1/ρ - 1.

    Returns:
        Above 0; 20 where that has no answer: fewer than 3 groups, one rate of 0 or 1 throughout, or groups that
        differ no more than chance would make them.

    Source: METHODS 3.5; J. C. Kleinman (1973), JASA 68, 46-54.
    """
    known = n > 0
    k, m = hits[known].to_numpy(float), n[known].to_numpy(float)
    count, total = len(m), m.sum()
    if count < FEWEST_GROUPS:
        return DEFAULT_KAPPA
    p = k.sum() / total
    room = total - (m**2).sum() / total - (count - 1)
    if p in (0.0, 1.0) or room <= 0:
        return DEFAULT_KAPPA
    alike = ((m * (k / m - p) ** 2).sum() / (p * (1 - p)) - (count - 1)) / room
    return float(1 / alike - 1) if 1e-6 < alike < 1 else DEFAULT_KAPPA


def _counts(name: str | None, part: pd.DataFrame) -> tuple[object, ...]:
    label = part["outcome"]
    wrong, overshoot = int((label == WRONG_DIRECTION).sum()), int((label == OVERSHOOT).sum())
    return (name, len(part), int(part["helped"].sum()), wrong, overshoot, part["removed"].sum(), part["ratio"].median())


def _quarters(sizes: pd.Series) -> pd.Series:
    """The quarter that each size is in; sizes that are equal share one."""
    place = sizes.rank(method="max") / sizes.notna().sum()
    named = np.select([place <= 0.25, place <= 0.5, place <= 0.75, place <= 1], QUARTILES, "")
    return pd.Series(named, index=sizes.index, dtype="object").where(sizes.notna(), None)


def _until(hours: pd.Series) -> pd.Series:
    known = pd.to_numeric(hours, errors="coerce").astype(float)
    found = pd.cut(known, [*DEADLINES.values(), np.inf], right=False, labels=list(DEADLINES))
    return found.astype("object").where(known.notna(), None)


def _column(past: pd.DataFrame, name: str) -> pd.Series:
    return past[name] if name in past else pd.Series(None, index=past.index, dtype="object")
