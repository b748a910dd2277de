"""The charts of Impact."""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench.charts import ACCENT, LEGEND_HEIGHT, QUIET, count_tip, height_of, titled
from workbench.screens.impact import BEFORE, NOW, comparable

DAY = "%-d %b %y"
SIDES = alt.Scale(domain=[BEFORE, NOW], range=[QUIET, ACCENT])
SHAPES = alt.Scale(domain=[BEFORE, NOW], range=["square", "circle"])


def change_chart(table: pd.DataFrame) -> alt.LayerChart:
    """By how much of its baseline each measure has changed, with the 95 % interval.

    ``table``: as ``screens.impact.compared`` gives it; what has no baseline or does not compare is left out.
    """
    told = comparable(table)
    known = told[told["change"].notna() & (told["baseline"] > 0)]
    rows = known.assign(**{f"{name}_share": known[name] / known["baseline"] for name in ("change", "low", "high")})
    axis = alt.Axis(format="+.0%", tickCount=5)
    base = alt.Chart(rows).encode(
        y=alt.Y("title:N", title=None, sort=rows["title"].tolist(), axis=alt.Axis(labelFlush=False, labelLimit=170)),
        tooltip=[
            alt.Tooltip("title:N", title="Measure"),
            alt.Tooltip("unit:N", title="In"),
            alt.Tooltip("baseline:Q", title="Before", format=",.3~f"),
            alt.Tooltip("now:Q", title="Now", format=",.3~f"),
            alt.Tooltip("low:Q", title="95 % interval of the change from", format="+,.3~f"),
            alt.Tooltip("high:Q", title="to", format="+,.3~f"),
            count_tip("n_baseline", "Reviews before"),
            count_tip("n_now", "Reviews now"),
        ],
    )
    title = "Change, as a share of what it was"
    spread = base.mark_rule(color=ACCENT, opacity=0.5, strokeWidth=2).encode(
        x=alt.X("low_share:Q", title=title, axis=axis), x2="high_share:Q"
    )
    dots = base.mark_point(filled=True, size=60, color=ACCENT, opacity=1).encode(
        x=alt.X("change_share:Q", title=title, axis=axis)
    )
    zero = alt.Chart(pd.DataFrame({"at": [0.0]})).mark_rule(color=QUIET, strokeDash=[5, 4])
    none = zero.encode(x=alt.X("at:Q", title=title, axis=axis))
    return titled(none + spread + dots, "What has changed since go-live?", height=height_of(rows["title"], each=24))


def pace_chart(months: pd.DataFrame, marks: pd.DataFrame) -> alt.LayerChart:
    """Decisions a week in each month, before and here, with what else changed. Tables: from ``screens.impact``."""
    base = alt.Chart(months).encode(
        x=_time("Month of the decision"),
        tooltip=[
            alt.Tooltip("month:T", title="In", format="%b %Y"),
            alt.Tooltip("a_week:Q", title="Decisions a week", format=".1f"),
            count_tip("decisions", "Decisions in the month"),
            alt.Tooltip("side:N", title="Made"),
        ],
    )
    y = alt.Y("a_week:Q", title="Decisions a week", scale=alt.Scale(domainMin=0))
    return _over_time(base, y, months, marks, "Is more decided?", "")


def time_chart(months: pd.DataFrame, marks: pd.DataFrame) -> alt.LayerChart:
    """The median time to a decision by month of arrival, with what else changed. Tables: from ``screens.impact``."""
    known = months.dropna(subset=["median_days"])
    base = alt.Chart(known).encode(
        x=_time("Month of arrival"),
        tooltip=[
            alt.Tooltip("month:T", title="Came in", format="%b %Y"),
            alt.Tooltip("median_days:Q", title="Half decided within (days)", format=".1f"),
            count_tip("n", "Reviews"),
            alt.Tooltip("side:N", title="Reviewed"),
        ],
    )
    y = alt.Y("median_days:Q", title="Median (days)", scale=alt.Scale(domainMin=0))
    return _over_time(base, y, known, marks, "Is it decided sooner?", "Open items counted (Kaplan–Meier).")


def _over_time(
    base: alt.Chart, y: alt.Y, rows: pd.DataFrame, marks: pd.DataFrame, question: str, below: str
) -> alt.LayerChart:
    legend = alt.Legend(orient="bottom") if rows["side"].nunique() > 1 else None
    colour = alt.Color("side:N", title=None, scale=SIDES, legend=legend)
    line = base.mark_line(strokeWidth=1.5, opacity=0.4).encode(y=y, color=colour)
    dots = base.mark_point(filled=True, size=36, opacity=1).encode(
        y=y, color=colour, shape=alt.Shape("side:N", title=None, scale=SHAPES, legend=legend)
    )
    height = 160 + LEGEND_HEIGHT * (legend is not None)
    return titled(alt.layer(line, dots, *_marked(marks)), question, height=height, below=below)


def _time(title: str | None, field: str = "middle") -> alt.X:
    return alt.X(f"{field}:T", title=title, axis=alt.Axis(format="%b %y", labelOverlap=True, tickCount=6))


def _marked(marks: pd.DataFrame) -> tuple[alt.Chart, alt.Chart]:
    """A line on each day on which something changed, and its label above the chart."""
    base = alt.Chart(marks).encode(
        x=alt.X("day:T"),
        tooltip=[alt.Tooltip("day:T", title="On", format=DAY), alt.Tooltip("what:N", title="What changed")],
    )
    rules = base.mark_rule(color=QUIET, strokeDash=[5, 4], strokeWidth=1.5)
    labels = base.mark_text(color=QUIET, baseline="bottom", fontSize=12).encode(y=alt.value(-3), text="label:N")
    return rules, labels
