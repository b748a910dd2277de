"""The scale under the gap: where it lies among the AI's past misses, as a strip and in words."""

from __future__ import annotations

from functools import lru_cache

import altair as alt
import pandas as pd

from review_queue.items import Item
from review_queue.misses import Misses, comparison
from workbench.charts import COLOURS
from workbench.filled_charts import Spec, filled, laid_out
from workbench.parts import amount

HEIGHT = 62  #: pixels, with the axis
_MIDDLE = alt.value(16)  #: pixels from the top, where every mark sits


#: Whose distance it is → its mark.
MARKS = {"AI": ("ai", "circle"), "Manual": ("manual", "square"), "Final": ("final", "diamond")}


def miss_strip(item: Item, misses: Misses, *, final: float | None) -> Spec:
    """Past misses as ticks, one usual miss either way as a band, the gap as the manual forecast's square.

    All are distances from the AI's value, in the unit. ``final``: the value as typed; None while nothing was typed.
    """
    ai, gap, scale = item.ai.value if item.ai else 0.0, item.divergence.gap or 0.0, item.divergence.scale
    points = [("AI", 0.0), ("Manual", gap), *([] if final is None else [("Final", final - ai)])]
    return filled(
        _layout(tuple(who for who, _ in points)),
        misses=pd.DataFrame({"off": list(misses.errors)}, dtype="float64"),
        points=pd.DataFrame(points, columns=["who", "off"]),
        usual=pd.DataFrame({"off": [-scale], "to": [scale]} if scale else {"off": [], "to": []}, dtype="float64"),
    )


@lru_cache(maxsize=16)
def _layout(who: tuple[str, ...]) -> Spec:
    """The strip without its numbers, of data named ``misses``, ``points`` and ``usual``."""
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
    band = alt.Chart(alt.NamedData("usual")).mark_rect(color=COLOURS["ai"], opacity=0.18)
    ticks = (
        alt.Chart(alt.NamedData("misses"))
        .mark_tick(color=COLOURS["actual"], size=20, thickness=2, opacity=0.8)
        .encode(x=x, y=_MIDDLE, tooltip=[alt.Tooltip("off:Q", title="A past miss", format="+,.4~f")])
    )
    colours, shapes = [COLOURS[MARKS[name][0]] for name in who], [MARKS[name][1] for name in who]
    colour = alt.Color("who:N", scale=alt.Scale(domain=list(who), range=colours), legend=None)
    marks = alt.Chart(alt.NamedData("points")).mark_point(size=110, opacity=1, strokeWidth=2).encode(
        x=x, y=_MIDDLE, color=colour,
        fill=alt.condition("datum.who === 'Final'", alt.value("transparent"), colour),
        shape=alt.Shape("who:N", scale=alt.Scale(domain=list(who), range=shapes), legend=None),
        tooltip=[alt.Tooltip("who:N", title="Forecast"), alt.Tooltip("off:Q", title="From the AI", format="+,.4~f")],
    )  # fmt: skip
    usual = band.encode(x=x, x2="to:Q", y=alt.value(2), y2=alt.value(30))
    return laid_out(alt.layer(usual, ticks, marks).properties(height=HEIGHT))


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
