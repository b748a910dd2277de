"""What Value added says and shows, and when it cannot tell yet."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from tests.workbench.screens.made import decided, known
from tests.workbench.test_charts import DARK, EYES, LIGHT, contrast, lab, linear
from workbench.screens import value_added as screen
from workbench.screens import value_added_charts as charts


def better(number: int, **changes) -> pd.DataFrame:
    """Final values that took away most of an AI's error of 20."""
    return decided(number, ai=120.0, final=105.0, reason="PROMO", **changes)


def nothing() -> pd.DataFrame:
    return decided(1).iloc[:0]


# --- the answer ----------------------------------------------------------------------------------------------------


def test_final_values_that_are_nearer_add_value():
    said = screen.answer(known(better(60)))

    assert said.startswith("Yes: final values miss by 4.7% of the actuals, the AI alone by 19.7%.")
    assert "That is 15.0 points better (95 % interval +14.9 to +15.0)." in said


def test_final_values_that_are_further_off_cost_accuracy():
    said = screen.answer(known(decided(60, ai=105.0, final=120.0)))

    assert said.startswith("No: final values miss by ")
    assert "points worse (95 % interval −1" in said


def test_an_interval_around_nothing_cannot_tell():
    finals = [100.5 + place % 2 for place in range(60)]
    said = screen.answer(known(decided(60, actual=100.0, ai=101.0, final=finals)))

    assert said.startswith("Can't tell yet: final values miss by ")
    assert "95 % interval −" in said


@pytest.mark.parametrize(("number", "series", "said"), [(29, 20, "29 of 30 decisions"), (30, 9, "9 of 10 series")])
def test_below_the_minimum_it_says_what_is_missing(number, series, said):
    assert screen.answer(known(better(number, series=series))).startswith("Can't tell yet")
    assert said in screen.answer(known(better(number, series=series)))


def test_at_the_minimum_it_answers():
    assert screen.answer(known(better(30, series=10))).startswith("Yes")


def test_without_an_ai_or_without_decisions_there_is_nothing_to_compare():
    assert screen.answer(known(decided(40, ai=None))) == (
        "Can't tell yet: no decision has both an AI and a final value."
    )
    assert screen.answer(known(nothing())).startswith("Can't tell yet")
    assert screen.basis(known(nothing())) == "Nothing is decided here."


def test_it_says_how_many_of_the_decisions_can_be_compared():
    table = better(40)
    table.loc[:9, "actual"] = float("nan")

    said = screen.basis(known(table))

    assert said.startswith("Compared on 30 of 40 decisions (75%): those where AI → Final")


def test_an_interval_that_just_excludes_nothing_is_not_rounded_to_it():
    finals = [100.97 - 0.02 * (place % 2) for place in range(60)]
    said = screen.answer(known(decided(60, actual=100.0, ai=101.0, final=finals)))

    assert "That is 0.04 points better (95 % interval +0.04 to +0.04)." in said


# --- the steps -----------------------------------------------------------------------------------------------------


def test_the_stairstep_has_each_step_against_naive_and_against_the_one_before():
    steps = screen.stairstep(known(better(60, naive=130.0, manual=110.0))).set_index("title")

    assert list(steps.index) == ["Naive", "AI", "Manual", "Final"]
    assert steps.loc["AI", "vs_naive"] == pytest.approx(10, abs=0.3)
    assert steps.loc["Final", "vs_naive"] == pytest.approx(25, abs=0.6)
    assert steps.loc["Final", "fva_points"] == pytest.approx(5, abs=0.3)
    assert pd.isna(steps.loc["Naive", "vs_naive"])
    assert steps["verdict"].tolist() == ["", *["adds value"] * 3]


def test_below_thirty_decisions_a_step_has_only_its_count():
    steps = screen.stairstep(known(better(29)))

    assert steps["n"].tolist() == [29, 29]
    assert steps[["wape", "bias", "fva_points", "low", "better"]].isna().all(axis=None)


def test_manual_forecasts_alone_stand_beside_the_final_values():
    less = screen.beside_manual(screen.stairstep(known(better(60, manual=101.0))))
    even = [100.0 + 10 * (place % 2) for place in range(60)]
    same = screen.beside_manual(screen.stairstep(known(better(60, manual=even))))

    assert less.startswith("The manual forecasts alone would have missed by 1.")
    assert " points less than the final values (95 % interval +" in less
    assert "which may be chance" in same
    assert screen.beside_manual(screen.stairstep(known(better(60)))) == ""


