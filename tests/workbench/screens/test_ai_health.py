"""What AI health says and shows, and when it cannot tell yet."""

from __future__ import annotations

import re
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from tests.workbench.screens.made import NOON, decided, known
from workbench.screens import ai_health as screen
from workbench.screens import ai_health_charts as charts

PERIODS = tuple(f"2024-{month:02}" for month in range(1, 11))


def told(misses: tuple[float, ...] = (0.1,) * 10, *, series: int = 20, naive: float | None = 0.2, **changes):
    """Reviews of so many series a period; the AI is that far off in each, now up and now down, the naive always."""
    random = np.random.default_rng(2)
    many = series * len(misses)
    off = np.repeat(misses, series) * random.uniform(0.8, 1.2, many) * np.tile([1, -1], many)[:many]
    columns = {
        "period": np.repeat(PERIODS[: len(misses)], series),
        "actual": 100.0,
        "ai": 100 * (1 + off),
        "naive": None if naive is None else 100 * (1 + naive),
        "ai_low": 85.0,
        "ai_high": 115.0,
        "ai_level": 0.8,
        "created_at": NOON - pd.to_timedelta(np.repeat(30 * np.arange(len(misses), 0, -1), series), unit="D"),
        "model_version": np.repeat(["m1"] * 5 + ["m2"] * 5, series)[:many],
        **changes,
    }
    return decided(many, series=series, **columns)


MUCH_WORSE = (*(0.1,) * 7, 0.6, 0.6, 0.6)
WORSE = (*(0.1,) * 7, 0.3, 0.3, 0.3)


def nothing() -> pd.DataFrame:
    return told().iloc[:0]


def the_answer(table: pd.DataFrame) -> str:
    return screen.answer(screen.changed(known(table)))


def the_alarm(table: pd.DataFrame) -> str:
    return screen.alarm_answer(screen.evidence_of(screen.path_of(known(table))), "UTC")


# --- the answer ----------------------------------------------------------------------------------------------------


def test_an_ai_that_misses_by_more_than_before_is_not_as_good():
    said = the_answer(told(WORSE))

    assert said.startswith("No: in 2024-08 to 2024-10 it missed by 30.")
    assert re.search(r"before that by (9\.9|10\.0|10\.1)%\.", said)
    assert "Measured against the naive forecast its error is 3.0 times what it was (95 % interval 2." in said


def test_an_ai_like_before_or_better_is():
    assert the_answer(told()).startswith("Yes, as far as can be told: in 2024-08 to 2024-10")
    assert the_answer(told((*(0.1,) * 7, 0.05, 0.05, 0.05))).startswith("Yes, it is better: ")


def test_without_naive_forecasts_its_own_error_is_compared():
    assert " Its error is 3.0 times what it was" in the_answer(told(WORSE, naive=None))


def test_below_the_minimum_it_says_what_is_missing():
    assert the_answer(nothing()) == "Can't tell yet: 0 of 30 actuals."
    assert the_answer(told((0.1,), series=29)) == "Can't tell yet: 29 of 30 actuals."
    assert the_answer(told((0.1,), series=30)).endswith("and there are 0 of 30 actuals from before.")
    assert the_answer(told(series=9)).endswith("in fewer than 10 series.")
    assert the_answer(told(series=10)).startswith("Yes")


# --- the alarm -----------------------------------------------------------------------------------------------------


def test_the_alarm_says_since_when_it_is_on_and_with_which_model():
    assert the_alarm(told(MUCH_WORSE, series=40)) == (
        "The alarm that it is worse than the naive forecast has been on since 1 September 2024, with m2."
    )


def test_a_newer_model_than_that_of_the_alarm_is_named():
    versions = np.repeat(["m1"] * 9 + ["m9"], 40)

    assert the_alarm(told(MUCH_WORSE, series=40, model_version=versions)).endswith(
        "with m1. m9 has come since: its own figures are in the table by model version."
    )


def test_an_alarm_is_off_again_once_the_evidence_is_back():
    misses = (0.3, 0.3, 0.3, *(0.01,) * 7)

    assert the_alarm(told(misses, series=60)).endswith("is below warning and alarm.")


