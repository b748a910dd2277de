"""The charts of AI health: a table in, a chart out."""

from __future__ import annotations

import altair as alt
import pandas as pd

from review_queue.measures.skill import ALARM, WARNING
from workbench.charts import ACCENT, COLOURS, LEGEND_HEIGHT, QUIET, count_tip, height_of, titled

HIGHEST = 10_000.0  #: evidence above this is drawn as this
MOST_MARKS = 6  #: model versions that are marked, the newest ones
MARKS_HEIGHT = 18  #: pixels above the lines, for the versions' names


def evidence_chart(days: pd.DataFrame) -> alt.LayerChart:
    """The evidence that the AI is worse than naive, day by day, with warning, alarm and model versions.

    ``days``: as ``ai_health.evidence_by_day`` gives it.
    """
    drawn = days.assign(drawn=days["highest"].clip(1, HIGHEST))
    x = alt.X("day:T", title="When the actuals came", axis=alt.Axis(format="%b %y", labelOverlap=True, tickCount=8))
    y = alt.Y(
        "drawn:Q",
        title="Evidence against the AI",
        scale=alt.Scale(type="log", domain=[1, HIGHEST]),
        axis=alt.Axis(values=[1, 10, 100, 1000, HIGHEST], format=",d"),
    )
    base = alt.Chart(drawn).encode(
        x=x,
        y=y,
        tooltip=[
            alt.Tooltip("day:T", title="Actuals of", format="%d %b %Y"),
            alt.Tooltip("periods:N", title="Periods"),
            alt.Tooltip("highest:Q", title="Highest evidence", format=",.4~g"),
            alt.Tooltip("state:N", title="State"),
            alt.Tooltip("skill:Q", title="Mean relative skill", format="+.2f"),
            alt.Tooltip("version:N", title="Model version"),
            count_tip("n", "Actuals"),
        ],
    )
    limits = pd.DataFrame({"drawn": [WARNING, ALARM], "label": [f"warning {WARNING:.0f}", f"alarm {ALARM:.0f}"]})
    lines = alt.Chart(limits).mark_rule(color=QUIET, strokeDash=[5, 4]).encode(y=y)
    words = (
        alt.Chart(limits)
        .mark_text(color=QUIET, align="left", baseline="bottom", dx=4, dy=-2, fontSize=12)
        .encode(x=alt.value(0), y=y, text="label:N")
    )
    line = base.mark_line(color=ACCENT, strokeWidth=2)
    points = base.mark_point(filled=True, color=ACCENT, size=30, opacity=1)
    return titled(
        alt.layer(lines, words, *_marks(drawn, "version", x), line, points),
        "Does the AI miss by more than the naive forecast?",
        height=200 + MARKS_HEIGHT,
        below=f"Drawn up to {HIGHEST:,.0f}. Upright lines: a new model version.",
    )


