"""The charts of Value added: a table in, a chart out."""

from __future__ import annotations

import altair as alt
import pandas as pd

from review_queue.measures.damping import OVER, OVERSHOOT, SHORT, WRONG_DIRECTION
from workbench.charts import ACCENT, COLOURS, LEGEND_HEIGHT, QUIET, count_tip, height_of, titled
from workbench.screens.value_added import CHARTED, OUTCOMES, signed

#: How an override ended: violet where it came nearer than the AI, grey where it did not; the words stand beside it.
OUTCOME_COLOURS = {SHORT: "#5F50C4", OVER: "#8679D0", OVERSHOOT: "#80868B", WRONG_DIRECTION: "#666C71"}
ON_BARS = "#FFFFFF"
STEP_HEIGHT = 46  #: pixels of a step, which has two lines of words
NARROWEST = 0.09  #: share of a bar that holds its own number
FEW, ENOUGH = "fewer than 60", "60 and more"


def stairstep_chart(steps: pd.DataFrame) -> alt.LayerChart:
    """The WAPE of each step, in their order, with the interval of its difference from the step before.

    ``steps``: as ``value_added.stairstep`` gives it.
    """
    previous = steps["wape"].shift()
    drawn = steps.assign(
        label=steps["title"]
        + [_beside(points, verdict) for points, verdict in zip(steps["fva_points"], steps["verdict"], strict=True)],
        least=previous - steps["high"] / 100,
        most=previous - steps["low"] / 100,
    )
    order = drawn["label"].tolist()
    axis = alt.Axis(labelExpr="split(datum.label, '|')", labelLimit=190, labelLineHeight=15, ticks=False, domain=False)
    base = alt.Chart(drawn).encode(
        y=alt.Y("label:N", title=None, sort=order, axis=axis),
        tooltip=[
            alt.Tooltip("title:N", title="Step"),
            alt.Tooltip("wape:Q", title="WAPE", format=".2%"),
            alt.Tooltip("bias:Q", title="Bias", format="+.2%"),
            alt.Tooltip("fva_points:Q", title="Points better than the step before", format="+.2f"),
            alt.Tooltip("low:Q", title="95 % interval from", format="+.2f"),
            alt.Tooltip("high:Q", title="to", format="+.2f"),
            count_tip("n", "Decisions"),
        ],
    )
    x = alt.X(
        "wape:Q",
        title="Error (WAPE, share of the actuals)",
        scale=alt.Scale(domain=[0, float(max(drawn["wape"].max(), drawn["most"].max())) * 1.18]),
        axis=alt.Axis(format=".0%", tickCount=5),
    )
    colour = alt.Color("step:N", scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())), legend=None)
    bars = base.mark_bar(height={"band": 0.5}).encode(x=x, color=colour)
    spread = (
        base.transform_filter("isValid(datum.least)")
        .mark_rule(color=QUIET, strokeWidth=2)
        .encode(x="least:Q", x2="most:Q")
    )
    numbers = (
        base.transform_calculate(end="isValid(datum.most) ? max(datum.wape, datum.most) : datum.wape")
        .mark_text(align="left", dx=6, fontSize=12, color=QUIET)
        .encode(x="end:Q", text=alt.Text("wape:Q", format=".1%"))
    )
    return titled(
        bars + spread + numbers,
        "Does each step come nearer to the actual?",
        height=STEP_HEIGHT * max(len(drawn), 2),
        below="Points and grey lines (95 % interval): against the step before.",
    )


