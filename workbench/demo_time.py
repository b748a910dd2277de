"""The simulated organisation's time: working hours counted on one line, and the review cycles laid out on it.

The story is told in *working hours*, one number that grows only while people work, so that "two working days
later" is a sum. ``Timeline`` turns such numbers into instants and back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from review_queue.workflows import Policy
from workbench.demo_world import World

Hours = NDArray[np.float64]
ARRIVES_AT = 0.25  #: working hours into a day, when its forecasts come in
DUE_AT = 7.0  #: working hours into a day, when a deadline falls
ACTUALS_ON = 4  #: working day of the following month on which actuals are final


@dataclass(frozen=True, eq=False)
class Timeline:
    """Working days on one line, with the cycles on it; all arrays run from the oldest cycle to the present one."""

    policy: Policy
    now: datetime
    days: NDArray[np.datetime64]  #: working days, oldest first
    opens: NDArray[np.int64]  #: index of the day on which a cycle opens, shape (cycles,)
    deadlines: NDArray[np.int64]  #: and of its deadline
    months: pd.PeriodIndex  #: every month of the story: the earlier ones, then the one that each cycle forecasts
    finals: Hours  #: working hour at which a month's actual is final, shape (months,)

    @property
    def now_hours(self) -> float:
        """The present instant in working hours; after work it is the next morning already."""
        return _worked(self.policy, self.days, pd.Timestamp(self.now).tz_convert(self.policy.timezone))

    def hour(self, day: NDArray[np.int64], into: Hours | float = 0.0) -> Hours:
        """The working hour that lies ``into`` hours into a day."""
        return day * hours_a_day(self.policy) + into

    def instants(self, hours: pd.Series) -> pd.Series:
        """The instants (UTC, whole milliseconds) of working hours; NaT for NaN."""
        known = hours.dropna().to_numpy()
        day = np.floor(known / hours_a_day(self.policy)).astype(int)
        into = self.policy.calendar.start_hour + known - day * hours_a_day(self.policy)
        local = pd.DatetimeIndex(self.days[day]) + pd.to_timedelta((into * 3_600_000).round(), unit="ms")
        instants = local.tz_localize(self.policy.timezone).tz_convert("UTC").as_unit("ms")
        return pd.Series(instants, index=hours.dropna().index).reindex(hours.index)


def hours_a_day(policy: Policy) -> float:
    """How long a working day is."""
    return policy.calendar.end_hour - policy.calendar.start_hour


def timeline(world: World, now: datetime) -> Timeline:
    """The cycles of ``world`` as they lie around ``now``; the present one opened a few working days ago."""
    policy = world.policy()
    local = pd.Timestamp(now).tz_convert(policy.timezone)
    first = np.datetime64((local - pd.DateOffset(months=world.past_months + world.earlier_months + 3)).date(), "D")
    last = np.datetime64((local + pd.DateOffset(months=4)).date(), "D")
    days = np.arange(first, last)
    days = days[np.is_busday(days)]
    today = _today(policy, days, local)
    deadline = pd.Timestamp(days[today - world.opened_days_ago + world.cycle_days])
    deadlines = _days_at(days, [deadline - pd.DateOffset(months=k) for k in reversed(range(world.cycles))])
    months = pd.period_range(end=deadline.to_period("M") + 1, periods=world.earlier_months + world.cycles, freq="M")
    month_ends = np.searchsorted(days, (months + 1).start_time.to_numpy().astype("datetime64[D]"))
    return Timeline(
        policy=policy,
        now=now,
        days=days,
        opens=deadlines - world.cycle_days,
        deadlines=deadlines,
        months=months,
        finals=(month_ends + ACTUALS_ON) * hours_a_day(policy),
    )


def _worked(policy: Policy, days: NDArray[np.datetime64], local: pd.Timestamp) -> float:
    """Working hours from the first of ``days`` to ``local``."""
    today = np.datetime64(local.date(), "D")
    index = int(np.searchsorted(days, today))
    if days[index] != today:
        return index * hours_a_day(policy)
    hour = local.hour + local.minute / 60 + local.second / 3600
    return index * hours_a_day(policy) + min(max(hour - policy.calendar.start_hour, 0.0), hours_a_day(policy))


def _today(policy: Policy, days: NDArray[np.datetime64], local: pd.Timestamp) -> int:
    """Index of the working day that ``local`` falls into; after work, of the next."""
    return int(_worked(policy, days, local) // hours_a_day(policy))


def _days_at(days: NDArray[np.datetime64], wanted: list[pd.Timestamp]) -> NDArray[np.int64]:
    """Index of the last working day at or before each date."""
    return np.searchsorted(days, np.array([d.date() for d in wanted], "datetime64[D]"), side="right") - 1
