"""The scale under the gap: where it lies among the AI's past misses, as a strip and in words."""

from __future__ import annotations

import altair as alt
import pandas as pd

from review_queue.items import Item
from review_queue.misses import Misses, comparison
from workbench.charts import COLOURS
from workbench.parts import amount

HEIGHT = 62  #: pixels, with the axis
_MIDDLE = alt.value(16)  #: pixels from the top, where every mark sits


def miss_strip(item: Item, misses: Misses, *, final: float | None) -> alt.LayerChart:
    """Past misses as ticks, one usual miss either way as a band, the gap as the manual forecast's square.

    All are distances from the AI's value, in the unit. ``final``: the value as typed; None while nothing was typed.
    """
    ai, gap = item.ai.value if item.ai else 0.0, item.divergence.gap or 0.0
    x = alt.X(
        "off:Q",
        title=None,
        axis=alt.Axis(
            labelExpr="datum.value === 0 ? 'AI' : format(datum.value, '+,.4~g')",
            tickCount=5,
            grid=False,
        ),
        scale=alt.Scale(nice=False, padding=8),
    )  # fmt: skip
    ticks = (
        alt.Chart(pd.DataFrame({"off": list(misses.errors)}, dtype="float64"))
        .mark_tick(color=COLOURS["actual"], size=20, thickness=2, opacity=0.8)
        .encode(x=x, y=_MIDDLE, tooltip=[alt.Tooltip("off:Q", title="A past miss", format="+,.4~f")])
    )
    points = pd.DataFrame(
        [
            ("AI", "ai", "circle", 0.0),
            ("Manual", "manual", "square", gap),
            *([] if final is None else [("Final", "final", "diamond", final - ai)]),
        ],
        columns=["who", "kind", "shape", "off"],
    )
    kinds = list(points["kind"])
    colour = alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=[COLOURS[kind] for kind in kinds]), legend=None)
    marks = alt.Chart(points).mark_point(size=110, opacity=1, strokeWidth=2).encode(
        x=x, y=_MIDDLE, color=colour,
        fill=alt.condition("datum.kind === 'final'", alt.value("transparent"), colour),
        shape=alt.Shape("kind:N", scale=alt.Scale(domain=kinds, range=list(points["shape"])), legend=None),
        tooltip=[alt.Tooltip("who:N", title="Forecast"), alt.Tooltip("off:Q", title="From the AI", format="+,.4~f")],
    )  # fmt: skip
    layers = [ticks, marks]
    scale = item.divergence.scale
    if scale:
        band = alt.Chart(pd.DataFrame({"off": [-scale], "to": [scale]})).mark_rect(color=COLOURS["ai"], opacity=0.18)
        layers.insert(0, band.encode(x=x, x2="to:Q", y=alt.value(2), y2=alt.value(30)))
    return alt.layer(*layers).properties(height=HEIGHT)


def key_to(item: Item, misses: Misses) -> str:
    """What its marks mean."""
    meant = (
        "Ticks: those misses." if misses.errors else "",
        "Shaded: one usual miss." if item.divergence.scale else "",
    )
    return " ".join(filter(None, meant))


def in_words(item: Item, misses: Misses) -> str:
    """What the strip shows, for whoever cannot see it."""
    gap, scale = item.divergence.gap or 0.0, item.divergence.scale
    usual = f", {abs(gap) / scale:.1f} times a usual miss of {amount(scale)}" if scale else ""
    return f"A gap of {amount(gap, item.unit, signed=True)}{usual}. {comparison(gap, misses)}"