def outcome_bars(kinds: pd.DataFrame) -> alt.LayerChart:
    """How overrides ended, in shares, over all, by direction and by size. ``kinds``: as ``value_added.by_kind``."""
    shown = kinds[kinds["cut"].isin(CHARTED) & kinds["hit"].notna()]
    shown = shown.assign(label=shown["name"] + " (" + shown["n"].map("{:,}".format) + ")")
    order = shown["label"].tolist()
    long = shown.melt(
        ["label", "n", "hit", "hit_low", "hit_high"], list(OUTCOMES), var_name="outcome", value_name="share"
    )
    long["place"] = long["outcome"].map({outcome: place for place, outcome in enumerate(OUTCOMES)})
    long = long.sort_values(["label", "place"])
    long["to"] = long.groupby("label")["share"].cumsum()
    long["from"] = long["to"] - long["share"]
    long["middle"] = (long["from"] + long["to"]) / 2
    base = alt.Chart(long).encode(
        y=alt.Y(
            "label:N",
            title=None,
            sort=order,
            axis=alt.Axis(labelLimit=190, labelFlush=False, ticks=False, domain=False),
        ),
        tooltip=[
            alt.Tooltip("label:N", title="Overrides"),
            alt.Tooltip("outcome:N", title="Ended"),
            alt.Tooltip("share:Q", title="Share", format=".1%"),
            alt.Tooltip("hit:Q", title="Nearer than the AI", format=".1%"),
            alt.Tooltip("hit_low:Q", title="95 % interval from", format=".1%"),
            alt.Tooltip("hit_high:Q", title="to", format=".1%"),
            count_tip("n", "Overrides"),
        ],
    )
    x = alt.X(
        "from:Q",
        title="Share of overrides",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format=".0%", tickCount=5),
    )
    colour = alt.Color(
        "outcome:N",
        title=None,
        sort=list(OUTCOMES),
        scale=alt.Scale(domain=list(OUTCOMES), range=[OUTCOME_COLOURS[outcome] for outcome in OUTCOMES]),
        legend=alt.Legend(orient="bottom", columns=2),
    )
    bars = base.mark_bar(height={"band": 0.72}).encode(x=x, x2="to:Q", color=colour)
    numbers = (
        base.transform_filter(alt.datum.share >= NARROWEST)
        .mark_text(color=ON_BARS, fontSize=12)
        .encode(x="middle:Q", text=alt.Text("share:Q", format=".0%"))
    )
    return titled(
        bars + numbers,
        "How do overrides end?",
        height=height_of(shown["label"], each=26) + LEGEND_HEIGHT,
        below="Violet: nearer to the actual than the AI. Grey: not.",
    )


def reason_hits(reasons: pd.DataFrame, *, overall: float) -> alt.LayerChart:
    """How often overrides for each reason came nearer than the AI, drawn towards the rate of all.

    Args:
        reasons: as ``value_added.by_reason`` gives it.
        overall: the rate of all, 0 to 1.
    """
    shown = reasons[reasons["hit"].notna()]
    shown = shown.assign(sample=shown["state"].eq("").map({True: ENOUGH, False: FEW}))
    axis = alt.Axis(format=".0%", tickCount=5)
    scale = alt.Scale(domain=[0, 1])
    title = "Share nearer to the actual than the AI"
    base = alt.Chart(shown).encode(
        y=alt.Y("name:N", title=None, sort=shown["name"].tolist(), axis=alt.Axis(labelLimit=190, labelFlush=False)),
        tooltip=[
            alt.Tooltip("name:N", title="Reason"),
            alt.Tooltip("shrunk_hit:Q", title="Nearer, drawn to the rate of all", format=".1%"),
            alt.Tooltip("hit:Q", title="Nearer, as counted", format=".1%"),
            alt.Tooltip("hit_low:Q", title="95 % interval from", format=".1%"),
            alt.Tooltip("hit_high:Q", title="to", format=".1%"),
            count_tip("n", "Overrides"),
        ],
    )
    rule = (
        alt.Chart(pd.DataFrame({"rate": [overall]}))
        .mark_rule(color=QUIET, strokeDash=[5, 4])
        .encode(
            x=alt.X("rate:Q", title=title, scale=scale, axis=axis),
            tooltip=[alt.Tooltip("rate:Q", title="Of all", format=".1%")],
        )
    )
    spread = base.mark_rule(color=ACCENT, opacity=0.5, strokeWidth=2).encode(
        x=alt.X("hit_low:Q", title=title, scale=scale, axis=axis), x2="hit_high:Q"
    )
    sample = alt.Shape(
        "sample:N",
        title="Overrides",
        sort=[ENOUGH, FEW],
        scale=alt.Scale(domain=[ENOUGH, FEW], range=["circle", "diamond"]),
        legend=alt.Legend(orient="bottom"),
    )
    dots = base.mark_point(filled=True, size=65, color=ACCENT, opacity=1).encode(
        x=alt.X("shrunk_hit:Q", title=title, scale=scale, axis=axis), shape=sample
    )
    return titled(
        rule + spread + dots,
        "Which reasons help?",
        height=height_of(shown["name"], each=24) + LEGEND_HEIGHT,
        below="Dashed: all overrides. Few overrides are drawn towards it.",
    )


def _beside(points: float, verdict: str) -> str:
    """The second line of a step's label: what it added to the one before."""
    if pd.isna(points):
        return ""
    return f"|{signed(points)} points: {verdict}" if verdict else f"|{signed(points)} points"
