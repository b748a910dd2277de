"""The charts that every press draws: laid out once, filled with the numbers of the item, and read as data here."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from review_queue.misses import Misses
from tests.review_queue.test_rules import an_item
from workbench import item_chart, miss_strip
from workbench.charts import COLOURS
from workbench.reads import Surroundings

HISTORY = pd.DataFrame({"period_start": pd.date_range("2024-01-01", periods=40, freq="MS"), "value": range(40)})


def drawn(**changes: float | None) -> dict:
    item = an_item()
    ai = replace(item.ai, value=100.0, low=90.0, high=110.0) if item.ai else None
    manual = replace(item.manual, value=130.0) if item.manual else None
    around = Surroundings(HISTORY, naive=80.0)
    return item_chart.item_chart(replace(item, ai=ai, manual=manual), around, **{"final": None, **changes})


def test_the_chart_of_an_item_shows_each_forecast_in_its_own_colour():
    spec = drawn(final=120.0)

    points = spec["datasets"]["points"]
    assert points[["who", "value"]].to_numpy().tolist() == [["Naive", 80], ["AI", 100], ["Manual", 130], ["Final", 120]]
    scale = spec["layer"][2]["encoding"]["color"]["scale"]
    assert dict(zip(scale["domain"], scale["range"], strict=True)) == {
        name: COLOURS[name.lower()] for name in ("Naive", "AI", "Manual", "Final")
    }
    assert spec["datasets"]["spread"][["low", "high"]].to_numpy().tolist() == [[90, 110]]


def test_it_shows_the_last_three_years_and_no_final_value_before_one_is_typed():
    spec = drawn()

    assert spec["datasets"]["past"]["value"].tolist() == list(range(4, 40))
    assert "Final" not in spec["datasets"]["points"]["who"].tolist()


def test_the_next_item_keeps_the_layout_so_that_the_browser_only_moves_the_marks():
    first, second = drawn(), drawn()

    assert {name: part for name, part in first.items() if name != "datasets"} == {
        name: part for name, part in second.items() if name != "datasets"
    }
    assert drawn(final=1.0)["layer"] != first["layer"]


def test_the_strip_measures_everything_from_the_ai():
    item = an_item()
    item = replace(item, ai=replace(item.ai, value=100.0), divergence=replace(item.divergence, gap=30.0, scale=12.0))
    misses = Misses((-5.0, 20.0))

    spec = miss_strip.miss_strip(item, misses, final=115.0)

    assert spec["datasets"]["points"].to_numpy().tolist() == [["AI", 0], ["Manual", 30], ["Final", 15]]
    assert spec["datasets"]["misses"]["off"].tolist() == [-5, 20]
    assert spec["datasets"]["usual"].to_numpy().tolist() == [[-12, 12]]


def test_without_a_usual_miss_the_strip_has_no_band():
    item = an_item()
    item = replace(item, divergence=replace(item.divergence, scale=None))

    assert miss_strip.miss_strip(item, Misses(()), final=None)["datasets"]["usual"].empty
