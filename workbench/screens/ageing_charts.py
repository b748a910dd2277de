"""The charts of Ageing beside those in ``workbench.charts``."""

from __future__ import annotations

import altair as alt
import pandas as pd

from review_queue.measures import flow, stages
from workbench.charts import (
    ACCENT,
    FEW,
    LEGEND_HEIGHT,
    MANY,
    ON_TILES,
    QUIET,
    count_tip,
    group_axis,
    height_of,
    level_labels,
    named,
    titled,
)
from workbench.screens.ageing import DUE_TITLES, Flow

BAND_TITLES = {"waiting": "waiting to be started", "hand": "in hand", "done": "decided or withdrawn"}
LIGHTER = "#A59CDF"  #: the accent's lighter sister, which lies between the accent and grey on either paper
BAND_COLOURS = {"waiting": ACCENT, "hand": LIGHTER, "done": QUIET}
#: Stages as the bars put them together: too little waiting is done in the last three to be told apart.
STAGE_COLOURS = {stages.WAITING: ACCENT, stages.IN_HAND: LIGHTER, "put off, sent back or escalated": QUIET}
DAY = "%-d %b %y"


def due_heat_map(due: pd.DataFrame) -> alt.LayerChart:
    """Open items by group and by when they are due. ``due``: as ``screens.ageing.due_by`` gives it."""
    shown = [name for name in DUE_TITLES if name != "no deadline" or due[name].any()]
    counts = due[["group", *shown]].melt("group", var_name="bucket", value_name="open")
    counts["due"] = counts["bucket"].map(DUE_TITLES)
    base = alt.Chart(counts).encode(
        x=alt.X("due:N", title="Due", sort=[DUE_TITLES[name] for name in shown], axis=level_labels()),
        y=group_axis(),
        tooltip=[alt.Tooltip("group:N", title="Group"), alt.Tooltip("due:N", title="Due"), count_tip("open", "Open")],
    )
    some, most = alt.datum.open > 0, max(int(counts["open"].max()) if len(counts) else 0, 2)
    tiles = (
        base.transform_filter(some)
        .mark_rect(cornerRadius=2)
        .encode(color=alt.Color("open:Q", scale=alt.Scale(domain=[1, most], range=[FEW, MANY]), legend=None))
    )
    colour = alt.when(some).then(alt.value(ON_TILES)).otherwise(alt.value(QUIET))
    numbers = base.mark_text(fontSize=13).encode(text="open:Q", color=colour)
    return titled(tiles + numbers, "When is it due?", height=height_of(due["group"]))


def flow_bands(shown: Flow) -> alt.LayerChart:
    """How many had come in, were taken up and were done by each day, since the first day shown."""
    days = shown.bands.assign(open=shown.bands[flow.ARRIVED] - shown.bands[flow.LEFT], floor=0 * shown.bands[flow.LEFT])
    edges = {"waiting": (flow.STARTED, flow.ARRIVED), "hand": (flow.LEFT, flow.STARTED), "done": ("floor", flow.LEFT)}
    scale = alt.Scale(domain=list(BAND_TITLES.values()), range=list(BAND_COLOURS.values()))
    parts = pd.concat(
        [
            days[["day", low, high]].set_axis(["day", "low", "high"], axis=1).assign(band=BAND_TITLES[name])
            for name, (low, high) in edges.items()
        ],
        ignore_index=True,
    )
    x = alt.X("day:T", title=None, axis=alt.Axis(format=DAY, labelOverlap=True, tickCount=6))
    y = alt.Y("low:Q", title="Items", scale=alt.Scale(zero=True))
    colour = alt.Color("band:N", title=None, scale=scale, legend=alt.Legend(orient="bottom", labelLimit=0, columns=1))
    areas = (
        alt.Chart(parts)
        .mark_area(interpolate="step-after", opacity=0.8)
        .encode(
            x=x,
            y=y,
            y2="high:Q",
            color=colour,
        )
    )
    # A line as long as a day is high, invisible, so that the tooltip tells the whole day.
    rules = (
        alt.Chart(days)
        .mark_rule(opacity=0, strokeWidth=8)
        .encode(
            x=x,
            y=alt.Y("floor:Q", title="Items"),
            y2=f"{flow.ARRIVED}:Q",
            tooltip=[
                alt.Tooltip("day:T", title="By the end of", format=DAY),
                count_tip(flow.ARRIVED, "Came in"),
                count_tip(flow.LEFT, "Decided or withdrawn"),
                count_tip("open", "Open"),
            ],
        )
    )
    below = f"The last {shown.days} days. A wider band: more waits."
    return titled(areas + rules, "Does as much go out as comes in?", height=240 + LEGEND_HEIGHT, below=below)