def test_series_of_all_sizes_and_the_ais_range_are_scored_too():
    ranges = {"ai_low": 90.0, "ai_high": 140.0, "ai_level": 0.8}
    said = screen.across_series(known(better(60, **ranges)))

    assert said.startswith("With every series counted alike, final values miss by 0.2")
    assert "Scored together with its range (WIS), the AI misses by 9.9%" in said
    assert "WIS" not in screen.across_series(known(better(60)))
    assert screen.across_series(known(better(29, **ranges))) == ""


def test_groups_below_the_minimum_have_no_verdict():
    states = ["Victoria"] * 40 + ["Queensland"] * 20
    groups = screen.final_against_ai(known(better(60, segment_state=states)), "segment_state").set_index("group")

    assert groups["verdict"].to_dict() == {"Queensland": "not enough data", "Victoria": "adds value"}


# --- the changes ---------------------------------------------------------------------------------------------------


def made(number: int, *, up_helps: bool = False, reasons: tuple[str, str] = ("PLAN_ALIGN", "CUST_COMMIT")):
    """Half the overrides go up by 15 and half down by 15; all of the latter, and the former if told, help."""
    ups = [place % 2 == 0 for place in range(number)]
    return screen.changes(
        known(
            decided(
                number,
                final=[115.0 if up else 85.0 for up in ups],
                actual=[(112.0 if up_helps else 100.0) if up else 88.0 for up in ups],
                reason=[reasons[0] if up else reasons[1] for up in ups],
            )
        )
    )


def test_upward_and_downward_changes_are_told_apart():
    said = screen.direction_answer(made(160))

    assert said == (
        "Upward changes came nearer to the actual in 0% of cases (95 % interval 0% to 5%). "
        "Downward changes came nearer to the actual in 100% of cases (95 % interval 95% to 100%)."
    )


def test_few_changes_are_said_to_be_few():
    assert screen.direction_answer(made(18)) == "Which changes help: can't tell yet, 18 of 20 overrides with an actual."
    assert "Upward changes: can't tell yet, 15 of 20." in screen.direction_answer(made(30))
    assert "can't tell yet from 25 of 60" in screen.direction_answer(made(50))


def test_history_says_how_much_of_a_change_to_keep_in_each_direction():
    said = screen.damping_answer(made(160))

    assert "Upward changes here: 80, of which 0 helped; history suggests keeping about 6 %." in said
    assert "Downward changes here: 80, of which 80 helped; history suggests keeping about 77 %." in said
    assert "not enough yet (5 of 10)" in screen.damping_answer(made(10))


def test_overrides_without_a_usual_miss_say_nothing_of_damping():
    past = made(160).assign(scale=float("nan"))

    assert "Upward changes here: not enough yet (0 of 10)." in screen.damping_answer(past)


def test_every_kind_of_override_has_the_shares_of_its_four_ends():
    kinds = screen.by_kind(made(160)).set_index("name")

    assert kinds.index[:3].tolist() == ["All overrides", "Upward", "Downward"]
    assert kinds[list(screen.OUTCOMES)].dropna().sum(axis=1).round(9).eq(1).all()
    assert kinds.loc["Upward", "wrong direction"] == 1
    assert kinds.loc["Downward", "over, still better"] == 1
    assert kinds.loc["All overrides", "hit"] == 0.5
    assert kinds.loc["Not information", "cut"] == "Kind of reason"


def test_a_kind_with_fewer_than_twenty_overrides_has_only_its_count():
    kinds = screen.by_kind(made(38)).set_index("name")

    assert kinds.loc["Upward", "n"] == 19
    assert kinds.loc["Upward", ["hit", *screen.OUTCOMES]].isna().all()
    assert kinds.loc["All overrides", "hit"] == 0.5


def test_reasons_that_help_and_reasons_that_hurt_are_named():
    past = made(160)

    said = screen.reasons_answer(screen.by_reason(past), past)

    assert said == (
        "Of all overrides 50% came nearer to the actual than the AI. Clearly more of those for Customer commitment "
        "(100%). Clearly fewer of those for Plan alignment (0%)."
    )


def test_reasons_that_do_not_differ_are_not_named():
    past = made(160, up_helps=True)

    assert screen.reasons_answer(screen.by_reason(past), past).endswith("No reason differs clearly from that.")


def test_no_reason_is_judged_below_sixty_overrides():
    past = made(118)

    assert "can't tell yet, none has 60 overrides" in screen.reasons_answer(screen.by_reason(past), past)
    assert screen.by_reason(past)["state"].tolist() == ["can't tell yet"] * 2


