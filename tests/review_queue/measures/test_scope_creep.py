"""Rows outside a workflow's scope, by week and segment."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pandas as pd

from review_queue.measures.scope_creep import by_week, in_words, monday
from workbench.screens.workflows_charts import scope_creep_map

BERLIN = ZoneInfo("Europe/Berlin")
THIS_WEEK = pd.Timestamp("2026-11-16")


def table(*rows: tuple[object, ...], columns: tuple[str, ...] = ("at", "segment", "rows")) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(columns))
    return frame.assign(at=pd.to_datetime(frame["at"], utc=True))


OUTSIDE = table(
    ("2026-11-15T22:30Z", "South", 2),  # still Sunday in UTC, Sunday evening in Berlin
    ("2026-11-15T23:30Z", "South", 3),  # Monday in Berlin
    ("2026-11-18T10:00Z", "West", 5),
    ("2026-11-18T11:00Z", "", 1),
    ("2026-10-01T10:00Z", "South", 7),
)
CAME = table(
    *(("2026-11-15T22:30Z", 10), ("2026-11-15T23:30Z", 20), ("2026-11-18T10:00Z", 30)),
    *(("2026-11-18T11:00Z", 40), ("2026-10-01T10:00Z", 70), ("2026-11-02T10:00Z", 99)),
    columns=("at", "rows"),
)


def test_a_week_begins_on_monday_where_the_workflow_is():
    found = by_week(OUTSIDE, CAME, zone=BERLIN).set_index(["week", "segment"])

    assert found["rows"].to_dict() == {
        (pd.Timestamp("2026-09-28"), "South"): 7,
        (pd.Timestamp("2026-11-09"), "South"): 2,
        (THIS_WEEK, "South"): 3,
        (THIS_WEEK, "West"): 5,
        (THIS_WEEK, "not filled in"): 1,
    }
    assert found.loc[(THIS_WEEK, "West"), "came"] == 90
    assert found.loc[(THIS_WEEK, "West"), "share"] == 5 / 90
    assert monday(pd.Timestamp("2026-11-15T23:30Z"), BERLIN) == THIS_WEEK


def test_the_sentence_speaks_of_the_last_four_weeks():
    weeks = by_week(OUTSIDE, CAME, zone=BERLIN)

    assert in_words(weeks, this_week=THIS_WEEK, has_scope=True) == (
        "Since 28 September 2026 18 rows were set aside as outside the scope. In the last 4 weeks: 11 of the 100 rows "
        "in the weeks with any (11.0%), most of them South (5)."
    )
    later = in_words(weeks, this_week=THIS_WEEK + pd.Timedelta(weeks=4), has_scope=True)
    assert later.endswith("None of them in the last 4 weeks.")


def test_nothing_outside_is_told_apart_from_no_scope():
    none = by_week(OUTSIDE.iloc[:0], CAME, zone=BERLIN)

    assert in_words(none, this_week=THIS_WEEK, has_scope=True) == "Nothing outside the scope has come in."
    assert in_words(none, this_week=THIS_WEEK, has_scope=False).startswith("No scope is listed")


def test_beyond_six_segments_the_rest_is_told_together():
    many = table(*(("2026-11-18T10:00Z", f"S{number}", 10 - number) for number in range(9)))

    found = by_week(many, CAME, zone=BERLIN).set_index("segment")["rows"]

    assert found["others"] == 4 + 3 + 2
    assert (len(found), found.sum()) == (7, many["rows"].sum())


def test_the_chart_shows_every_week_between_and_the_counts_behind_the_tiles():
    chart = scope_creep_map(by_week(OUTSIDE, CAME, zone=BERLIN)).to_dict()

    (rows,) = chart["datasets"].values()
    assert len(rows) == 8 * 3
    assert sum(row["rows"] for row in rows) == 18
    assert chart["title"]["text"] == "What comes in that lies outside the scope?"
    assert {tip["field"] for tip in chart["layer"][0]["encoding"]["tooltip"]} >= {"rows", "came", "share"}
