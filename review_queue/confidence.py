"""Sources that disagree: how much each of them weighs, the value that they come to together, and how sure it is.

What one source says of one thing is a *statement* (docs/glossary.md); statements about the same thing are a *group*.
Whole tables go in and come out, so that one item and a whole queue are worked out by the same lines.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import erf

#: Past errors that the class of a source stands for, beside the source's own (METHODS 7.2, ν0).
PRIOR = 10.0
#: Days in which a statement of a source loses half of its weight, by the source's name (METHODS 7.2).
HALF_LIVES = {"ai": 7.0, "manual": 7.0, "crm": 14.0, "contract": 90.0, "contracts": 90.0, "market report": 60.0}
HALF_LIFE = 30.0  #: of any other source; ours
ASSUMED_MISS = 0.15  #: a share of the value: of a source that nothing is known of; ours
LARGEST_SHARE = 0.7  #: of the weight, that one source may have beside others
WITHIN = 0.10  #: confidence is the chance that the actual lies within this share of the reconciled value
RANGE_Z = 1.28  #: standard errors on either side: the range that holds the actual 8 times in 10
STALE = 0.25  #: freshness below which nothing is fresh
STALE_CONFIDENCE = 0.5  #: the most that is said where no source is fresh
FAR_OFF = 5.0  #: usual misses from the rest, beyond which a source is in conflict with it

Floats = NDArray[np.float64]

_NEVER_NOTHING = (
    1e-9  #: the least freshness, so that what is very old still weighs something where there is nothing else
)


class Agreement(StrEnum):
    """How far the sources of one thing agree; the text is the word that people read (METHODS 7.3)."""

    SINGLE = "single source"
    AGREE = "agree"
    SOME = "some disagreement"
    STRONG = "strong disagreement"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Overlap:
    """One source repeats part of what another says, so the two are not two witnesses."""

    source: str  #: the one that copies
    copies: str  #: the one that it copies from
    share: float  #: ρ, 0 to 1


def usual_miss(squares: pd.Series, count: pd.Series, class_miss: pd.Series) -> pd.Series:
    """How far a source is typically off: its own past errors, shrunk towards those of its class.

    Args:
        squares: sum of its squared past errors here, in the unit squared.
        count: how many they are.
        class_miss: σ0, in the unit, above 0.

    Returns:
        σ, in the unit.

    Source: METHODS 7.2, with ν0 = 10.
    """
    return ((PRIOR * class_miss**2 + squares) / (PRIOR + count)) ** 0.5


def class_share(mean_square: pd.Series, count: pd.Series, assumed: float) -> pd.Series:
    """How far a class of sources is typically off, as a share of the value: what is known, shrunk to what is assumed.

    Args:
        mean_square: of its past errors as shares of the values that were stated.
        count: how many they are; where it is 0, ``mean_square`` may be NaN.
        assumed: the share that counts as PRIOR further errors.

    Source: ours, by the same shrinking as ``usual_miss``.
    """
    return ((PRIOR * assumed**2 + (mean_square * count).fillna(0.0)) / (PRIOR + count)) ** 0.5


def typical_size(said: pd.DataFrame) -> pd.Series:
    """Of each statement, the size that its group is of: the median size of its values, at least where M is 10 % of it.

    Args:
        said: ``group``, ``value`` and ``materiality`` (both in the unit; the latter NaN where unknown).

    Returns:
        In the unit; NaN where all values are 0 and no materiality is known.
    """
    size = said["value"].abs().groupby(said["group"]).transform("median")
    size = size.where(size > 0, said["value"].abs().groupby(said["group"]).transform("max"))
    found: pd.Series = pd.concat([size, said["materiality"] / WITHIN], axis=1).max(axis=1)
    return found.where(found > 0)


def weigh(
    said: pd.DataFrame, *, overlaps: Collection[Overlap] = (), largest_share: float = LARGEST_SHARE
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What each statement weighs, and the value that the statements of each group come to together.

    Args:
        said: one row a statement, one source at most once in a group: ``group``, ``source``, ``value`` (unit),
            ``miss`` (σ, unit, above 0), ``age`` and ``half_life`` (days), ``materiality`` (unit, NaN where unknown).
        overlaps: who copies from whom; one counts where both speak.
        largest_share: that one of several sources may have, 0.5 to 1.

    Returns:
        Two tables. By statement, indexed as ``said``: ``freshness`` (F), ``independence`` (J), ``weight`` (τ),
        ``share`` (0 to 1), ``without`` (the value without this one, NaN where it is the only one), ``from_rest`` (how
        many of its own usual misses lie between it and that), ``is_far_off``.
        By group: ``sources``, ``value``, ``low`` and ``high`` (unit, the range that holds 8 in 10), ``error`` (the
        standard error), ``median`` (the weighted one, where there are three and it lies more than half a standard
        error away, else NaN), ``i_squared`` (0 to 1), ``agreement``, ``tolerance`` (unit), ``confidence`` (chance of
        being within it, 0 to 1; NaN where the tolerance is 0), ``is_fresh``, ``has_conflict``.

    Raises:
        ValueError: a usual miss is not above 0, or a source speaks twice in a group.

    Source: METHODS 7.2. That a capped share widens the error, and what the tolerance is near zero, are in
    docs/decisions.md.
    """
    if not (said["miss"] > 0).all():
        raise ValueError("every statement needs a usual miss above 0")
    if said.duplicated(["group", "source"]).any():
        raise ValueError("a source speaks at most once of the same thing")
    codes, names = pd.factorize(said["group"], sort=True)
    every = _Said.of(said, codes.astype(np.int64))
    weights = every.weights(overlaps, largest_share)
    without = every.without_each(overlaps, largest_share)
    from_rest = np.abs(every.value - without) / every.miss
    statements = pd.DataFrame(
        {
            "freshness": weights.freshness,
            "independence": weights.independence,
            "weight": weights.weight,
            "share": weights.share,
            "without": without,
            "from_rest": from_rest,
            "is_far_off": from_rest > FAR_OFF,
        },
        index=said.index,
    )
    groups = _together(every, weights, materiality=said["materiality"].to_numpy(dtype=float))
    groups["has_conflict"] = np.bincount(codes, weights=from_rest > FAR_OFF, minlength=len(names)) > 0
    return statements, groups.set_axis(pd.Index(names, name="group"))


