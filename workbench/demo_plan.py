"""The simulated plan: what was used downstream of what was decided, and what was replaced on the way there."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.demo_market import PLACES
from workbench.demo_time import Timeline
from workbench.demo_world import World

RELEASED_AT = pd.Timedelta(hours=8)  #: into the first day of its month, local time
LEAST_REPLACED = 0.005  #: share of the decided value below which a manual forecast is no replacement
LEAST_GUESS = 0.02  #: share of the decided value by which anything else differs from it
GUESS = 0.08  #: standard deviation of what else is put in its place, relative


def used_rows(
    world: World, time: Timeline, items: pd.DataFrame, steps: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """What the plan held when it was used: the decided value, but for the planted share of replacements.

    Args:
        items: as ``demo_reviews.review`` gives them, with ``cycle, territory, manual``.
        steps: the decisions, oldest first: ``item, final_value, decided_at``.

    Returns:
        One row an item that is decided and whose plan has been used by now: ``item, period, period_start, value,
        used_at, received_at``.
    """
    last = steps.drop_duplicates("item", keep="last").set_index("item")
    decided = last[last["final_value"].notna()].sort_index()
    told = items.loc[decided.index]
    months = time.months[-len(time.opens) :][told["cycle"]]
    starts = pd.DatetimeIndex(months.start_time).tz_localize(time.policy.timezone) + RELEASED_AT
    released = pd.Series(starts.tz_convert("UTC").as_unit("ms"), index=told.index)
    used_at = released.where(released > decided["decided_at"], decided["decided_at"])
    share = np.where(told["territory"] == world.shadow_territory, world.shadow_there, world.shadow_elsewhere)
    is_replaced = rng.random(len(told)) < share
    final = decided["final_value"]
    guess = final * (
        1 + np.where(rng.random(len(told)) < 0.5, -1, 1) * (0.02 + np.abs(rng.normal(0, GUESS, len(told))))
    )
    is_apart = (told["manual"] - final).abs() > LEAST_REPLACED * final.abs()
    replacement = told["manual"].where(is_apart, guess).round(PLACES)
    rows = pd.DataFrame(
        {
            "item": told.index,
            "period": months.strftime("%Y-%m"),
            "period_start": months.strftime("%Y-%m-01"),
            "value": final.where(~is_replaced, replacement),
            "used_at": used_at,
            "received_at": used_at,
        }
    )
    return rows[(used_at <= pd.Timestamp(time.now)).to_numpy()]