def backlog_fan(shown: Flow) -> alt.LayerChart:
    """The queue of the last 40 working days, and where it may go: the middle of the trials, with P15 to P85."""
    x = alt.X("date:T", title="End of the day", axis=alt.Axis(format=DAY, labelOverlap=True, tickCount=6))
    axis = alt.Axis(tickMinStep=1)
    past = (
        alt.Chart(shown.past)
        .mark_line(color=QUIET, interpolate="linear")
        .encode(
            x=x,
            y=alt.Y("open:Q", title="Open items", scale=alt.Scale(domainMin=0), axis=axis),
            tooltip=[alt.Tooltip("date:T", title="End of", format=DAY), count_tip("open", "Open")],
        )
    )
    ahead = alt.Chart(shown.fan.dropna(subset=["p50"])).encode(x=x)
    band = ahead.mark_area(color=ACCENT, opacity=0.25).encode(
        y=alt.Y("p15:Q", title="Open items", axis=axis), y2="p85:Q"
    )
    line = ahead.mark_line(color=ACCENT).encode(
        y=alt.Y("p50:Q", title="Open items", axis=axis),
        tooltip=[
            alt.Tooltip("date:T", title="End of", format=DAY),
            alt.Tooltip("p50:Q", title="As likely as not", format=",.0f"),
            alt.Tooltip("p15:Q", title="With luck (P15)", format=",.0f"),
            alt.Tooltip("p85:Q", title="Without (P85)", format=",.0f"),
        ],
    )
    layers = [past, band, line]
    if shown.clear_on is not None:
        clear = pd.DataFrame({"date": pd.to_datetime([shown.clear_on]), "label": ["clear"]})
        marked = alt.Chart(clear).encode(x=x)
        layers.append(marked.mark_rule(color=QUIET, strokeDash=[5, 4]))
        layers.append(
            marked.mark_text(color=QUIET, align="left", dx=4, fontSize=12, baseline="top").encode(
                y=alt.value(2), text="label:N"
            )
        )
    below = "Grey: so far. Band: P15 to P85 of 2,000 trials."
    return titled(alt.layer(*layers), "When will the queue be clear?", height=200, below=below)


def waiting_bars(shares: pd.DataFrame) -> alt.LayerChart:
    """In which group and stage the waiting is done, the most first. ``shares``: from ``screens.ageing``."""
    *_, further = STAGE_COLOURS
    grouped = named(shares).assign(
        part=shares["stage"].where(shares["stage"].isin(list(STAGE_COLOURS)), further), order=0
    )
    rows = grouped.groupby(["group", "part"], as_index=False)[["share", "hours", "items", "open"]].sum()
    rows["order"] = rows["part"].map({name: place for place, name in enumerate(STAGE_COLOURS)})
    order = rows.groupby("group")["share"].sum().sort_values(ascending=False).index.tolist()
    bars = (
        alt.Chart(rows)
        .mark_bar(height={"band": 0.65})
        .encode(
            x=alt.X(
                "share:Q",
                title="Share of all waiting, in business hours",
                stack="zero",
                axis=alt.Axis(format=".0%", tickCount=5),
            ),
            y=alt.Y("group:N", title=None, sort=order, axis=alt.Axis(labelFlush=False)),
            color=alt.Color(
                "part:N",
                title=None,
                scale=alt.Scale(domain=list(STAGE_COLOURS), range=list(STAGE_COLOURS.values())),
                legend=alt.Legend(orient="bottom", labelLimit=0, columns=1),
            ),
            order="order:Q",
            tooltip=[
                alt.Tooltip("group:N", title="Group"),
                alt.Tooltip("part:N", title="Stage"),
                alt.Tooltip("share:Q", title="Share of all waiting", format=".1%"),
                alt.Tooltip("hours:Q", title="Business hours", format=",.0f"),
                count_tip("items", "Stays"),
                count_tip("open", "Of them, still there"),
            ],
        )
    )
    height = height_of(rows["group"], each=24) + LEGEND_HEIGHT + 30
    return titled(alt.layer(bars), "Where is the time spent?", height=height)
