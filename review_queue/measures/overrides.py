"""How often people go against the AI (METHODS 4.3)."""

from __future__ import annotations

import pandas as pd

from review_queue.measures.groups import split

COLUMNS = ("group", "n", "overrides", "rate", "low", "high", "expected", "ratio", "state")
ENOUGH = 20  #: decisions from which a rate is worth showing (METHODS 9)
NOT_ENOUGH = "not enough data"


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


def overrides(reviews: pd.DataFrame, *, tolerance: float, groups: pd.Series | None = None) -> pd.DataFrame:
    """The override rate by group, with its Wilson 95 % interval.

    Args:
        reviews: with ``state``, ``final`` and ``ai``; only decided reviews with both values count.
        tolerance: share of the AI's value within which a final value is not an override.

    Returns:
        ``n`` decisions and ``overrides`` among them; ``rate``, ``low`` and ``high`` are 0 to 1. ``expected`` and
        ``ratio`` (observed over expected, given the mix) are not worked out yet and NaN. ``state`` says
        "not enough data" below 20 decisions, and is otherwise unknown while ``expected`` is.
    """
    decided = judged(reviews)
    made = is_override(decided, tolerance=tolerance)
    counts = [(name, len(part), int(made[part.index].sum())) for name, part in split(decided, groups)]
    table = pd.DataFrame(counts, columns=["group", "n", "overrides"])
    table["rate"] = table["overrides"] / table["n"].where(table["n"] > 0)
    table[["low", "high"]] = wilson(table["overrides"], table["n"])
    table[["expected", "ratio"]] = float("nan")
    table["state"] = table["n"].lt(ENOUGH).map({True: NOT_ENOUGH, False: None})
    return table[list(COLUMNS)]


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