def test_below_the_alarm_lies_the_warning():
    path = screen.path_of(known(told(MUCH_WORSE, series=40)))
    warned = path[path["evidence"].cummax() < 100]

    assert screen.alarm_answer(screen.evidence_of(warned), "UTC").endswith("has reached the warning, not the alarm.")


def test_the_alarm_needs_naive_forecasts_and_thirty_actuals():
    assert "no alarm that could be raised" in the_alarm(told(naive=None))
    assert the_alarm(told((0.1,), series=29)).endswith("can't tell yet, 29 of 30 actuals.")
    assert the_alarm(told((0.1,), series=30)).endswith("is below warning and alarm.")


def test_the_evidence_of_a_day_is_the_highest_since_that_is_what_raises_the_alarm():
    reviews = known(told(MUCH_WORSE, series=40))
    path = screen.path_of(reviews)

    days = screen.evidence_by_day(reviews, path)

    assert days["n"].tolist() == [40] * 10
    assert days["highest"].tolist() == path.groupby("when")["evidence"].max().tolist()
    assert days["state"].iloc[:7].tolist() == [""] * 7
    assert days["state"].iloc[7:].tolist() == ["alarm"] * 3
    assert days["version"].tolist() == ["m1"] * 5 + ["m2"] * 5
    assert days["periods"].tolist() == list(PERIODS)


# --- bias and range ------------------------------------------------------------------------------------------------


def bias_said(table: pd.DataFrame) -> str:
    reviews = known(table)
    return screen.bias_answer(screen.changed(reviews), screen.by_period(reviews))


def test_a_lean_to_one_side_is_told_with_the_tracking_signal():
    assert bias_said(told(ai=110.0)) == (
        "Bias: in 2024-08 to 2024-10 its forecasts were 10.0% too high in all. "
        "Its tracking signal, which is slower, is +1.00: a warning (limit ±0.5)."
    )
    assert "10.0% too low in all" in bias_said(told(ai=90.0))
    assert "−1.00: a warning" in bias_said(told(ai=90.0))
    assert "no warning yet" in bias_said(told())
    assert bias_said(told((0.1,) * 7)).endswith("Tracking signal: can't tell yet, 7 of 8 periods.")
    assert bias_said(nothing()) == ""


def range_said(table: pd.DataFrame) -> str:
    return screen.coverage_answer(screen.coverage_by_version(known(table)))


def test_the_range_of_the_newest_model_is_judged_from_eighty_actuals_in_eight_periods():
    same = {"model_version": "m1"}

    assert range_said(told((0.1,) * 8, ai_low=101.0, **same)) == (
        "Range: the 80% range of m1 held 0% of the actuals (95 % interval 0% to 2%); 100% fell below it and 0% above: "
        "too narrow."
    )
    assert range_said(told((0.1,) * 8, **same)).endswith("too wide.")
    assert range_said(told((0.1,) * 7, **same)).endswith("can't tell yet, 7 of 8 periods.")
    assert range_said(told((0.1,) * 8, series=9, **same)).endswith("can't tell yet, 72 of 80 actuals.")
    assert range_said(told((0.1,), series=29, **same)) == "Range of m1: can't tell yet, 29 of 30 actuals."


def test_without_ranges_or_actuals_there_is_none_to_judge():
    assert range_said(told(ai_low=None)) == "Range: no forecast that has a range has an actual."
    assert range_said(nothing()) == "Range: no forecast that has a range has an actual."


def test_model_versions_stand_in_the_order_in_which_they_came():
    versions = np.repeat(["v9"] * 5 + ["v10"] * 5, 20)
    reviews = known(told(model_version=versions))

    assert screen.coverage_by_version(reviews)["group"].tolist() == ["v9", "v10"]
    assert screen.figures(reviews, screen.VERSION)["group"].tolist() == ["v9", "v10"]


# --- the tables ----------------------------------------------------------------------------------------------------


