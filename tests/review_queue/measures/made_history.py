"""Many reviews at once, made from a seed, in the columns that the measures of accuracy read."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.review_queue.measures.made_reviews import ORDINARY, TIMES


def history(rng: np.random.Generator, *, series: int, periods: int, **errors: float) -> pd.DataFrame:
    """Decided reviews of ``series`` × ``periods`` months; each step misses by Student-5 errors of the size given."""
    n = series * periods
    months = pd.period_range("2021-01", periods=periods, freq="M").astype(str)
    actual = 100 + 20 * rng.standard_normal(n)
    steps = {step: actual + size * rng.standard_t(5, n) for step, size in errors.items()}
    table = pd.DataFrame(
        {
            **{name: [value] * n for name, value in ORDINARY.items()},
            "series": np.repeat([f"s{place:03}" for place in range(series)], periods),
            "period": np.tile(months, series),
            "state": "decided",
            "actual": actual,
            **steps,
        }
    )
    for column in TIMES:
        table[column] = pd.to_datetime(table[column], utc=True)
    steps_missing = {step: np.nan for step in ("naive", "ai", "manual", "final") if step not in errors}
    numbers = dict.fromkeys(("ai_low", "ai_high", "ai_level"), np.nan)
    return table.assign(**steps_missing, **numbers)


def shuffled(table: pd.DataFrame, seed: int = 1) -> pd.DataFrame:
    return table.sample(frac=1, random_state=seed)
