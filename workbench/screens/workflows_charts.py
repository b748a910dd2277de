"""The chart of Workflows: a table in, a chart out."""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench.charts import FEW, MANY, ON_TILES, QUIET, count_tip, height_of, titled

WEEKS = 26  #: that are drawn, the newest


def scope_creep_map(weeks: pd.DataFrame) -> alt.LayerChart:
    """Rows set aside as out of scope, week by week and segment by segment, up to the newest 26 weeks with the gaps.

    ``weeks``: as ``review_queue.measures.scope_creep.by_week``, not empty.
    """
    last = weeks["week"].max()
    first = max(weeks["week"].min(), last - pd.Timedelta(weeks=WEEKS - 1))
    drawn = weeks[weeks["week"] >= first]
    grid = pd.MultiIndex.from_product(
        [pd.date_range(first, last, freq="7D"), drawn["segment"].unique()], names=["week", "segment"]
    )
    told = drawn.set_index(["week", "segment"])[["rows", "came", "share"]].reindex(grid).reset_index()
    told = told.assign(rows=told["rows"].fillna(0), label=told["week"].dt.strftime("%-d %b"))
    labels = told["label"].unique().tolist()
    base = alt.Chart(told).encode(
        x=alt.X("week:O", title="Week from", axis=alt.Axis(format="%-d %b", labelAngle=0, labelOverlap=True)),
        y=alt.Y("segment:N", title=None, sort=alt.EncodingSortField("rows", op="sum", order="descending")),
        tooltip=[
            alt.Tooltip("label:N", title="Week from"),
            alt.Tooltip("segment:N", title="Segment"),
            count_tip("rows", "Rows set aside"),
            count_tip("came", "Rows of that week"),
            alt.Tooltip("share:Q", title="Share", format=".1%"),
        ],
    )
    some = alt.datum.rows > 0
    most = max(int(told["rows"].max()), 2)
    tiles = (
        base.transform_filter(some)
        .mark_rect(cornerRadius=2)
        .encode(color=alt.Color("rows:Q", scale=alt.Scale(domain=[1, most], range=[FEW, MANY]), legend=None))
    )
    layers = [tiles]
    if len(labels) <= 13:  # numbers on narrower tiles would run into each other; the tooltip has them
        colour = alt.when(some).then(alt.value(ON_TILES)).otherwise(alt.value(QUIET))
        layers.append(base.mark_text(fontSize=13).encode(text=alt.Text("rows:Q", format=",d"), color=colour))
    return titled(alt.layer(*layers), "What comes in that lies outside the scope?", height=height_of(told["segment"]))
