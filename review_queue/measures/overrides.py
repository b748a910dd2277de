"""How often people go against the AI (METHODS 4.3)."""

from __future__ import annotations

import pandas as pd

from review_queue.measures.expected import expected_rates
from review_queue.measures.funnel import funnel
from review_queue.measures.groups import split

COLUMNS = ("group", "n", "overrides", "rate", "low", "high", "expected", "ratio", "state")
ENOUGH = 20  #: decisions from which a rate is worth showing (METHODS 9)
CONCLUDED_FROM = 60  #: decisions from which one may be worth a look
OUTSIDE = 99.8  #: percent: the limits outside which it is
NOT_ENOUGH = "not enough data"
IN_USUAL_RANGE = "in usual range"
WORTH_A_LOOK = "worth a look"


def wilson(successes: pd.Series, n: pd.Series) -> pd.DataFrame:
    """The 95 % intervals of shares: ``low`` and ``high``, 0 to 1; NaN where ``n`` is 0.

    Source: E. B. Wilson (1927), JASA 22, 209-212, as statsmodels computes it.
    """
    from statsmodels.stats.proportion import proportion_confint  # half a second that no start should wait for

    tried = n.where(n > 0).astype(float)
    low, high = proportion_confint(successes.astype(float), tried, method="wilson")
    return pd.DataFrame({"low": low, "high": high}, index=n.index)


def judged(reviews: pd.DataFrame) -> pd.DataFrame:
    """The reviews in which a final value stands where the AI had one: those that can be overrides."""
    return reviews[(reviews["state"] == "decided") & reviews["final"].notna() & reviews["ai"].notna()]


def is_override(reviews: pd.DataFrame, *, tolerance: float) -> pd.Series:
    """Whether the final value differs from the AI's by more than ``tolerance``, a share of the AI's value."""
    return (reviews["final"] - reviews["ai"]).abs() > tolerance * reviews["ai"].abs()


def overrides(
    reviews: pd.DataFrame, *, tolerance: float, groups: pd.Series | None = None, tiers: pd.Series | None = None
) -> pd.DataFrame:
    """The override rate by group, with its Wilson 95 % interval, beside what its mix of items lets expect.

    Args:
        reviews: with ``state``, ``final`` and ``ai``; only decided reviews with both values count. ``band`` and
            ``hours_to_deadline`` make the expectation, where they are known.
        tolerance: share of the AI's value within which a final value is not an override.
        tiers: the top level of each review's segment, with the index of ``reviews``: a further part of the mix.
            Only where a tier has many people: among three, one who rejects everything moves what is expected of the
            other two, and they look low.

    Returns:
        ``n`` decisions and ``overrides`` among them; ``rate``, ``low`` and ``high`` are 0 to 1. ``expected`` is a
        count: the overrides of anyone with these items, fitted on all reviews passed; ``ratio`` is observed over
        expected; both are NaN below 20 decisions. ``state`` is "worth a look" outside the 99.8 % limits corrected
        for over-dispersion, from 60 decisions; "not enough data" below 20 decisions, and up to 60 where the rate lies
        outside; else "in usual range". A single group is its own expectation, and so in its usual range.

    Source: METHODS 4.3 and 9.
    """
    counts = override_funnel(reviews, tolerance=tolerance, groups=groups, tiers=tiers)
    table = counts[["group", "n", "expected"]].assign(overrides=counts["observed"].astype(int))
    table["rate"] = table["overrides"] / table["n"].where(table["n"] > 0)
    table[["low", "high"]] = wilson(table["overrides"], table["n"])
    table["expected"] = table["expected"].where(table["n"] >= ENOUGH)
    table["ratio"] = table["overrides"] / table["expected"].where(table["expected"] > 0)
    table["state"] = state_of(table["n"], counts["beyond"] == OUTSIDE, show=ENOUGH, conclude=CONCLUDED_FROM)
    return table[list(COLUMNS)]


def override_funnel(
    reviews: pd.DataFrame, *, tolerance: float, groups: pd.Series | None = None, tiers: pd.Series | None = None
) -> pd.DataFrame:
    """The funnel of override rates: what ``funnel.funnel`` returns, with ``group``. Arguments: as for ``overrides``.

    Limits are around each group's own expected rate; draw them against ``n``.
    """
    decided = judged(reviews)
    made = is_override(decided, tolerance=tolerance)
    chance = expected_rates(decided, made, tiers=tiers)
    rows = pd.DataFrame({"observed": made.astype(float), "expected": chance, "variance": chance * (1 - chance)})
    counts = [{"group": name, "n": len(part), **part.sum()} for name, part in split(rows, groups)]
    return funnel(pd.DataFrame(counts, columns=["group", "n", "observed", "expected", "variance"]))


def state_of(n: pd.Series, is_outside: pd.Series, *, show: int, conclude: int) -> pd.Series:
    """The state of each figure: nothing is said below ``show``, nothing is worth a look below ``conclude``.

    In between, one that lies outside has "not enough data": it is neither usual nor concluded.
    """
    known = is_outside.map({True: WORTH_A_LOOK, False: IN_USUAL_RANGE}).astype("object")
    return known.mask((n < show) | (is_outside & (n < conclude)), NOT_ENOUGH)


def reason_shares(reviews: pd.DataFrame, *, tolerance: float) -> pd.DataFrame:
    """What share of the overrides carries each reason code, most frequent first.

    Returns:
        ``reason`` (code; None where none was recorded), ``overrides``, ``of`` (all overrides), ``share`` 0 to 1 with
        its Wilson interval ``low`` and ``high``.
    """
    decided = judged(reviews)
    made = decided[is_override(decided, tolerance=tolerance)]
    counts = [(code, len(part), len(made)) for code, part in split(made, made["reason"])]
    table = pd.DataFrame(counts, columns=["reason", "overrides", "of"])
    table["share"] = table["overrides"] / table["of"]
    table[["low", "high"]] = wilson(table["overrides"], table["of"])
    return table.sort_values("overrides", ascending=False, kind="stable", ignore_index=True)