def test_periods_have_their_error_beside_naives_their_model_and_the_tracking_signal():
    periods = screen.by_period(known(told(WORSE, series=40)))

    assert periods["wape"].tolist() == pytest.approx(WORSE, abs=0.02)
    assert periods["naive_wape"].tolist() == pytest.approx([0.2] * 10)
    assert periods["model_version"].tolist() == ["m1"] * 5 + ["m2"] * 5
    assert periods["signal"].notna().all()
    assert screen.by_period(known(nothing())).empty


def test_every_figure_stands_in_one_row_a_group_with_its_alarms_in_words():
    states = np.repeat(["Victoria", "Queensland"], 200)
    table = told((0.3,) * 10, series=40, segment_state=states)

    figures = screen.figures(known(table), "segment_state").set_index("group")

    assert list(figures.index) == ["Queensland", "Victoria"]
    assert figures["n"].tolist() == [200, 200]
    assert figures["naive_wape"].tolist() == pytest.approx([0.2, 0.2])
    assert figures["level"].tolist() == [0.8, 0.8]
    assert "evidence against it" in figures.loc["Victoria", "alarms"]
    assert screen.figures(known(nothing()), "segment_state").empty


def test_below_thirty_actuals_a_row_has_only_its_count():
    figures = screen.figures(known(told((0.1,), series=29)), screen.VERSION).iloc[0]

    assert figures["n"] == 29
    assert figures[["wape", "naive_wape", "bias", "coverage", "e_cusum"]].isna().all()
    assert figures["alarms"] == ""


def weekly(**changes) -> pd.DataFrame:
    """Twelve weeks of forty decisions each."""
    weeks = NOON - pd.to_timedelta(np.repeat(7 * np.arange(12, 0, -1), 40), unit="D")
    return decided(480, **{"created_at": weeks, **changes})


def test_a_sign_outside_its_limits_in_two_weeks_is_named():
    flagged = np.repeat([False] * 10 + [True] * 2, 40) | (np.arange(480) % 10 == 0)

    weeks = screen.signs_by_week(known(weekly(flagged=flagged)))

    assert weeks["week"].is_monotonic_decreasing
    assert weeks["week"].dt.weekday.eq(0).all()
    assert weeks["outside"].tolist() == ["flagged for judgement", *[""] * 11]
    assert weeks["flagged"].tolist() == pytest.approx([1, 1, *[0.1] * 10])
    assert weeks["n"].tolist() == [40] * 12


def test_the_share_decided_without_the_ai_is_of_what_is_decided():
    table = weekly(is_degraded=np.arange(480) % 2 == 0)
    table.loc[440:, "state"] = "ready"

    weeks = screen.signs_by_week(known(table))

    assert np.isnan(weeks["withheld"].iloc[0])
    assert weeks["withheld"].iloc[1:].eq(0.5).all()


# --- before any actual is known ------------------------------------------------------------------------------------


def early(table: pd.DataFrame) -> str:
    reviews = known(table)
    return screen.early_answer(reviews, screen.signs_by_week(reviews), screen.changed(reviews))


def spreading(now: float, before: float, *, each: int = 300, **changes) -> pd.DataFrame:
    """So many gaps before and now, around the sizes that are told."""
    size = np.repeat([before, now], each) * np.random.default_rng(5).uniform(0.5, 1.5, 2 * each)
    when = NOON - timedelta(weeks=10) - np.repeat([1, 0], each) * timedelta(weeks=20)
    return decided(2 * each, **{"u": size, "created_at": when, **changes})


def test_gaps_that_spread_otherwise_are_a_shift_without_any_actual():
    said = early(spreading(0.9, 0.3, actual=None))

    gaps = [float(gap) for gap in re.findall(r"went from ([\d.]+) to ([\d.]+) usual misses", said)[0]]
    assert gaps == pytest.approx([0.3, 0.9], abs=0.05)
    assert "its limit for so many 0.14: a shift. No weekly share was outside" in said


def test_gaps_like_before_are_none_and_few_cannot_tell():
    assert "no sign of a shift" in early(spreading(0.3, 0.3))
    assert "can't tell yet, 200 gaps of each needed" in early(spreading(0.9, 0.3, each=199))
    assert early(spreading(0.9, 0.3, each=49)).endswith("can't tell yet, 49 and 49 gaps, 50 of each needed.")