def error_by_period(periods: pd.DataFrame) -> alt.LayerChart:
    """The WAPE of the AI, with its interval, and of the naive forecast, period by period, with the model versions.

    ``periods``: as ``ai_health.by_period`` gives it.
    """
    known = periods[periods["wape"].notna()]
    order = known["period"].tolist()
    names = {"ai": "AI", "naive": "Naive"}
    long = pd.concat(
        [
            known.assign(who="AI", error=known["wape"]),
            known.assign(who="Naive", error=known["naive_wape"], low=None, high=None),
        ]
    )
    long = long[long["error"].notna()].astype({"low": float, "high": float})
    x = alt.X("period:O", title="Period", sort=order, axis=alt.Axis(labelOverlap=True, labelAngle=0))
    y = alt.Y(
        "error:Q",
        title="Error (WAPE)",
        scale=alt.Scale(domainMin=0),
        axis=alt.Axis(format=".0%", tickCount=5),
    )
    shown = [name for name in names.values() if (long["who"] == name).any()]
    keys = [key for key, name in names.items() if name in shown]
    colour = alt.Color(
        "who:N",
        title=None,
        scale=alt.Scale(domain=shown, range=[COLOURS[key] for key in keys]),
        legend=alt.Legend(orient="bottom"),
    )
    shape = alt.Shape(
        "who:N",
        title=None,
        scale=alt.Scale(domain=shown, range=[{"ai": "circle", "naive": "square"}[key] for key in keys]),
        legend=alt.Legend(orient="bottom"),
    )
    base = alt.Chart(long).encode(
        x=x,
        color=colour,
        tooltip=[
            alt.Tooltip("period:O", title="Period"),
            alt.Tooltip("wape:Q", title="WAPE of the AI", format=".1%"),
            alt.Tooltip("naive_wape:Q", title="WAPE of naive", format=".1%"),
            alt.Tooltip("bias:Q", title="Bias of the AI", format="+.1%"),
            alt.Tooltip("model_version:N", title="Model version"),
            count_tip("n", "Actuals"),
        ],
    )
    spread = (
        base.transform_filter("isValid(datum.low)")
        .mark_rule(opacity=0.5, strokeWidth=2)
        .encode(y=alt.Y("low:Q"), y2="high:Q")
    )
    line = base.mark_line(strokeWidth=1.5, opacity=0.7).encode(y=y)
    points = base.mark_point(filled=True, size=45, opacity=1).encode(y=y, shape=shape)
    return titled(
        alt.layer(*_marks(known, "model_version", x), line, spread, points),
        "How large is its error, and is it smaller than naive's?",
        height=190 + LEGEND_HEIGHT + MARKS_HEIGHT,
        below="With 95 % intervals. Upright lines: a new model version.",
    )


def coverage_by_version(coverage: pd.DataFrame) -> alt.LayerChart:
    """The share of actuals inside the AI's range, by model version, beside what was promised.

    ``coverage``: as ``ai_health.coverage_by_version`` gives it.
    """
    shown = coverage[coverage["inside"].notna()]
    shown = shown.assign(group=shown["group"].fillna("unknown"))
    base = alt.Chart(shown).encode(
        y=alt.Y("group:N", title=None, sort=shown["group"].tolist(), axis=alt.Axis(labelFlush=False, labelLimit=190)),
        tooltip=[
            alt.Tooltip("group:N", title="Model version"),
            alt.Tooltip("inside:Q", title="Inside the range", format=".1%"),
            alt.Tooltip("low:Q", title="95 % interval from", format=".1%"),
            alt.Tooltip("high:Q", title="to", format=".1%"),
            alt.Tooltip("level:Q", title="Promised", format=".0%"),
            alt.Tooltip("verdict:N", title="Verdict"),
            count_tip("periods", "Periods"),
            count_tip("n", "Actuals"),
        ],
    )

    def x(field: str) -> alt.X:
        return alt.X(
            f"{field}:Q",
            title="Share of actuals inside the AI's range",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(format=".0%", tickCount=5),
        )

    spread = base.mark_rule(color=COLOURS["ai"], opacity=0.5, strokeWidth=2).encode(x=x("low"), x2="high:Q")
    dots = base.mark_point(filled=True, size=60, color=COLOURS["ai"], opacity=1).encode(x=x("inside"))
    promised = base.mark_tick(color=QUIET, thickness=3, size=22).encode(x=x("level"))
    return titled(
        spread + promised + dots,
        "Does the AI's range hold what it promises?",
        height=height_of(shown["group"]),
        below="Upright ticks: what was promised. Lines: 95 % intervals.",
    )


def _marks(table: pd.DataFrame, version: str, x: alt.X) -> list[alt.Chart]:
    """Where each of the newest versions first appears: a line and its name, above the rest."""
    known = table[table[version].notna()]
    first = known[~known[version].duplicated()].tail(MOST_MARKS)
    if first.empty:
        return []
    base = alt.Chart(first).encode(x=x)
    rules = base.mark_rule(color=QUIET, opacity=0.5)
    names = base.mark_text(color=QUIET, align="left", baseline="bottom", dx=2, fontSize=12).encode(
        y=alt.value(-3), text=alt.Text(f"{version}:N")
    )
    return [rules, names]
