"""Signs that the AI or what it is fed has changed, before any actual is known (METHODS 8.3)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from review_queue.measures.groups import split
from review_queue.measures.overrides import NOT_ENOUGH, is_override, judged
from review_queue.measures.value_added import ADDS, CANT_TELL, COSTS

BINS = 10
PRIOR_COUNT = 0.5  #: added to every bin, so that an empty one is no infinity
FLOOR = 0.10  #: a smaller index is no effect worth a word, however sure
SHOWN_FROM, CONCLUDED_FROM = 50, 200  #: values on either side (METHODS 9)
SURE = 0.99
REFERENCE_WEEKS = 8
SIGMAS = 3.0
PSI_COLUMNS = ("group", "n", "n_reference", "psi", "limit", "verdict")
SHIFTED, NOT_SHIFTED = "shifted", "no sign of a shift"
DATA_OR_MODEL = ("DATA_ERROR", "MODEL_GAP")  #: reasons that blame what the AI was fed or how it was built
AI_PROBLEM = "AI problem: people disagree with it more, and they are right to"
TRUST_PROBLEM = "trust problem: people disagree with it more, and it does not help"


def psi(reference: pd.Series, current: pd.Series) -> float:
    """How differently two samples spread over the reference's deciles (population stability index), from 0.

    ``Σ (p - q) ln(p / q)`` with half a value added to every bin. Values equal to an edge belong to the bin below;
    deciles that coincide are one bin. NaN where either has fewer than 50 known values.

    Source: METHODS 8.3.
    """
    reference, current = reference.dropna(), current.dropna()
    if min(len(reference), len(current)) < SHOWN_FROM:
        return float("nan")
    edges = _edges(reference)
    q, p = _shares(reference, edges), _shares(current, edges)
    return float(((p - q) * np.log(p / q)).sum())


def psi_limit(n: int, n_reference: int, *, bins: int = BINS) -> float:
    """The index above which a shift is more than chance: ``χ²(.99, bins - 1) (1/n + 1/m)``, and at least 0.10.

    Source: METHODS 8.3: the usual limits of 0.10 and 0.25 do not know how many values there were.
    """
    from scipy.stats import chi2

    return max(FLOOR, float(chi2.ppf(SURE, bins - 1)) * (1 / n + 1 / n_reference))


def shifted(
    reviews: pd.DataFrame, is_reference: pd.Series, *, of: str, groups: pd.Series | None = None
) -> pd.DataFrame:
    """Whether the column ``of`` (``u``, ``ai``, or any figure) spreads otherwise than it did, by group.

    Args:
        is_reference: which rows were before, with the index of ``reviews``; the others are now.

    Returns:
        ``n`` and ``n_reference`` known values, ``psi`` and its ``limit`` (NaN below 50 on either side), ``verdict``:
        "shifted" or "no sign of a shift" from 200 on either side, "can't tell yet" below, "not enough data" below 50.
    """
    known = reviews[reviews[of].notna()]
    rows = []
    for name, part in split(known, groups):
        before = is_reference.reindex(part.index).astype(bool)
        rows.append((name, *_shift(part.loc[before, of], part.loc[~before, of])))
    return pd.DataFrame(rows, columns=list(PSI_COLUMNS))


def p_chart(weekly: pd.DataFrame, *, reference: int = REFERENCE_WEEKS) -> pd.DataFrame:
    """Which weeks' shares lie outside three standard deviations of what went before, and which second ones in a row.

    Args:
        weekly: ``week`` (any text or date that sorts), ``hits`` and ``n`` (counts), a row a week.

    Returns:
        In the order of the weeks: those columns, ``share``, ``centre`` (the share of the ``reference`` weeks before,
        leaving out the one just before, which may be the first of two), ``low`` and ``high`` (0 to 1), ``outside`` -1,
        0 or 1, and ``alarm`` where it is outside on the same side as the week before. NaN and no alarm where fewer
        than ``reference`` weeks went before.

    Source: METHODS 8.3, after W. A. Shewhart; the moving reference of eight weeks is that of METHODS 8.4.
    """
    table = weekly.sort_values("week", ignore_index=True)
    before = table[["hits", "n"]].shift(2).rolling(reference, min_periods=reference).sum()
    n = table["n"].where(table["n"] > 0)
    table["share"] = table["hits"] / n
    table["centre"] = before["hits"] / before["n"].where(before["n"] > 0)
    spread = SIGMAS * np.sqrt(table["centre"] * (1 - table["centre"]) / n)
    table["low"], table["high"] = (table["centre"] - spread).clip(lower=0), (table["centre"] + spread).clip(upper=1)
    beyond = (table["share"] > table["high"]).astype(int) - (table["share"] < table["low"]).astype(int)
    table["outside"] = beyond
    table["alarm"] = (beyond != 0) & (beyond == beyond.shift(1))
    return table


def weekly_signs(reviews: pd.DataFrame, weeks: pd.Series, *, tolerance: float) -> pd.DataFrame:
    """What moves when the AI or its inputs change, a row per sign and week.

    Args:
        reviews: ``ai``, ``final``, ``state``, ``reason``, ``u``, ``flagged`` and, where they are known, ``withheld``
            (why the AI's value was not shown) and ``ai_made_at`` with ``created_at`` (UTC).
        weeks: the week of each review, with the index of ``reviews``; unknown ones do not count.
        tolerance: share of the AI's value within which a final value is no override.

    Returns:
        ``sign``, ``week``, ``n`` and ``value``. Shares (``flagged``; ``override_rate`` of the decided;
        ``data_or_model_reasons`` among overrides; ``withheld`` of those with an AI value; ``missing``, those without)
        come with the ``centre``, ``low``, ``high`` and ``alarm`` of ``p_chart``; the medians ``median_u`` (of |u|) and
        ``input_age_hours`` have none.
    """
    tables = [_weekly_share(sign, rows, hit, weeks) for sign, (rows, hit) in _shares_of(reviews, tolerance).items()] + [
        _weekly_median(sign, values, weeks) for sign, values in _medians_of(reviews).items()
    ]
    columns = ["sign", "week", "n", "value", "centre", "low", "high", "alarm"]
    return pd.concat([table.reindex(columns=columns) for table in tables], ignore_index=True)


def disagreement_means(*, is_rising: bool, verdict: str | None) -> str | None:
    """What growing disagreement with the AI points to, from what overrides added; None where that is open.

    Args:
        verdict: of the final value against the AI's, as ``value_added`` gives it.
    """
    if not is_rising or verdict not in (ADDS, COSTS):
        return None
    return AI_PROBLEM if verdict == ADDS else TRUST_PROBLEM


def _edges(reference: pd.Series) -> np.ndarray:
    return np.unique(np.quantile(reference.to_numpy(float), np.arange(1, BINS) / BINS))


def _shares(values: pd.Series, edges: np.ndarray) -> np.ndarray:
    counts = np.bincount(np.searchsorted(edges, values.to_numpy(float), side="left"), minlength=len(edges) + 1)
    return (counts + PRIOR_COUNT) / (len(values) + PRIOR_COUNT * len(counts))


def _shift(reference: pd.Series, current: pd.Series) -> tuple[int, int, float, float, str]:
    n, m = len(current), len(reference)
    if min(n, m) < SHOWN_FROM:
        return n, m, float("nan"), float("nan"), NOT_ENOUGH
    bins = len(_edges(reference)) + 1
    value, limit = psi(reference, current), psi_limit(n, m, bins=bins)
    if min(n, m) < CONCLUDED_FROM:
        return n, m, value, limit, CANT_TELL
    return n, m, value, limit, SHIFTED if value > limit else NOT_SHIFTED


def _shares_of(reviews: pd.DataFrame, tolerance: float) -> dict[str, tuple[pd.DataFrame, pd.Series]]:
    """Each share: the reviews that it is of, and which of them count."""
    has_ai, decided = reviews[reviews["ai"].notna()], judged(reviews)
    made = is_override(decided, tolerance=tolerance)
    changed = decided[made]
    shares = {
        "flagged": (reviews, reviews["flagged"]),
        "override_rate": (decided, made),
        "data_or_model_reasons": (changed, changed["reason"].isin(DATA_OR_MODEL)),
        "missing": (reviews, reviews["ai"].isna()),
    }
    if "withheld" in reviews:
        shares["withheld"] = (has_ai, has_ai["withheld"].fillna("").ne(""))
    return shares


def _medians_of(reviews: pd.DataFrame) -> dict[str, pd.Series]:
    medians = {"median_u": reviews["u"].abs()}
    if "ai_made_at" in reviews:
        medians["input_age_hours"] = (reviews["created_at"] - reviews["ai_made_at"]).dt.total_seconds() / 3600
    return medians


def _weekly_share(sign: str, rows: pd.DataFrame, hit: pd.Series, weeks: pd.Series) -> pd.DataFrame:
    by_week = hit.astype(bool).groupby(weeks.reindex(rows.index))
    weekly = pd.DataFrame({"hits": by_week.sum(), "n": by_week.size()}).rename_axis("week").reset_index()
    return p_chart(weekly).rename(columns={"share": "value"}).assign(sign=sign)


def _weekly_median(sign: str, values: pd.Series, weeks: pd.Series) -> pd.DataFrame:
    by_week: Callable[..., pd.DataFrame] = values.dropna().groupby(weeks.reindex(values.dropna().index)).agg
    return (
        by_week(["size", "median"]).set_axis(["n", "value"], axis=1).rename_axis("week").reset_index().assign(sign=sign)
    )
