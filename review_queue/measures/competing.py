"""How reviews end, where they can end in more than one way: decided, withdrawn, or overtaken by the lock (METHODS 5.2).

Leaving the withdrawn out, or counting them as still waiting, overstates the share that will ever be decided. The
cumulative incidence of each ending does neither.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from review_queue.calendars import BusinessCalendar
from review_queue.measures.latency import SHOWN_FROM, durations

DECIDED, WITHDRAWN, LOCKED = "decided", "withdrawn", "locked"
ENDINGS = (DECIDED, WITHDRAWN, LOCKED)


def endings(
    reviews: pd.DataFrame, *, as_of: datetime, calendar: BusinessCalendar | None = None, ended: pd.Series | None = None
) -> pd.DataFrame:
    """How long each review has been watched, and how it ended.

    Args:
        reviews: as ``latency.durations`` takes them: ``created_at``, ``started_at``, ``decided_at``,
            ``withdrawn_at`` (UTC) and ``state``.
        calendar: whose business hours count; None is the wall clock.
        ended: another name for how each review ended where there is one, such as superseded; index of ``reviews``.

    Returns:
        ``hours`` and ``ending``: None while it is open.
    """
    times = durations(reviews, as_of=as_of, calendar=calendar)
    state = reviews["state"].reindex(times.index).astype("object")
    how = state.where(state.isin((WITHDRAWN, LOCKED)), DECIDED).mask(times["finished"], DECIDED)
    if ended is not None:
        how = ended.reindex(times.index).astype("object").combine_first(how)
    return pd.DataFrame({"hours": times["hours"], "ending": how.mask(times["open"], None)})


def incidence(times: pd.DataFrame) -> pd.DataFrame:
    """The share of reviews that has ended in each way after so many hours (Aalen–Johansen).

    Args:
        times: ``hours`` and ``ending``, as ``endings`` gives them.

    Returns:
        Long form, one row per ending and time at which any review ended: ``ending``, ``hours``, ``share`` (0 to 1) and
        its 95 % interval ``low`` and ``high`` (normal, kept inside 0 to 1). At any time the shares and the share still
        waiting add up to 1. Without an end it has no rows; below 20 reviews ``share``, ``low`` and ``high`` are NaN.

    Source: O. O. Aalen and S. Johansen (1978), Scandinavian Journal of Statistics 5, 141-150, as statsmodels
    computes it.
    """
    from statsmodels.duration.survfunc import CumIncidenceRight  # half a second that no start should wait for

    columns = ["ending", "hours", "share", "low", "high"]
    names = sorted(times["ending"].dropna().unique())
    if not names:
        return pd.DataFrame(columns=columns)
    codes = times["ending"].map({name: code for code, name in enumerate(names, start=1)}).fillna(0)
    curves = CumIncidenceRight(times["hours"].to_numpy(float), codes.to_numpy(int))
    happened = np.isin(curves.times, times.loc[times["ending"].notna(), "hours"].to_numpy(float))
    parts = []
    for name, share, error in zip(names, curves.cinc, curves.cinc_se, strict=True):
        low, high = np.clip(share - 1.959964 * error, 0, 1), np.clip(share + 1.959964 * error, 0, 1)
        part = {"ending": name, "hours": curves.times, "share": share, "low": low, "high": high}
        parts.append(pd.DataFrame(part)[happened])
    table = pd.concat(parts, ignore_index=True)
    if len(times) < SHOWN_FROM:
        table[["share", "low", "high"]] = np.nan
    return table[columns]
