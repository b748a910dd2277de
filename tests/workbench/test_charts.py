"""Charts as data: their question, their axes, their counts, and colours that everybody can tell apart."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from review_queue.measures.ageing import ageing, open_reviews
from review_queue.measures.latency import durations, survival
from review_queue.measures.overrides import overrides, reason_shares
from tests.review_queue.measures.made_reviews import NOON, reviews, took
from workbench import charts

LIGHT, DARK = "#ffffff", "#0e1117"  # the paper of the two themes
#: How eyes without one kind of cone see linear RGB (Machado, Oliveira and Fernandes 2009, severity 1).
EYES = {
    "all cones": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    dim, bright = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (bright + 0.05) / (dim + 0.05)


def lab(light: np.ndarray) -> np.ndarray:
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    tristimulus = to_xyz @ np.clip(light, 0, 1) / [0.9505, 1, 1.089]
    x, y, z = np.where(tristimulus > 0.008856, np.cbrt(tristimulus), 7.787 * tristimulus + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("paper", [LIGHT, DARK])
@pytest.mark.parametrize("colour", [*charts.COLOURS.values(), *charts.BANDS.values(), charts.ACCENT, charts.QUIET])
def test_every_colour_stands_out_on_light_and_on_dark_paper(colour, paper):
    assert contrast(colour, paper) >= 3


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize(("palette", "apart"), [("COLOURS", 20), ("BANDS", 12)])
def test_colours_can_be_told_apart_by_every_eye(eyes, palette, apart):
    seen = [lab(np.array(EYES[eyes]) @ linear(colour)) for colour in getattr(charts, palette).values()]

    assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) >= apart


def a_queue() -> pd.DataFrame:
    table = reviews(*(took(hours, ended=False) for hours in (2, 30, 900)), *(took(hours) for hours in range(1, 30)))
    return table.assign(where=["north", "south", None] + ["north"] * 29)


def an_ageing_chart():
    table = a_queue()
    return charts.age_heat_map(ageing(table, as_of=NOON, groups=table["where"]))


def a_dots_chart():
    table = a_queue()
    waiting = open_reviews(table, as_of=NOON).assign(group=table["where"])
    return charts.ageing_dots(waiting, {"half decided": 14.0, "85 in 100 decided": float("nan")})


def a_survival_chart():
    times = durations(a_queue(), as_of=NOON)
    return charts.survival_chart(survival(times), times.loc[times["open"], ["hours"]])


def some_decisions() -> pd.DataFrame:
    rows = [{"state": "decided", "ai": 100, "final": 100 + place % 3, "reason": "PROMO"} for place in range(40)]
    return reviews(*rows).assign(where=["north"] * 20 + ["south"] * 20)


def a_week_chart():
    table = some_decisions()
    weeks = overrides(table, tolerance=0.01, groups=table["where"])
    weeks["week"] = pd.to_datetime(["2025-03-03", "2025-03-10"])
    return charts.rate_by_week(weeks, overall=0.3)


def a_group_chart():
    table = some_decisions()
    return charts.rate_by_group(overrides(table, tolerance=0.01, groups=table["where"]), overall=0.3)


def a_reason_chart():
    shares = reason_shares(some_decisions(), tolerance=0.01)
    return charts.reason_bars(shares.assign(name="Promotion"))


def encodings(chart) -> list[dict]:
    return [layer["encoding"] for layer in chart.to_dict()["layer"]]


EVERY = [an_ageing_chart, a_dots_chart, a_survival_chart, a_week_chart, a_group_chart, a_reason_chart]


@pytest.mark.parametrize("draw", EVERY)
def test_a_charts_title_is_a_question(draw):
    assert draw().to_dict()["title"]["text"].endswith("?")


@pytest.mark.parametrize("draw", EVERY)
def test_a_charts_tooltip_shows_the_counts_or_the_item(draw):
    told = {tip["title"] for encoding in encodings(draw()) for tip in encoding.get("tooltip", [])}

    assert told & {"Open", "Series", "Watched until then", "Decisions", "Overrides"}


@pytest.mark.parametrize(("draw", "axis"), [(a_week_chart, "y"), (a_group_chart, "x"), (a_reason_chart, "x")])
def test_a_rate_starts_at_zero(draw, axis):
    first = next(encoding[axis] for encoding in encodings(draw()) if "scale" in encoding.get(axis, {}))

    assert first["scale"]["domainMin"] == 0
    assert first["axis"]["format"] == ".0%"


def test_ages_are_in_days():
    titles = [encoding["x"].get("title", "") for encoding in encodings(a_dots_chart()) + encodings(a_survival_chart())]

    assert {title for title in titles if title} == {"Age (days)", "Days since it came in"}


def test_the_heat_map_shows_zeroes_and_items_of_no_known_segment():
    chart = an_ageing_chart().to_dict()
    rows = next(iter(chart["datasets"].values()))

    assert {row["group"] for row in rows} == {"north", "south", "unknown"}
    assert sum(row["open"] for row in rows) == 3
    assert sum(row["open"] == 0 for row in rows) == 15


def test_a_percentile_that_is_never_reached_has_no_line():
    datasets = a_dots_chart().to_dict()["datasets"].values()

    assert [[row["label"] for row in rows] for rows in datasets if "label" in rows[0]] == [["half decided"]]


def test_the_survival_curve_starts_with_everything_waiting_and_marks_open_items_on_it():
    datasets = list(a_survival_chart().to_dict()["datasets"].values())
    curve = next(rows for rows in datasets if "ended" in rows[0])
    marks = next(rows for rows in datasets if "ended" not in rows[0])

    assert (curve[0]["days"], curve[0]["waiting"]) == (0, 1)
    assert [mark["days"] for mark in marks] == pytest.approx([2 / 24, 30 / 24, 900 / 24])
    assert marks[-1]["waiting"] == pytest.approx(curve[-1]["waiting"])


def test_a_long_curve_is_drawn_with_steps_that_can_be_seen():
    times = pd.DataFrame({"hours": range(1, 6001), "finished": True})

    chart = charts.survival_chart(survival(times), times.head(0)).to_dict()

    drawn = max(len(rows) for rows in chart["datasets"].values())
    assert 300 < drawn <= charts.CURVE_STEPS + 2


def test_an_item_keeps_its_place_in_the_row():
    first, second = (a_dots_chart().to_dict()["datasets"] for _ in range(2))

    assert first == second
