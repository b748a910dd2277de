"""The override rate step by step: along the size of the gap, and along the time left."""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench.charts import ACCENT, QUIET, overall_rule, rate_tips, rate_y, titled, with_expected_rate

#: In two lines at most, a number beside its unit, so that all steps have their label on a phone too.
_IN_LINES = alt.Axis(
    labelAngle=0,
    labelOverlap=False,
    labelFlush=False,
    labelExpr="split(replace(datum.label, /([0-9]) /, '$1\u00a0'), ' ')",
)


def rate_by_step(
    steps: pd.DataFrame, *, overall: float, question: str, along: str, below: str, has_expected: bool
) -> alt.LayerChart:
    """The override rate of each step, with its Wilson interval.

    Args:
        steps: as ``measures.overrides`` gives it, in the order of the steps.
        overall: rate over all of them, 0 to 1.
        question: the title.
        along: what the steps are of, with its unit.
        below: how to read it.
        has_expected: whether to draw what such items let expect.
    """
    drawn = with_expected_rate(steps)
    x = alt.X("group:N", title=along, sort=drawn["group"].tolist(), axis=_IN_LINES)
    base = alt.Chart(drawn).encode(x=x, tooltip=[alt.Tooltip("group:N", title=along), *rate_tips()])
    line = base.mark_line(color=ACCENT, opacity=0.4, strokeWidth=1.5).encode(y=rate_y("rate"))
    bars = base.mark_rule(color=ACCENT, opacity=0.5, strokeWidth=2).encode(y=rate_y("low"), y2="high:Q")
    mix = base.mark_tick(orient="horizontal", color=QUIET, size=26, thickness=2).encode(y=rate_y("expected_rate"))
    dots = base.mark_point(filled=True, size=60, color=ACCENT, opacity=1).encode(y=rate_y("rate"))
    layers = [overall_rule(overall, along="y"), line, bars, *([mix] if has_expected else []), dots]
    return titled(alt.layer(*layers), question, height=170, below=below)
