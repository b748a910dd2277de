"""How much of what comes in lies outside what the workflow was registered for, by week and segment."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pandas as pd

NOT_FILLED = "not filled in"
REST = "others"
NAMED = 6  #: segments that are told by name; the rest together
LATELY = 4  #: weeks that the sentence speaks of
COLUMNS = ("week", "segment", "rows", "came", "share")


def by_week(outside: pd.DataFrame, came: pd.DataFrame, *, zone: ZoneInfo) -> pd.DataFrame:
    """Rows outside the scope by week and segment.

    Args:
        outside: ``at`` (UTC), ``segment`` (empty where the row named none) and ``rows``.
        came: every import's ``at`` (UTC) and ``rows``, of whatever kind.
        zone: in which a week begins, on Monday.

    Returns:
        ``week`` (its Monday), ``segment``, ``rows``, ``came`` (all rows of the week) and ``share`` (0 to 1), one row a
        week and segment that had any; the six segments with most rows by name, the rest as "others".
    """
    if outside.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    known = outside.assign(week=_week(outside["at"], zone), segment=outside["segment"].replace("", NOT_FILLED))
    largest = known.groupby("segment")["rows"].sum().sort_values(ascending=False, kind="stable").index[:NAMED]
    known["segment"] = known["segment"].where(known["segment"].isin(largest), REST)
    found = known.groupby(["week", "segment"])["rows"].sum().reset_index()
    all_rows = came.assign(week=_week(came["at"], zone)).groupby("week")["rows"].sum()
    found["came"] = found["week"].map(all_rows).astype("int64")
    found["share"] = found["rows"] / found["came"]
    return found[list(COLUMNS)]


def in_words(weeks: pd.DataFrame, *, this_week: pd.Timestamp, has_scope: bool) -> str:
    """What ``by_week`` shows, in a sentence or two. ``this_week``: the Monday of the week that it is."""
    if weeks.empty:
        if not has_scope:
            return "No scope is listed, so every segment is taken and nothing can lie outside it."
        return "Nothing outside the scope has come in."
    lately = weeks[weeks["week"] > this_week - pd.Timedelta(weeks=LATELY)]
    total = int(weeks["rows"].sum())
    since = f"Since {weeks['week'].min():%-d %B %Y} {_rows(total)} outside the scope."
    if lately.empty:
        return f"{since} None of them in the last {LATELY} weeks."
    by_segment = lately.groupby("segment")["rows"].sum().sort_values(ascending=False, kind="stable")
    came = lately.drop_duplicates("week")["came"].sum()
    count = int(by_segment.sum())
    of_all = f"{count:,} of the {came:,} rows in the weeks with any ({count / came:.1%})"
    most = f"most of them {by_segment.index[0]} ({by_segment.iloc[0]:,})"
    return f"{since} In the last {LATELY} weeks: {of_all}, {most}."


def monday(instant: pd.Timestamp, zone: ZoneInfo) -> pd.Timestamp:
    """The Monday of the week of an instant (UTC), as a day without a zone."""
    return pd.Timestamp(_week(pd.Series([instant]), zone).iloc[0])


def _week(at: pd.Series, zone: ZoneInfo) -> pd.Series:
    days = pd.to_datetime(at, utc=True).dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
    return days - pd.to_timedelta(days.dt.weekday, unit="D")


def _rows(count: int) -> str:
    return "1 row was set aside as" if count == 1 else f"{count:,} rows were set aside as"
