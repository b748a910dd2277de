"""Which rows of a file are trusted, and what is said of the others."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.columns import Kind
from review_queue.rows import Checked, check_repeats, check_rows, check_series
from review_queue.workflows import Policy, policy_of

GOOD = {"series": "acme", "period": "2026-12", "ai_forecast": "100", "ai_low": "90", "ai_high": "120"}
NOTHING_KNOWN = pd.DataFrame(
    {name: pd.Series(dtype="str") for name in ("series", "path", "currency")}
    | {name: pd.Series(dtype="float64") for name in ("series_id", "value_per_unit")}
)


def a_policy(**changes: object) -> Policy:
    return policy_of({"key": "sales", "title": "Sales", "unit": "EUR k", **changes})


def check(*rows: dict[str, str], kind: Kind = Kind.FORECASTS, **policy: object) -> Checked:
    texts = pd.DataFrame([{**GOOD, **row} if kind is Kind.FORECASTS else row for row in rows], dtype="str").fillna("")
    return check_rows(texts.set_axis(range(2, 2 + len(rows))), kind, a_policy(**policy))


def found(checked: Checked) -> list[tuple[int, str, str]]:
    return [(row.row, row.column, row.code) for row in checked.aside.itertuples()]


@pytest.mark.parametrize(
    ("cells", "column", "code"),
    [
        ({"ai_forecast": "a lot"}, "ai_forecast", "NOT_A_NUMBER"),
        ({"ai_forecast": "1,234.5"}, "ai_forecast", "NOT_A_NUMBER"),
        ({"ai_forecast": "١٢٣"}, "ai_forecast", "NOT_A_NUMBER"),
        ({"ai_forecast": "0x10"}, "ai_forecast", "NOT_A_NUMBER"),
        ({"ai_forecast": "NaN"}, "ai_forecast", "NOT_FINITE"),
        ({"ai_forecast": "-inf"}, "ai_forecast", "NOT_FINITE"),
        ({"ai_forecast": "1e400"}, "ai_forecast", "NOT_FINITE"),
        ({"ai_forecast": "=1+1"}, "ai_forecast", "FORMULA"),
        ({"series": ""}, "series", "MISSING_KEY"),
        ({"series": "   "}, "series", "MISSING_KEY"),
        ({"period": ""}, "period", "MISSING_KEY"),
        ({"series": "=HYPERLINK(1)"}, "series", "FORMULA"),
        ({"series": "＝A1"}, "series", "FORMULA"),
        ({"human_by": "@SUM(A1)"}, "human_by", "FORMULA"),
        ({"human_note": "=SUM(A1)"}, "human_note", "FORMULA"),
        ({"ai_rationale": "＝A1"}, "ai_rationale", "FORMULA"),
        ({"series": "ac\u200bme"}, "series", "HIDDEN_CHARACTER"),
        ({"human_note": "a\x00b"}, "human_note", "HIDDEN_CHARACTER"),
        ({"series": "x" * 401}, "series", "TOO_LONG"),
        ({"ai_low": "130"}, "ai_low", "INVERTED_INTERVAL"),
        ({"human_low": "2", "human_high": "1", "human_forecast": "1"}, "human_low", "INVERTED_INTERVAL"),
        ({"ai_low": "100", "ai_high": "100"}, "ai_low", "EMPTY_INTERVAL"),
        ({"ai_q10": "5", "ai_q90": "4"}, "ai_q90", "INVERTED_INTERVAL"),
        ({"ai_level": "80"}, "ai_level", "OUT_OF_RANGE"),
        ({"ai_forecast": "", "human_forecast": ""}, "ai_forecast", "MISSING_FORECAST"),
        ({"ai_forecast": "", "human_forecast": "1"}, "ai_forecast", "INTERVAL_ALONE"),
        ({"created_at": "31/02/2018"}, "created_at", "NOT_A_DATE"),
        ({"created_at": "2018-02-31"}, "created_at", "NOT_A_DATE"),
        ({"period": "31/02/2018"}, "period", "NOT_A_PERIOD"),
        ({"period": "2018-13"}, "period", "NOT_A_PERIOD"),
        ({"period": "0001"}, "period", "OUT_OF_RANGE"),
        ({"period": "1899-12"}, "period", "OUT_OF_RANGE"),
        ({"period": "2200-Q1"}, "period", "OUT_OF_RANGE"),
        ({"horizon": "1.5"}, "horizon", "NOT_A_COUNT"),
        ({"unit": "USD"}, "unit", "UNIT_DIFFERS"),
    ],
)
def test_a_row_that_cannot_be_trusted_is_set_aside(cells, column, code):
    checked = check({}, cells)

    assert found(checked) == [(3, column, code)]
    assert list(checked.good.index) == [2]


@pytest.mark.parametrize("text", ["- spoke to the customer", "+12 % growth expected", "@Jo agrees", "-5"])
def test_a_note_may_start_with_a_sign(text):
    checked = check({"human_note": text, "ai_rationale": text})

    assert list(checked.good["human_note"]) == list(checked.good["ai_rationale"]) == [text]


@pytest.mark.parametrize("text", ["00123", "NA", "1e5", "NaN", "null", "-5", "Café", 'O\'Brien; "x"'])
def test_an_identifier_stays_the_text_that_it_is(text):
    checked = check({"series": text})

    assert list(checked.good["series"]) == [text]


def test_one_name_in_two_spellings_of_unicode_is_one_name():
    checked = check({"series": "Cafe\u0301"}, {"series": " Café\u00a0"})

    assert list(checked.good["series"]) == ["Café", "Café"]


@pytest.mark.parametrize(("text", "value"), [("-5", -5.0), ("+5", 5.0), (".5", 0.5), ("5.", 5.0), ("1E3", 1000.0)])
def test_plain_numbers_are_read_signs_and_all(text, value):
    checked = check({"naive_forecast": text})

    assert list(checked.good["naive_forecast"]) == [value]


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_exactly(value):
    checked = check({"naive_forecast": repr(value)})

    assert checked.good["naive_forecast"].iloc[0] == value


def test_an_empty_cell_is_unknown_and_not_zero():
    checked = check({"naive_forecast": "", "human_by": "", "due_at": ""})

    assert checked.good[["naive_forecast", "human_by", "due_at"]].isna().all(axis=None)


def test_every_problem_of_a_row_is_told_at_once():
    checked = check({"series": "", "ai_forecast": "x", "created_at": "yesterday"})

    assert found(checked) == [(2, "series", "MISSING_KEY")]
    sentence = checked.aside["sentence"].iloc[0]
    assert sentence.startswith("series is empty, and names the row. Fill it in.")
    assert "ai_forecast “x” is not a number." in sentence
    assert "created_at “yesterday” is not a date" in sentence


def test_a_time_without_a_zone_is_read_in_the_workflows():
    checked = check(
        {"created_at": "2026-07-01T09:30"},
        {"created_at": "2026-07-01 09:30:00+02:00"},
        {"created_at": "2026-07-01"},
        timezone="America/New_York",
    )

    assert list(checked.good["created_at"]) == [
        datetime(2026, 7, 1, 13, 30, tzinfo=UTC),
        datetime(2026, 7, 1, 7, 30, tzinfo=UTC),
        datetime(2026, 7, 1, 4, tzinfo=UTC),
    ]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01",
        "1899-12-31T23:59",
        "2200-01-01",
        "9999-12-31T23:59:59",
        "0001-01-01T00:00+14:00",
        "9999-12-31T23:59-12:00",
    ],
)
def test_a_time_centuries_away_is_set_aside_wherever_it_is_read(text, zone):
    checked = check({}, {"due_at": text}, timezone=zone)

    assert found(checked) == [(3, "due_at", "OUT_OF_RANGE")]
    assert "is not between the years 1900 and 2199." in checked.aside["sentence"].iloc[0]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_the_first_and_last_times_that_are_taken_are_read(zone):
    checked = check({"due_at": "1900-01-01"}, {"due_at": "2199-12-31T23:59:59"}, {"period": "1900"}, timezone=zone)

    assert found(checked) == []
    assert [time.year for time in checked.good["due_at"].dropna().dt.tz_convert(zone)] == [1900, 2199]


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("2026-12-24", "2026-12-24T16:30:00Z"),  # a Thursday in Berlin
        ("2026-12-26", "2026-12-24T16:30:00Z"),  # Boxing Day, after Christmas: nobody decides it then
        ("2026-12-26T00:00", "2026-12-25T23:00:00Z"),  # a time is that time, whoever is there
        ("2026-12-24T09:15", "2026-12-24T08:15:00Z"),
        ("2026-12-24T09:15Z", "2026-12-24T09:15:00Z"),
        ("2026-06-07", "2026-06-05T15:30:00Z"),  # a Sunday, in summer time
        ("2199-12-29", "2199-12-29T16:30:00Z"),
    ],
)
def test_what_is_due_on_a_date_is_due_when_business_closes(text, due):
    calendar = {"end_hour": 17.5, "country": "DE"}

    checked = check({"due_at": text}, {"due_at": ""}, timezone="Europe/Berlin", calendar=calendar)

    assert found(checked) == []
    assert checked.good["due_at"].tolist() == [pd.Timestamp(due), pd.NaT]
    assert str(checked.good["due_at"].dtype) == "datetime64[us, UTC]"


def test_only_what_is_due_waits_for_the_close_of_business():
    checked = check({"created_at": "2026-12-24", "ai_made_at": "2026-12-24"})

    assert checked.good[["created_at", "ai_made_at"]].iloc[0].tolist() == [pd.Timestamp("2026-12-24", tz="UTC")] * 2


def test_the_hour_that_the_clocks_repeat_is_its_first_and_the_one_they_skip_the_next_there_is():
    checked = check({"created_at": "2026-10-25T02:30"}, {"created_at": "2026-03-29T02:30"}, timezone="Europe/Berlin")

    assert list(checked.good["created_at"]) == [
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2026, 3, 29, 1, tzinfo=UTC),
    ]


def test_quantiles_are_kept_and_stand_in_for_a_missing_interval():
    checked = check({"ai_low": "", "ai_high": "", "ai_q05": "80", "ai_q10": "90", "ai_q90": "115", "ai_q95": ""})

    row = checked.good.iloc[0]
    assert row["quantiles"] == {"0.05": 80.0, "0.10": 90.0, "0.90": 115.0}
    assert (row["ai_low"], row["ai_high"], row["ai_level"]) == (90.0, 115.0, 0.8)


def test_an_interval_that_names_no_level_covers_80_percent():
    checked = check({}, {"ai_low": "", "ai_high": ""})

    assert checked.good["ai_level"].tolist()[0] == 0.8
    assert checked.good["ai_level"].isna().tolist() == [False, True]


def test_a_segment_outside_the_scope_is_set_aside():
    levels = {"segments": ["state", "industry"], "scope": {"state": ["Victoria"]}}

    checked = check(
        {"segment_state": "Victoria", "segment_industry": "Cafés"},
        {"segment_state": "Tasmania", "segment_industry": "Cafés"},
        {"segment_state": "", "segment_industry": "Cafés"},
        **levels,
    )

    assert found(checked) == [
        (3, "segment_state", "UNKNOWN_SEGMENT"),
        (4, "segment_industry", "MISSING_SEGMENT"),
    ]
    assert list(checked.good["path"]) == ["Victoria\x1fCafés\x1f"]


def test_another_currency_than_the_workflows_is_set_aside():
    checked = check({"currency": "EUR"}, {"currency": "USD"}, {"currency": ""}, currency="EUR")

    assert found(checked) == [(3, "currency", "CURRENCY_DIFFERS")]


def test_a_review_keeps_its_other_columns_as_attributes():
    checked = check(
        {"series": "a", "created_at": "2025-01-01", "path": "x", "ai_q05": "1", "note": "n"},
        {"series": "a", "created_at": "2025-01-02", "path": "", "ai_q05": "=1", "note": ""},
        kind=Kind.REVIEWS,
    )

    assert list(checked.good["attributes"]) == [{"path": "x", "ai_q05": "1"}]
    assert found(checked) == [(3, "ai_q05", "FORMULA")]


def test_a_review_that_was_decided_before_it_was_there_is_set_aside():
    checked = check(
        {"series": "a", "created_at": "2025-01-02", "decided_at": "2025-01-01", "outcome": "approved"},
        kind=Kind.REVIEWS,
    )

    assert found(checked) == [(2, "outcome", "UNKNOWN_OUTCOME")]
    assert "decided_at is before created_at" in checked.aside["sentence"].iloc[0]


def test_a_row_with_too_many_cells_is_set_aside():
    texts = pd.DataFrame([GOOD, GOOD], dtype="str").set_axis([2, 3])

    checked = check_rows(texts, Kind.FORECASTS, a_policy(), misshapen={3: 9})

    assert found(checked) == [(3, "", "WRONG_NUMBER_OF_CELLS")]
    sentence = checked.aside["sentence"].iloc[0]
    assert sentence.startswith("The row has 9 cells")
    assert "empty the cells left over, or correct the file" in sentence


def test_each_row_of_another_width_says_its_own():
    texts = pd.DataFrame([GOOD] * 4, dtype="str").set_axis([2, 3, 5, 6])

    checked = check_rows(texts, Kind.FORECASTS, a_policy(), misshapen={2: 9, 4: 1, 5: 1, 6: 9})

    assert [(row, said.split(" cells")[0]) for row, _, _, said in checked.aside.itertuples(index=False)] == [
        (2, "The row has 9"),
        (5, "The row has 1"),
        (6, "The row has 9"),
    ]


def test_a_series_that_is_known_elsewhere_is_not_moved():
    levels = {"segments": ["state"]}
    good = check({"segment_state": "Victoria"}, {"segment_state": "Tasmania"}, {"segment_state": ""}, **levels).good
    known = pd.DataFrame(
        {"series": ["acme"], "series_id": [7.0], "path": ["Tasmania\x1f"], "value_per_unit": [1.0], "currency": [pd.NA]}
    )

    checked = check_series(good, known, Kind.FORECASTS, a_policy(**levels))

    assert found(checked) == [(2, "series", "SERIES_MOVED")]
    assert "“Tasmania”" in checked.aside["sentence"].iloc[0]
    assert list(checked.good["path"]) == ["Tasmania\x1f"] * 2


def test_the_first_row_of_a_new_series_says_where_it_belongs():
    levels = {"segments": ["state"]}
    good = check({"segment_state": ""}, {"segment_state": "Victoria"}, {"segment_state": "Tasmania"}, **levels).good

    checked = check_series(good, NOTHING_KNOWN, Kind.FORECASTS, a_policy(**levels))

    assert found(checked) == [(4, "series", "SERIES_MOVED")]
    assert list(checked.good["path"]) == ["Victoria\x1f"] * 2


def test_one_series_has_one_value_per_unit_and_one_currency():
    good = check({"value_per_unit": "2"}, {"value_per_unit": ""}, {"value_per_unit": "3"}, {"currency": "EUR"}).good

    checked = check_series(good, NOTHING_KNOWN, Kind.FORECASTS, a_policy())

    assert found(checked) == [(4, "value_per_unit", "VALUE_PER_UNIT_DIFFERS")]
    assert checked.good["value_per_unit"].tolist() == [2.0] * 3
    assert checked.good["currency"].tolist() == ["EUR"] * 3


def test_actuals_of_an_unknown_series_say_what_to_do():
    good = check({"series": "ghost", "period": "2026-01", "actual": "1"}, kind=Kind.ACTUALS).good

    checked = check_series(good, NOTHING_KNOWN, Kind.ACTUALS, a_policy())

    assert found(checked) == [(2, "series", "UNKNOWN_SERIES")]
    assert "Import its forecasts or its history first." in checked.aside["sentence"].iloc[0]


def test_the_same_key_with_the_same_values_counts_once_and_with_others_is_set_aside():
    good = check({}, {}, {"ai_forecast": "101"}, {"series": "other"}).good

    checked, dropped = check_repeats(good, ("series", "period"))

    assert (list(checked.good.index), dropped) == ([2, 5], 1)
    assert found(checked) == [(4, "series", "DUPLICATE_KEY")]