@dataclass(frozen=True)
class _Weights:
    """What each statement weighs; arrays of one shape."""

    freshness: Floats
    independence: Floats
    weight: Floats
    share: Floats


@dataclass(frozen=True)
class _Said:
    """Statements as arrays, since a single item is weighed while somebody waits."""

    group: NDArray[np.int64]  #: numbers from 0
    source: NDArray[np.object_]
    value: Floats
    miss: Floats
    age: Floats
    half_life: Floats

    @classmethod
    def of(cls, said: pd.DataFrame, group: NDArray[np.int64]) -> _Said:
        numbers = (said[name].to_numpy(dtype=float) for name in ("value", "miss", "age", "half_life"))
        return cls(group, said["source"].to_numpy(dtype=object), *numbers)

    @property
    def sizes(self) -> NDArray[np.int64]:
        return np.bincount(self.group)

    def total(self, of: Floats) -> Floats:
        """The sum in each group."""
        found: Floats = np.bincount(self.group, weights=of).astype(np.float64)
        return found

    def weights(self, overlaps: Collection[Overlap], largest_share: float) -> _Weights:
        freshness = np.maximum(0.5 ** (np.maximum(self.age, 0.0) / self.half_life), _NEVER_NOTHING)
        copied = np.zeros(len(self.value))
        for overlap in overlaps:
            is_there = np.bincount(self.group, weights=self.source == overlap.copies) > 0
            copied += ((self.source == overlap.source) & is_there[self.group]) * max(0.0, overlap.share)
        independence = 1 / (1 + copied)
        weight = freshness * independence / self.miss**2
        share = weight / self.total(weight)[self.group]
        # No two can both be above a half, so a cap of at least that is reached by one alone.
        is_capped = (share > largest_share) & (self.sizes[self.group] > 1)
        in_capped = self.total(is_capped.astype(float))[self.group] > 0
        others = self.total(np.where(is_capped, 0.0, weight))[self.group]
        rest = (1 - largest_share) * weight / np.where(others > 0, others, 1.0)
        share = np.where(is_capped, largest_share, np.where(in_capped, rest, share))
        return _Weights(freshness, independence, weight, share)

    def without_each(self, overlaps: Collection[Overlap], largest_share: float) -> Floats:
        """Of each statement, what its group comes to without it; NaN where it is alone."""
        order = np.argsort(self.group, kind="stable")
        sizes = self.sizes[self.group[order]]
        left_out = np.repeat(np.arange(len(order)), sizes)  # each statement once for each of its group
        first = np.searchsorted(self.group[order], self.group[order])
        place = np.arange(len(left_out)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        beside = np.repeat(first, sizes) + place
        is_other = beside != left_out
        left_out, beside = left_out[is_other], order[beside[is_other]]
        rest = _Said(
            left_out, *(part[beside] for part in (self.source, self.value, self.miss, self.age, self.half_life))
        )
        found = np.full(len(order), np.nan)
        if len(left_out):
            shares = rest.weights(overlaps, largest_share).share
            is_left = np.bincount(left_out, minlength=len(order)) > 0
            sums = np.bincount(left_out, weights=shares * rest.value, minlength=len(order))
            found[order] = np.where(is_left, sums, np.nan)
        return found


def _together(said: _Said, weights: _Weights, *, materiality: Floats) -> pd.DataFrame:
    count, share = said.sizes, weights.share
    value = said.total(share * said.value)
    apart = said.total(weights.weight * (said.value - value[said.group]) ** 2)
    free = count - 1
    i_squared = np.maximum((apart - free) / np.where(apart > 0, apart, 1.0), 0.0) * (apart > 0)
    stretch = np.maximum(np.sqrt(apart / np.maximum(free, 1)), 1.0) ** (free > 0)
    error = stretch * np.sqrt(said.total(share**2 / weights.weight))
    material, freshest = np.full(len(count), np.nan), np.zeros(len(count))
    np.fmax.at(material, said.group, materiality)
    np.fmax.at(freshest, said.group, weights.freshness)
    tolerance = np.fmax(WITHIN * np.abs(value), material)
    confidence = np.where(tolerance > 0, erf(tolerance / error / np.sqrt(2)), np.nan)
    median = _weighted_median(said, share)
    says_more = (count >= 3) & (np.abs(median - value) > 0.5 * error)
    is_fresh = freshest >= STALE
    return pd.DataFrame(
        {
            "sources": count,
            "value": value,
            "low": value - RANGE_Z * error,
            "high": value + RANGE_Z * error,
            "error": error,
            "median": np.where(says_more, median, np.nan),
            "i_squared": i_squared,
            "agreement": [agreement(*each) for each in zip(count.tolist(), i_squared.tolist(), strict=True)],
            "tolerance": tolerance,
            "confidence": np.where(is_fresh, confidence, np.minimum(confidence, STALE_CONFIDENCE)),
            "is_fresh": is_fresh,
        }
    )


def agreement(sources: int, i_squared: float) -> Agreement:
    """The word for how far so many sources agree (METHODS 7.3)."""
    if sources < 2:
        return Agreement.SINGLE
    if i_squared < 0.25:
        return Agreement.AGREE
    if i_squared < 0.5:
        return Agreement.SOME
    return Agreement.STRONG if i_squared <= 0.75 else Agreement.CONFLICT


def _weighted_median(said: _Said, share: Floats) -> Floats:
    """By group, the smallest value up to which half of the weight lies."""
    order = np.lexsort((said.value, said.group))
    group, so_far = said.group[order], np.cumsum(share[order])
    before = np.concatenate([[0.0], np.cumsum(said.total(share))[:-1]])
    is_half = so_far - before[group] >= 0.5 - 1e-9
    _, first = np.unique(group[is_half], return_index=True)
    found: Floats = said.value[order][is_half][first]
    return found
