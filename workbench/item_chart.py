"""The chart of one item: where the series has been, and where each forecast says it goes."""

from __future__ import annotations

from functools import lru_cache

import altair as alt
import pandas as pd

from review_queue.items import Item
from workbench.charts import COLOURS
from workbench.filled_charts import Spec, filled, laid_out
from workbench.parts import amount
from workbench.reads import Surroundings

HISTORY_SHOWN = 36


#: Who said it → whose colour it has, and its mark.
MARKS = {
    "Naive": ("naive", "cross"),
    "AI": ("ai", "circle"),
    "Manual": ("manual", "square"),
    "Final": ("final", "diamond"),
}


def item_chart(item: Item, around: Surroundings, *, final: float | None) -> Spec:
    """History as a line, then the naive, AI (with its range), manual and final values at the item's period.

    ``final``: the value as typed, in the unit; None while nothing was typed.
    """
    points = _points(item, around, final)
    return filled(
        _layout(item.unit, tuple(points["who"])),
        past=around.history.tail(HISTORY_SHOWN),
        points=points,
        spread=points.dropna(subset=["low", "high"]),
    )


@lru_cache(maxsize=256)
def _layout(unit: str, who: tuple[str, ...]) -> Spec:
    """The chart without its numbers, of data named ``past``, ``points`` and ``spread``."""
    x = alt.X("period_start:T", title=None)
    y = alt.Y("value:Q", title=unit, scale=alt.Scale(zero=False))
    line = (
        alt.Chart(alt.NamedData("past"))
        .mark_line(color=COLOURS["actual"], point=alt.OverlayMarkDef(size=12, color=COLOURS["actual"]))
        .encode(
            x=x,
            y=y,
            tooltip=[
                alt.Tooltip("period_start:T", title="Period"),
                alt.Tooltip("value:Q", title="Actual", format=",.4~f"),
            ],
        )
    )
    colours, shapes = [COLOURS[MARKS[name][0]] for name in who], [MARKS[name][1] for name in who]
    colour = alt.Color(
        "who:N",
        title=None,
        scale=alt.Scale(domain=list(who), range=colours),
        legend=alt.Legend(orient="top", symbolOpacity=1),
    )
    dots = alt.Chart(alt.NamedData("points")).mark_point(size=90, opacity=1, strokeWidth=2).encode(
        x=x, y=y, color=colour,
        # The final value starts as the AI's: hollow, so that the AI's shows through.
        fill=alt.condition("datum.who === 'Final'", alt.value("transparent"), colour),
        shape=alt.Shape("who:N", title=None, scale=alt.Scale(domain=list(who), range=shapes)),
        tooltip=[alt.Tooltip("who:N", title="Forecast"), alt.Tooltip("value:Q", title=unit, format=",.4~f")],
    )  # fmt: skip
    spread = (
        alt.Chart(alt.NamedData("spread"))
        .mark_rule(color=COLOURS["ai"], strokeWidth=3, opacity=0.5)
        .encode(
            x=x,
            y=alt.Y("low:Q"),
            y2="high:Q",
            tooltip=[alt.Tooltip("low:Q", format=",.4~f"), alt.Tooltip("high:Q", format=",.4~f")],
        )
    )
    return laid_out(alt.layer(line, spread, dots).properties(height=220))


def _points(item: Item, around: Surroundings, final: float | None) -> pd.DataFrame:
    ai = item.ai
    rows = [
        ("Naive", around.naive, None, None),
        ("AI", ai.value if ai else None, ai.low if ai else None, ai.high if ai else None),
        ("Manual", item.manual.value if item.manual else None, None, None),
        ("Final", final, None, None),
    ]
    points = pd.DataFrame([row for row in rows if row[1] is not None], columns=["who", "value", "low", "high"])
    points["period_start"] = pd.Timestamp(item.period_start)
    return points.astype({"low": float, "high": float, "value": float})


def in_words(item: Item, around: Surroundings, *, final: float | None) -> str:
    """What the chart shows, with its numbers, for whoever cannot see it."""
    past = around.history.tail(HISTORY_SHOWN)
    before = (
        f"{len(past)} actuals from {amount(past['value'].min())} to {amount(past['value'].max())}, "
        f"the last one {amount(past['value'].iloc[-1])} in {past['period_start'].iloc[-1]:%b %Y}."
        if len(past)
        else "No actuals yet."
    )
    said = [
        f"{row.who} {amount(row.value)}" + (f" ({amount(row.low)} to {amount(row.high)})" if pd.notna(row.low) else "")
        for row in _points(item, around, final).itertuples()
    ]
    return f"{item.series} in {item.unit}: {before} For {item.period}: {', '.join(said) or 'no forecast'}."


def _points(item: Item, around: Surroundings, final: float | None) -> pd.DataFrame:
    ai = item.ai
    rows = [
        ("Naive", "naive", "cross", around.naive, None, None),
        ("AI", "ai", "circle", ai.value if ai else None, ai.low if ai else None, ai.high if ai else None),
        ("Manual", "manual", "square", item.manual.value if item.manual else None, None, None),
        ("Final", "final", "diamond", final, None, None),
    ]
    columns = ["who", "kind", "shape", "value", "low", "high"]
    points = pd.DataFrame([row for row in rows if row[3] is not None], columns=columns)
    points["period_start"] = pd.Timestamp(item.period_start)
    return points.astype({"low": float, "high": float, "value": float})
