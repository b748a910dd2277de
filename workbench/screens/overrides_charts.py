"""The funnel: groups around what is expected of each."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from review_queue.measures.funnel import LEVELS, binomial_limit
from workbench.charts import ACCENT, LEGEND_HEIGHT, QUIET, count_tip, titled
from workbench.screens.overrides import Funnel

PLACES = {0.0: "inside", 95.0: "outside 95 %", 99.8: "outside 99.8 %"}
MARKS = ["circle", "diamond", "square"]
STEPS = 120  #: of a limit: no more can be told apart


def funnel_chart(funnel: Funnel, title: str, *, has_names: bool = True) -> alt.LayerChart:
    """Observed over expected overrides against the number of decisions, with the 95 % and 99.8 % limits.

    Args:
        funnel: of which each row is a dot.
        title: the question.
        has_names: whether ``group`` is told; without it the chart holds no name at all.
    """
    shown = ["n", "observed", "expected", "ratio", "low_95", "high_95", *(["group"] if has_names else [])]
    dots = funnel.table[shown].assign(place=funnel.table["beyond"].map(PLACES))
    x = alt.X(
        "n:Q", title="Decisions", scale=alt.Scale(domainMin=0, nice=True), axis=alt.Axis(format=",d", tickCount=6)
    )
    top = max(2.0, float(dots["ratio"].max()) * 1.08) if len(dots) else 2.0
    y_scale = alt.Scale(domain=[0, top], clamp=True)
    y_axis = alt.Axis(format=".1f", tickCount=5)

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", title="Observed / expected overrides", scale=y_scale, axis=y_axis)

    names = [alt.Tooltip("group:N", title="Group")] if has_names else []
    drawn = (
        alt.Chart(dots)
        .mark_point(filled=True, size=70, color=ACCENT, opacity=0.9)
        .encode(
            x=x,
            y=y("ratio"),
            shape=alt.Shape(
                "place:N",
                title="By its own limits",
                scale=alt.Scale(domain=list(PLACES.values()), range=MARKS),
                legend=alt.Legend(orient="bottom"),
            ),
            tooltip=[
                *names,
                alt.Tooltip("ratio:Q", title="Observed / expected", format=".2f"),
                count_tip("n", "Decisions"),
                count_tip("observed", "Overrides"),
                alt.Tooltip("expected:Q", title="Expected", format=",.0f"),
                alt.Tooltip("low_95:Q", title="95 % limits from", format=".2f"),
                alt.Tooltip("high_95:Q", title="to", format=".2f"),
            ],
        )
    )
    curves = alt.Chart(limits(funnel)).mark_line(color=QUIET, strokeWidth=1.2)
    lines = [
        curves.encode(x=x, y=y(f"{end}_{level}"), strokeDash=alt.value(dash))
        for level, dash in (("95", [5, 4]), ("998", [1, 0]))
        for end in ("low", "high")
    ]
    middle = alt.Chart(pd.DataFrame({"ratio": [1.0]})).mark_rule(color=QUIET).encode(y=y("ratio"))
    below = "1: as such items let expect. Dashed: 95 % limits. Solid: 99.8 %."
    return titled(alt.layer(middle, *lines, drawn), title, height=230 + LEGEND_HEIGHT, below=below)


def limits(funnel: Funnel) -> pd.DataFrame:
    """The limits at the usual mix, against ``n``, as multiples of what is expected; each dot has its own beside."""
    table = funnel.table
    most = int(table["n"].max()) if len(table) else 100
    n = np.unique(np.geomspace(20, max(most * 1.05, 40), STEPS).round())
    mean = float(table["expected"].sum() / table["n"].sum()) if len(table) else 0.5
    found = {"n": n}
    for level, ends in LEVELS.items():
        for end, at in zip(("low", "high"), ends, strict=True):
            share = mean + (binomial_limit(n, mean, at) / n - mean) * np.sqrt(funnel.phi)
            found[f"{end}_{level:g}".replace(".", "")] = np.clip(share, 0, 1) / mean
    return pd.DataFrame(found)
