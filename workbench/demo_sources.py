"""What two further systems of the simulated organisation say: the CRM, and the order book.

The CRM is what manual forecasts are mostly typed from, so the two are wrong together; the order book is independent. In
one place some figures of the CRM are wrong in the present cycle. Chance here is drawn apart from the rest of the story.
"""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pandas as pd

from workbench.demo_market import PLACES, Market
from workbench.demo_time import Timeline
from workbench.demo_world import World

CRM, ORDERS = "crm", "orders"


def statement_rows(
    world: World, market: Market, items: pd.DataFrame, time: Timeline, created_at: pd.Series, *, seed: int
) -> pd.DataFrame:
    """One row a system and item, as ``storage.simulation`` takes them.

    Args:
        items: as ``demo_market.items_of`` gives them, with ``first_manual``.
        created_at: when the forecasts of each item came, with its index.
    """
    rng = np.random.default_rng([seed, 2])
    series, cycle = items["series"].to_numpy(), items["cycle"].to_numpy()
    actual = market.actual[series, cycle + world.earlier_months]
    n = len(items)
    spread = market.series["spread"].to_numpy()[series]
    of_people = np.nan_to_num(items["first_manual"].to_numpy() / actual - 1)
    in_crm = actual * (1 + world.crm_overlap * of_people + spread * rng.normal(0, world.crm_noise, n))
    ordered = actual * (1 + world.orders_bias + spread * rng.normal(0, world.orders_noise, n))
    is_slip = (cycle == world.cycles - 1) & (items["territory"] == world.slip_place).to_numpy()
    in_crm = np.where(is_slip & (rng.random(n) < world.slip_share), in_crm * world.slip_factor, in_crm)
    months = time.months[world.earlier_months :][cycle]
    both = []
    for source, values, hours in ((CRM, in_crm, (6, 72)), (ORDERS, ordered, (2, 30))):
        as_of = created_at - pd.to_timedelta(rng.integers(*hours, n), unit="h")
        both.append(
            pd.DataFrame(
                {
                    "source": source,
                    "series": market.series["key"].to_numpy()[series],
                    "attribute": "forecast",
                    "period": months.strftime("%Y-%m"),
                    "period_start": months.strftime("%Y-%m-01"),
                    "value": values.round(PLACES),
                    "as_of": as_of,
                    "is_ahead": True,
                    "record_id": _names(source, market.series)[series],
                    "received_at": created_at,
                }
            )
        )
    return pd.concat(both, ignore_index=True)


def _names(source: str, series: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """What a system calls each series: an address here, an account number there."""
    if source == ORDERS:
        return np.array([f"10-{1000 + place:06d}" for place in range(len(series))], dtype=object)
    pairs = zip(series["line"], series["account"], strict=True)
    return np.array([f"{_plain(line)}@{_plain(account)}.example" for line, account in pairs], dtype=object)


def _plain(text: str) -> str:
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_only.lower()).strip("-")
