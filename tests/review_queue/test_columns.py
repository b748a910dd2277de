"""How another system's headers find their canonical columns."""

from __future__ import annotations

import pytest

from review_queue.columns import Kind, kind_of, match_headers, to_remember
from review_queue.errors import FileRefused


def matched(*headers: str, kind: Kind = Kind.FORECASTS, **how: object) -> dict[str, str]:
    return {match.column: match.header for match in match_headers(headers, kind, ("state",), **how)}


def test_a_name_is_known_in_any_case_and_spacing():
    found = matched("Series", "PERIOD", "AI Forecast", "ai-low", "Segment State", "ai_q05", "Colour")

    assert found == {
        "series": "Series",
        "period": "PERIOD",
        "ai_forecast": "AI Forecast",
        "ai_low": "ai-low",
        "segment_state": "Segment State",
        "ai_q05": "ai_q05",
    }


def test_a_synonym_serves_where_the_name_itself_is_not_there():
    found = match_headers(["Account", "Month", "Manual", "State", "ai_forecast", "AI"], Kind.FORECASTS, ("state",))

    assert [(match.column, match.header, match.grounds) for match in found] == [
        ("series", "Account", "another name for it"),
        ("period", "Month", "another name for it"),
        ("ai_forecast", "ai_forecast", "same name"),
        ("human_forecast", "Manual", "another name for it"),
        ("segment_state", "State", "another name for it"),
    ]


def test_what_the_person_says_goes_before_what_was_and_what_is_guessed():
    headers = ("series", "id", "period", "ai_forecast", "note2")

    found = matched(
        *headers,
        remembered={"human_note": "note2", "series": "series"},
        given={"series": "id", "ai_forecast": "ai_forecast"},
    )

    assert found == {"series": "id", "period": "period", "ai_forecast": "ai_forecast", "human_note": "note2"}


@pytest.mark.parametrize(
    ("headers", "column", "header"),
    [
        (("ai_forecast", "AI Forecast"), "ai_forecast", "ai_forecast"),
        (("AI Forecast", "ai_forecast"), "ai_forecast", "ai_forecast"),
        (("ai_forecast", "manual", "Manual"), "human_forecast", "manual"),
        (("ai_forecast", "ai_q05", "AI Q05"), "ai_q05", "ai_q05"),
    ],
)
def test_of_headers_alike_the_one_that_is_the_name_to_the_letter_is_taken(headers, column, header):
    assert matched("series", "period", *headers)[column] == header


@pytest.mark.parametrize(
    ("headers", "column"),
    [
        (("AI Forecast", "AI forecast"), "ai_forecast"),
        (("ai_forecast", "Manual", "MANUAL"), "human_forecast"),
        (("ai_forecast", "AI Q05", "AI-Q05"), "ai_q05"),
    ],
)
def test_of_headers_alike_none_is_guessed(headers, column):
    headers = ("series", "period", *headers)
    one, other = headers[-2:]

    with pytest.raises(FileRefused, match=f"has '{one}' and '{other}', and each could be {column}. Rename all but one"):
        matched(*headers)
    assert column not in matched(*headers, must_be_complete=False)
    assert matched(*headers, given={column: other})[column] == other


def test_of_headers_alike_none_is_asked_for_again_once_the_column_is_left_out():
    headers = ("series", "period", "ai_forecast", "Human Forecast", "human-forecast")

    kept = remember(headers, given={"human_forecast": ""})

    assert kept["human_forecast"] == ""
    assert "human_forecast" not in matched(*headers, remembered=kept)


def test_a_mapping_for_headers_that_are_gone_is_not_used_again():
    found = matched("series", "period", "ai_forecast", remembered={"ai_forecast": "old name", "series": "series"})

    assert found["ai_forecast"] == "ai_forecast"


def test_a_column_can_be_left_out():
    found = matched("series", "period", "ai_forecast", "human_forecast", given={"human_forecast": ""})

    assert "human_forecast" not in found


def remember(headers: tuple[str, ...], *, kind: Kind = Kind.FORECASTS, **how: dict[str, str]) -> dict[str, str]:
    return to_remember(match_headers(headers, kind, ("state",), **how), headers, kind, ("state",), **how)


def test_a_column_left_out_stays_left_out_until_a_header_is_given_for_it():
    headers = ("series", "period", "ai_forecast", "human_forecast")

    first = remember(headers, given={"human_forecast": ""})
    second = remember(headers, remembered=remember(headers[:3], remembered=first))
    third = remember(headers, remembered=second, given={"human_forecast": "human_forecast"})

    taken = {"series": "series", "period": "period", "ai_forecast": "ai_forecast"}
    assert first == second == {**taken, "human_forecast": ""}
    assert "human_forecast" not in matched(*headers, remembered=second)
    assert third == {**taken, "human_forecast": "human_forecast"}


def test_an_attribute_of_reviews_can_be_left_out_too():
    headers = ("series", "created_at", "mood", "note")

    kept = remember(headers, kind=Kind.REVIEWS, given={"mood": "", "note": ""})

    assert kept == {"series": "series", "created_at": "created_at", "mood": "", "note": ""}
    assert set(matched(*headers, kind=Kind.REVIEWS, remembered=kept)) == {"series", "created_at"}


@pytest.mark.parametrize(
    ("headers", "given"),
    [
        (("series", "period", "ai_forecast"), {"human_forecast": ""}),
        (("series", "period", "human"), {"ai_forecast": "human", "human_forecast": ""}),
    ],
)
def test_a_column_that_the_file_had_nothing_for_is_not_left_out_next_time(headers, given):
    assert "human_forecast" not in remember(headers, given=given)


def test_reviews_keep_every_other_column_under_its_own_name():
    found = matched("series", "created_at", "target", "ai_q05", kind=Kind.REVIEWS)

    assert found == {"series": "series", "created_at": "created_at", "target": "target", "ai_q05": "ai_q05"}


@pytest.mark.parametrize(
    ("headers", "given", "sentence"),
    [
        (("series", "ai_forecast"), {}, "needs period"),
        (("series", "period", "naive_forecast"), {}, "needs ai_forecast or human_forecast"),
        (("series", "period", "ai_forecast", "segment_region"), {}, "the workflow has the levels state"),
        (("series", "period", "ai_forecast"), {"human": "series"}, "which is no column of forecasts"),
        (("series", "period", "ai_forecast"), {"human_by": "who"}, "looks for 'who', which is not in the file"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_what_is_wrong(headers, given, sentence):
    with pytest.raises(FileRefused, match=sentence):
        match_headers(headers, Kind.FORECASTS, ("state",), given=given)


def test_a_kind_that_there_is_not_is_refused_with_those_that_there_are():
    assert kind_of("sources") is Kind.SOURCES
    with pytest.raises(FileRefused, match="Choose one of forecasts, history, actuals, reviews, used, sources"):
        kind_of("stuff")


def test_the_headers_of_other_systems_are_known_for_statements():
    found = matched("Account", "Metric", "System", "Amount", "Last modified", "Month", "External ID", kind=Kind.SOURCES)

    assert found == {
        "series": "Account",
        "attribute": "Metric",
        "source": "System",
        "value": "Amount",
        "as_of": "Last modified",
        "period": "Month",
        "record_id": "External ID",
    }
