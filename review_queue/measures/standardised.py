"""Whether one part of the queue is cleared at the usual pace, given the mix of what waits there (METHODS 5.2)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from review_queue.measures.latency import CANT_TELL
from review_queue.measures.overrides import NOT_ENOUGH

SHOWN_FROM = 5  #: decisions (METHODS 9)
CONCLUDED_FROM = 30
QUICKER, SLOWER, USUAL = "quicker than the mix explains", "slower than the mix explains", "in usual range"
COLUMNS = ("group", "n", "decided", "item_days", "expected", "ratio", "low", "high", "state")


def poisson_interval(observed: pd.Series, expected: pd.Series) -> pd.DataFrame:
    """The exact 95 % intervals of observed / expected: ``low`` and ``high``; NaN where nothing was expected.

    ``[χ²(.025, 2·O) / 2·E, χ²(.975, 2·O + 2) / 2·E]``; the lower end is 0 where nothing was observed.

    Source: F. Garwood (1936), Biometrika 28, 437-442, as METHODS 5.2 has it.
    """
    from scipy.stats import chi2  # a third of a second that no start should wait for

    seen = observed.to_numpy(float)
    twice = 2 * expected.where(expected > 0).to_numpy(float)
    low = np.where(seen > 0, chi2.ppf(0.025, 2 * seen), 0.0) / twice
    return pd.DataFrame({"low": low, "high": chi2.ppf(0.975, 2 * seen + 2) / twice}, index=observed.index)


def review_rates(times: pd.DataFrame, *, groups: pd.Series, strata: pd.Series) -> pd.DataFrame:
    """Decisions by group beside those that its items' strata lead to expect: the standardised review rate O/E.

    Args:
        times: ``hours`` and ``finished``, and ``entered`` if there is, as ``latency.durations`` gives them.
        groups: what is compared, with the index of ``times``: a segment, or the reviewer that an item was assigned to.
        strata: what alike items have in common, such as lane and band. Its pooled rate is decisions per item-day.

    Returns:
        One row per group, in the order of the names, the unknown last: ``n`` items, ``decided`` (O), ``item_days``
        watched, ``expected`` (E = Σ item-days × pooled rate of the stratum), ``ratio`` O/E with its exact 95 %
        interval, and ``state``. Below 5 decisions the ratio and its interval are NaN and the state is
        "not enough data"; below 30 it is "can't tell yet". E adds up to all decisions.

    Source: METHODS 5.2, 9.
    """
    started = times.get("entered", 0.0)
    rows = pd.DataFrame(
        {
            "group": groups.reindex(times.index).astype("object"),
            "stratum": strata.reindex(times.index).astype("object"),
            "decided": times["finished"].astype(int),
            "item_days": (times["hours"] - started) / 24,
        }
    )
    pooled = rows.groupby("stratum", dropna=False)[["decided", "item_days"]].transform("sum")
    rows["expected"] = rows["item_days"] * pooled["decided"] / pooled["item_days"]
    by_group = rows.groupby("group", dropna=False, sort=True)
    table = by_group[["decided", "item_days", "expected"]].sum().assign(n=by_group.size()).reset_index()
    table["group"] = table["group"].astype("object").where(table["group"].notna(), None)
    shown = table["decided"] >= SHOWN_FROM
    table["ratio"] = (table["decided"] / table["expected"].where(table["expected"] > 0)).where(shown)
    table[["low", "high"]] = poisson_interval(table["decided"], table["expected"].where(shown))
    table["state"] = np.select(
        [~shown, table["decided"] < CONCLUDED_FROM, table["low"] > 1, table["high"] < 1],
        [NOT_ENOUGH, CANT_TELL, QUICKER, SLOWER],
        USUAL,
    )
    return table[list(COLUMNS)]