def test_more_disagreement_that_helps_looks_like_the_ai_and_that_hurts_like_trust():
    month = {"period": [f"{2000 + place // 12}-{place % 12 + 1:02}" for place in range(20)] * 30, "reason": "PROMO"}

    helps = early(spreading(0.9, 0.3, ai=120.0, final=105.0, **month))
    hurts = early(spreading(0.9, 0.3, ai=105.0, final=120.0, **month))

    assert "it looks like an AI problem: people disagree with it more, and they are right to." in helps
    assert "it looks like a trust problem" in hurts
    assert "looks like" not in early(spreading(0.3, 0.9, ai=120.0, final=105.0, **month))


def test_nothing_at_all_makes_nothing_fail():
    assert early(nothing()).endswith("0 and 0 gaps, 50 of each needed.")
    assert screen.signs_by_week(known(nothing())).empty


def test_open_items_alone_make_nothing_fail():
    table = told(state="ready", final=None, actual=None)

    assert the_answer(table) == "Can't tell yet: 0 of 30 actuals."
    assert screen.signs_by_week(known(table))["withheld"].isna().all()


# --- charts --------------------------------------------------------------------------------------------------------


def an_evidence_chart():
    reviews = known(told(MUCH_WORSE, series=40))
    return charts.evidence_chart(screen.evidence_by_day(reviews, screen.path_of(reviews)))


def an_error_chart():
    return charts.error_by_period(screen.by_period(known(told(WORSE, series=40))))


def a_coverage_chart():
    return charts.coverage_by_version(screen.coverage_by_version(known(told(WORSE))))


def layers(chart) -> list[dict]:
    return chart.to_dict()["layer"]


def data_of(chart, layer: int) -> list[dict]:
    spec = chart.to_dict()
    return spec["datasets"][spec["layer"][layer].get("data", spec.get("data"))["name"]]


@pytest.mark.parametrize("draw", [an_evidence_chart, an_error_chart, a_coverage_chart])
def test_a_charts_title_is_a_question_and_its_tooltip_counts(draw):
    tips = {tip["title"] for layer in layers(draw()) for tip in layer["encoding"].get("tooltip", [])}

    assert draw().to_dict()["title"]["text"].endswith("?")
    assert "Actuals" in tips
    assert "Model version" in tips


def test_evidence_is_drawn_up_to_ten_thousand_with_warning_and_alarm():
    chart = an_evidence_chart()

    drawn = [row["drawn"] for row in data_of(chart, -1)]
    assert max(drawn) == 10_000
    assert min(drawn) >= 1
    assert [row["label"] for row in data_of(chart, 0)] == ["warning 20", "alarm 100"]
    assert layers(chart)[0]["encoding"]["y"]["scale"]["type"] == "log"


def test_the_error_starts_at_zero_and_marks_each_new_model():
    chart = an_error_chart()

    scales = [layer["encoding"]["y"]["scale"] for layer in layers(chart) if "scale" in layer["encoding"].get("y", {})]
    assert scales[0] == {"domainMin": 0}
    assert [row["model_version"] for row in data_of(chart, 0)] == ["m1", "m2"]


def test_without_naive_forecasts_only_the_ai_is_drawn():
    chart = charts.error_by_period(screen.by_period(known(told(series=40, naive=None))))

    assert {row["who"] for row in data_of(chart, -1)} == {"AI"}


def test_only_the_newest_models_are_marked():
    versions = np.repeat([f"v{number}" for number in range(10)], 40)
    chart = charts.error_by_period(screen.by_period(known(told(series=40, model_version=versions))))

    assert [row["model_version"] for row in data_of(chart, 0)] == [f"v{number}" for number in range(4, 10)]


def test_coverage_is_a_share_from_nothing_to_all_beside_what_was_promised():
    chart = a_coverage_chart()

    assert layers(chart)[0]["encoding"]["x"]["scale"]["domain"] == [0, 1]
    assert {layer["encoding"]["x"]["field"] for layer in layers(chart)} == {"low", "level", "inside"}
