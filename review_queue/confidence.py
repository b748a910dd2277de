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
    statements = _weights(said, overlaps, largest_share)
    groups = _together(said, statements)
    statements["without"] = _without_each(said, overlaps, largest_share)
    statements["from_rest"] = (said["value"] - statements["without"]).abs() / said["miss"]
    statements["is_far_off"] = statements["from_rest"] > FAR_OFF
    far_off = statements["is_far_off"].groupby(said["group"]).any()
    groups["has_conflict"] = far_off.reindex(groups.index)
    return statements, groups


def _weights(said: pd.DataFrame, overlaps: Collection[Overlap], largest_share: float) -> pd.DataFrame:
    group = said["group"]
    freshness = (0.5 ** (said["age"].clip(lower=0) / said["half_life"])).clip(lower=_NEVER_NOTHING)
    copied = pd.Series(0.0, index=said.index)
    for overlap in overlaps:
        copied_from = group[said["source"] == overlap.copies]
        is_copy = (said["source"] == overlap.source) & group.isin(copied_from)
        copied = copied + is_copy * max(0.0, overlap.share)
    independence = 1 / (1 + copied)
    weight = freshness * independence / said["miss"] ** 2
    whole = weight.groupby(group).transform("sum")
    share = weight / whole
    # No two can both be above a half, so a cap of at least that is reached by one alone.
    is_capped = (share > largest_share) & (group.groupby(group).transform("size") > 1)
    in_capped = is_capped.groupby(group).transform("any")
    others = weight.where(~is_capped, 0.0).groupby(group).transform("sum")
    share = share.where(~in_capped, (1 - largest_share) * weight / others.where(others > 0, 1.0))
    share = share.where(~is_capped, largest_share)
    return pd.DataFrame({"freshness": freshness, "independence": independence, "weight": weight, "share": share})


def _together(said: pd.DataFrame, statements: pd.DataFrame) -> pd.DataFrame:
    group, value, weight, share = said["group"], said["value"], statements["weight"], statements["share"]
    by = share.groupby(group)
    count = by.size()
    reconciled = (share * value).groupby(group).sum()
    apart = (weight * (value - group.map(reconciled)) ** 2).groupby(group).sum()
    free = count - 1
    i_squared = ((apart - free) / apart.where(apart > 0, 1.0)).clip(lower=0).where(apart > 0, 0.0)
    stretch = np.sqrt(apart / free.where(free > 0, 1)).where(free > 0, 1.0).clip(lower=1.0)
    error = stretch * np.sqrt((share**2 / weight).groupby(group).sum())
    tolerance = np.fmax(WITHIN * reconciled.abs(), said["materiality"].groupby(group).max())
    is_fresh = statements["freshness"].groupby(group).max() >= STALE
    confidence = pd.Series(erf(tolerance / error / np.sqrt(2)), index=count.index).where(tolerance > 0)
    median = _weighted_median(said, share).reindex(count.index)
    says_more = (count >= 3) & ((median - reconciled).abs() > 0.5 * error)
    return pd.DataFrame(
        {
            "sources": count,
            "value": reconciled,
            "low": reconciled - RANGE_Z * error,
            "high": reconciled + RANGE_Z * error,
            "error": error,
            "median": median.where(says_more),
            "i_squared": i_squared,
            "agreement": [agreement(*each) for each in zip(count, i_squared, strict=True)],
            "tolerance": tolerance,
            "confidence": confidence.where(is_fresh, np.fmin(confidence, STALE_CONFIDENCE)),
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


def _weighted_median(said: pd.DataFrame, share: pd.Series) -> pd.Series:
    """By group, the smallest value up to which half of the weight lies."""
    rows = pd.DataFrame({"group": said["group"], "value": said["value"], "share": share})
    rows = rows.sort_values(["group", "value"], kind="stable")
    half = rows[rows.groupby("group")["share"].cumsum() >= 0.5 - 1e-12]
    found: pd.Series = half.groupby("group")["value"].first()
    return found


def _without_each(said: pd.DataFrame, overlaps: Collection[Overlap], largest_share: float) -> pd.Series:
    """Of each statement, what its group comes to without it; NaN where it is alone."""
    rows = said[["group", "source", "value", "miss", "age", "half_life", "materiality"]].assign(label=said.index)
    pairs = rows.merge(rows[["group", "label"]].rename(columns={"label": "left_out"}), on="group")
    pairs = pairs[pairs["label"] != pairs["left_out"]]
    if pairs.empty:
        return pd.Series(np.nan, index=said.index)
    rest = pairs.drop(columns="group").rename(columns={"left_out": "group"}).reset_index(drop=True)
    shares = _weights(rest, overlaps, largest_share)["share"]
    return (shares * rest["value"]).groupby(rest["group"]).sum().reindex(said.index)
