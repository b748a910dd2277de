"""The charts of Sources: a table in, a chart out."""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench.charts import ACCENT, QUIET, count_tip, titled


def reliability_chart(tenths: pd.DataFrame) -> alt.LayerChart:
    """What was stated against what came true, by tenths of confidence. ``tenths``: as ``calibration.reliability``."""
    both = alt.Scale(domain=[0, 1])
    percent = alt.Axis(format=".0%", tickCount=6)
    x = alt.X("stated:Q", title="Confidence that was worked out", scale=both, axis=percent)
    y = alt.Y("share:Q", title="Came true", scale=both, axis=percent)
    ends = pd.DataFrame({"stated": [0.0, 1.0], "share": [0.0, 1.0]})
    exact = alt.Chart(ends).mark_line(color=QUIET, strokeDash=[5, 4]).encode(x=x, y=y)
    base = alt.Chart(tenths).encode(
        x=x,
        tooltip=[
            alt.Tooltip("stated:Q", title="Stated", format=".1%"),
            alt.Tooltip("share:Q", title="Came true", format=".1%"),
            alt.Tooltip("low:Q", title="95 % interval from", format=".1%"),
            alt.Tooltip("high:Q", title="to", format=".1%"),
            count_tip("n", "Values"),
        ],
    )
    spread = base.mark_rule(color=ACCENT, strokeWidth=2).encode(y=alt.Y("low:Q", title="Came true"), y2="high:Q")
    points = base.mark_point(filled=True, color=ACCENT, size=70, opacity=1).encode(y=y)
    return titled(
        alt.layer(exact, spread, points),
        "How often does each confidence come true?",
        height=280,
        below="On the dashed line it comes true as often as stated. Upright lines: 95 % interval.",
    )
