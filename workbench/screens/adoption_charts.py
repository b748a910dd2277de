"""The charts of Adoption."""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench.charts import ACCENT, FEW, LEGEND_HEIGHT, MANY, ON_TILES, QUIET, count_tip, titled
from workbench.screens.adoption import STILL_UNDER_WAY, WEEKS_SHOWN

DAY = "%-d %b %y"


def step_heat_map(cohorts: pd.DataFrame) -> alt.LayerChart:
    """The share that took each step, by the week of arrival: the darker, the more stopped.

    ``cohorts``: as ``screens.adoption.cohorts`` gives them; the last 12 weeks in which something came in are drawn.
    """
    last = sorted(cohorts.loc[cohorts["reached"] > 0, "starts"].unique())[-WEEKS_SHOWN:]
    rows = cohorts[cohorts["starts"].isin(last)].copy()
    rows["settled"] = rows["is_over"] & (rows["n"] > 0) & (rows["pending"] <= STILL_UNDER_WAY * rows["reached"])
    rows["label"] = (100 * rows["rate"]).round().map("{:.0f}".format).where(rows["settled"], "…")
    rows["of"] = rows["starts"].dt.strftime("%-d %b")
    weeks = list(dict.fromkeys(rows.sort_values("starts")["of"]))
    base = alt.Chart(rows).encode(
        x=alt.X("of:N", title="Week of arrival", sort=weeks, axis=alt.Axis(labelAngle=-90)),
        y=alt.Y(
            "title:N",
            title=None,
            sort=rows["title"].drop_duplicates().tolist(),
            axis=alt.Axis(labelFlush=False, labelLimit=140),
        ),
        tooltip=[
            alt.Tooltip("of:N", title="Week of"),
            alt.Tooltip("title:N", title="Step"),
            alt.Tooltip("rate:Q", title="Took the step", format=".1%"),
            alt.Tooltip("low:Q", title="95 % interval from", format=".1%"),
            alt.Tooltip("high:Q", title="to", format=".1%"),
            count_tip("converted", "That many"),
            count_tip("n", "Of"),
            count_tip("pending", "Still under way"),
        ],
    )
    tiles = (
        base.transform_filter("datum.settled")
        .mark_rect(cornerRadius=2)
        .encode(color=alt.Color("rate:Q", scale=alt.Scale(domain=[0.5, 1], range=[MANY, FEW], clamp=True), legend=None))
    )
    colour = alt.when("datum.settled").then(alt.value(ON_TILES)).otherwise(alt.value(QUIET))
    numbers = base.mark_text(fontSize=11).encode(text="label:N", color=colour)
    below = "In % of those at the step before. …: still under way."
    return titled(tiles + numbers, "Where do they stop?", height=28 * rows["title"].nunique() + 40, below=below)


def active_chart(weeks: pd.DataFrame) -> alt.LayerChart:
    """How many people decided something, week by week. ``weeks``: as ``screens.adoption.active_by_week``."""
    base = alt.Chart(weeks).encode(
        x=alt.X("monday:T", title="Week", axis=alt.Axis(format=DAY, labelOverlap=True, tickCount=6)),
        tooltip=[
            alt.Tooltip("monday:T", title="Week of", format=DAY),
            count_tip("active", "People who decided something"),
            count_tip("new", "Of them, for the first time"),
        ],
    )
    y = alt.Y("active:Q", title="People", scale=alt.Scale(domainMin=0), axis=alt.Axis(tickMinStep=1, format="d"))
    line = base.mark_line(color=ACCENT, opacity=0.5, strokeWidth=1.5).encode(y=y)
    dots = base.mark_point(filled=True, color=ACCENT, size=30, opacity=1).encode(y=y)
    return titled(line + dots, "Do people keep coming?", height=170, below="The last week is not over.")


def months_chart(months: pd.DataFrame) -> alt.LayerChart:
    """The share that took each step in month 1 and in month 12. ``months``: as ``screens.adoption.months``."""
    # Vega refuses a field called "then".
    known = months.dropna(subset=["first", "then"]).rename(
        columns={"first": "was", "then": "later", "n_first": "n_was", "n_then": "n_later"}
    )
    order = known["title"].tolist()
    parts = pd.concat(
        [
            known.assign(month=name, share=known[column], n=known[f"n_{column}"])
            for name, column in (("month 1", "was"), ("month 12", "later"))
        ]
    )
    y = alt.Y("title:N", title=None, sort=order, axis=alt.Axis(labelFlush=False, labelLimit=140))
    axis = alt.Axis(format=".0%", tickCount=5)
    x = alt.X("share:Q", title="Share that took the step", scale=alt.Scale(domain=[0, 1]), axis=axis)
    lines = alt.Chart(known).mark_rule(color=QUIET).encode(y=y, x=alt.X("was:Q", axis=axis), x2="later:Q")
    dots = (
        alt.Chart(parts)
        .mark_point(size=70, strokeWidth=2, color=ACCENT, opacity=1)
        .encode(
            y=y,
            x=x,
            shape=alt.Shape(
                "month:N",
                title=None,
                scale=alt.Scale(domain=["month 1", "month 12"], range=["circle", "triangle-up"]),
                legend=alt.Legend(orient="bottom"),
            ),
            tooltip=[
                alt.Tooltip("title:N", title="Step"),
                alt.Tooltip("month:N", title="In"),
                alt.Tooltip("share:Q", title="Took the step", format=".1%"),
                count_tip("n", "Of"),
                alt.Tooltip("state:N", title="Difference"),
            ],
        )
    )
    return titled((lines + dots), "Is it as much used as at first?", height=28 * max(len(order), 2) + LEGEND_HEIGHT)