def test_a_code_that_nobody_knows_keeps_its_own_name():
    names = screen.by_reason(made(80, reasons=("WEATHER", "PROMO")))["name"].tolist()

    assert names == ["Promotion", "WEATHER"]


def test_removed_error_is_in_money_or_in_the_unit():
    table = better(40)
    dear = table.assign(value_per_unit=2.0)

    plain_unit, money = known(table), known(dear, currency="AUD")
    said = [screen.error_removed(reviews, screen.changes(reviews)) for reviews in (plain_unit, money)]

    assert said[0].startswith("Together they took away ")
    assert said[0].endswith(" AUD m of error.")
    assert said[1].endswith(" AUD of error.")
    worse = known(decided(40, final=120.0))
    assert "they added " in screen.error_removed(worse, screen.changes(worse))


def test_nothing_at_all_makes_no_table_fail():
    reviews = known(nothing())
    past = screen.changes(reviews)

    assert screen.stairstep(reviews).empty
    assert screen.by_reason(past).empty
    assert screen.by_kind(past)["hit"].isna().all()
    assert "can't tell yet" in screen.direction_answer(past)
    assert screen.error_removed(reviews, past) == ""


# --- charts --------------------------------------------------------------------------------------------------------


def steps_chart():
    return charts.stairstep_chart(screen.stairstep(known(better(60, naive=130.0, manual=110.0))))


def ends_chart():
    return charts.outcome_bars(screen.by_kind(made(160)))


def reasons_chart():
    return charts.reason_hits(screen.by_reason(made(100)), overall=0.5)


def rows_of(chart, layer: int) -> list[dict]:
    spec = chart.to_dict()
    data = spec["layer"][layer].get("data", spec.get("data"))
    return spec["datasets"][data["name"]]


@pytest.mark.parametrize("draw", [steps_chart, ends_chart, reasons_chart])
def test_a_charts_title_is_a_question_its_axis_starts_at_zero_and_its_tooltip_counts(draw):
    spec = draw().to_dict()
    encodings = [layer["encoding"] for layer in spec["layer"]]
    axis = next(encoding["x"] for encoding in encodings if "scale" in encoding.get("x", {}))
    tips = {tip["title"] for encoding in encodings for tip in encoding.get("tooltip", [])}

    assert spec["title"]["text"].endswith("?")
    assert axis["scale"]["domain"][0] == 0
    assert axis["axis"]["format"] == ".0%"
    assert axis["title"]
    assert tips & {"Decisions", "Overrides"}


def test_the_verdict_stands_beside_its_step_and_its_interval_around_the_bar():
    rows = rows_of(steps_chart(), 0)

    assert [row["label"].split("|")[0] for row in rows] == ["Naive", "AI", "Manual", "Final"]
    assert rows[3]["label"].endswith("points: adds value")
    assert rows[0]["label"] == "Naive"
    assert all(row["least"] <= row["wape"] <= row["most"] for row in rows[1:])


def test_ends_are_told_apart_by_words_and_numbers_and_their_rows_say_how_many():
    spec = ends_chart().to_dict()
    rows = rows_of(ends_chart(), 0)

    assert {row["label"] for row in rows} >= {"All overrides (160)", "Upward (80)", "Downward (80)"}
    assert spec["layer"][0]["encoding"]["color"]["scale"]["domain"] == list(screen.OUTCOMES)
    assert spec["layer"][1]["encoding"]["text"]["field"] == "share"


@pytest.mark.parametrize("colour", charts.OUTCOME_COLOURS.values())
def test_ends_stand_out_on_either_paper_and_white_numbers_on_them(colour):
    assert min(contrast(colour, paper) for paper in (LIGHT, DARK, charts.ON_BARS)) >= 3


@pytest.mark.parametrize("eyes", EYES)
def test_ends_that_lie_side_by_side_are_told_apart_by_every_eye(eyes):
    seen = [lab(np.array(EYES[eyes]) @ linear(charts.OUTCOME_COLOURS[end])) for end in screen.OUTCOMES]

    assert min(np.linalg.norm(one - other) for one, other in pairwise(seen)) >= 10


def test_reasons_with_few_overrides_have_another_shape():
    assert {row["sample"] for row in rows_of(reasons_chart(), 1)} == {"fewer than 60"}
    assert reasons_chart().to_dict()["layer"][2]["encoding"]["shape"]["scale"]["range"] == ["circle", "diamond"]
