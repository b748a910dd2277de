"""Every chart: a table in, a chart out. One colour has one meaning in all of them, on light and on dark paper.

The colours stand out from both backgrounds (contrast of 3 and more) and from each other for readers with any of the
three colour blindnesses; the tests measure both. Axes and texts take their colour from the theme.
"""

from __future__ import annotations

import zlib

import altair as alt
import pandas as pd

#: Whose number it is.
COLOURS = {"ai": "#2373FA", "manual": "#DC6B14", "final": "#0A9D5B", "actual": "#6B7275", "naive": "#BA62B3"}
ACCENT = "#7468C8"  #: counts, times and rates, which belong to nobody
QUIET = "#80868B"  #: reference lines and their labels

#: How far apart the AI's and the manual forecast are; always with the band's name beside it.
BANDS = {
    "agree": "#667384",
    "minor": "#0798B2",
    "notable": "#794AE6",
    "large": "#A329AE",
    "extreme": "#E6075F",
    "opposite": "#C32614",
    "one_sided": "#9A9342",
    "no_scale": "#909092",
}

#: Ages in days, as an axis and a table name them.
BUCKET_TITLES = {
    "under_1d": "under 1",
    "d1_3": "1–3",
    "d3_7": "3–7",
    "d7_14": "7–14",
    "d14_30": "14–30",
    "over_30d": "over 30",
}
#: From few to many: white numbers can be read on all of it, and all of it can be seen on either paper.
FEW, MANY, ON_TILES = "#7468C8", "#40358F", "#FFFFFF"
ROW_HEIGHT = 30  #: pixels for one group
FRAME_HEIGHT = 130  #: pixels of title and axis, which Streamlit takes from the height that a chart asks for
LEGEND_HEIGHT = 60
EXPECTED = "Short lines: what such items let expect. Dashed: overall."
CURVE_STEPS = 400  #: a survival curve is drawn with no more steps than can be told apart


def age_heat_map(ageing: pd.DataFrame) -> alt.LayerChart:
    """Open items by group and age. ``ageing``: as ``measures.ageing`` gives it, one row a group."""
    counts = ageing[["group", *BUCKET_TITLES]].melt("group", var_name="bucket", value_name="open")
    counts["age"] = counts["bucket"].map(BUCKET_TITLES)
    base = alt.Chart(named(counts)).encode(
        x=alt.X("age:N", title="Age (days)", sort=list(BUCKET_TITLES.values()), axis=level_labels()),
        y=group_axis(),
        tooltip=[
            alt.Tooltip("group:N", title="Group"),
            alt.Tooltip("age:N", title="Age (days)"),
            count_tip("open", "Open"),
        ],
    )
    some = alt.datum.open > 0
    most = max(int(counts["open"].max()) if len(counts) else 0, 2)
    tiles = (
        base.transform_filter(some)
        .mark_rect(cornerRadius=2)
        .encode(color=alt.Color("open:Q", scale=alt.Scale(domain=[1, most], range=[FEW, MANY]), legend=None))
    )
    colour = alt.when(some).then(alt.value(ON_TILES)).otherwise(alt.value(QUIET))
    numbers = base.mark_text(fontSize=13).encode(text="open:Q", color=colour)
    return titled(tiles + numbers, "Where is work waiting, and how long?", height=height_of(ageing["group"]))


def ageing_dots(waiting: pd.DataFrame, percentiles: dict[str, float]) -> alt.LayerChart:
    """Every open item by age, with the ages by which most are decided.

    Args:
        waiting: ``group``, ``series``, ``period``, ``age_hours`` and ``overdue``, one row an open item.
        percentiles: label → hours, from the Kaplan–Meier curve; NaN where it does not get there.
    """
    dots = named(waiting[["group", "series", "period", "age_hours", "overdue"]]).assign(
        age_days=waiting["age_hours"] / 24,
        jitter=[_jitter(f"{row.series}|{row.period}") for row in waiting.itertuples()],
        deadline=waiting["overdue"].map({True: "passed", False: "not passed"}),
    )
    drawn = (
        alt.Chart(dots)
        .mark_point(filled=True, size=45, opacity=0.75, color=ACCENT)
        .encode(
            x=alt.X("age_days:Q", title="Age (days)", scale=alt.Scale(domainMin=0)),
            y=group_axis(),
            yOffset=alt.YOffset("jitter:Q", scale=alt.Scale(domain=[0, 1])),
            shape=alt.Shape(
                "deadline:N",
                title="Deadline",
                scale=alt.Scale(domain=["not passed", "passed"], range=["circle", "triangle-up"]),
                legend=alt.Legend(orient="bottom"),
            ),
            tooltip=[
                alt.Tooltip("series:N", title="Series"),
                alt.Tooltip("period:N", title="Period"),
                alt.Tooltip("age_days:Q", title="Age (days)", format=".1f"),
                alt.Tooltip("deadline:N", title="Deadline"),
            ],
        )
    )
    reached = [(label, hours / 24) for label, hours in percentiles.items() if pd.notna(hours)]
    lines = pd.DataFrame(reached, columns=["label", "age_days"])
    lines["below_top"] = [2 + 15 * place for place in range(len(lines))]  # pixels: one label under the other
    rules = alt.Chart(lines).mark_rule(color=QUIET, strokeDash=[5, 4]).encode(x="age_days:Q")
    labels = (
        alt.Chart(lines)
        .mark_text(color=QUIET, align="left", baseline="top", dx=4, fontSize=12)
        .encode(x="age_days:Q", y=alt.Y("below_top:Q", scale=None), text="label:N")
    )
    title = "Which items have waited longer than most do?"
    return titled(
        (drawn + rules + labels).resolve_scale(y="independent"),
        title,
        height=height_of(waiting["group"], each=44) + LEGEND_HEIGHT,
    )


def survival_chart(curve: pd.DataFrame, still_open: pd.DataFrame) -> alt.LayerChart:
    """The share still undecided after so many days, with its 95 % band and a tick for each open item.

    Args:
        curve: as ``measures.latency.survival`` gives it.
        still_open: ``hours`` that each open item has waited so far.
    """
    steps = _with_days(_from_the_start(curve))
    drawn = _thinned(steps)
    ages = pd.merge_asof(
        _with_days(still_open[["hours"]].astype(float).sort_values("hours")), steps[["hours", "waiting"]], on="hours"
    )
    x = alt.X("days:Q", title="Days since it came in", scale=alt.Scale(domainMin=0))
    y = alt.Y(
        "waiting:Q",
        title="Share still undecided",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format=".0%", tickCount=5),
    )
    tooltip = [
        alt.Tooltip("days:Q", title="Days", format=".1f"),
        alt.Tooltip("waiting:Q", title="Still undecided", format=".0%"),
        count_tip("at_risk", "Watched until then"),
        count_tip("ended", "Decided then"),
    ]
    band = (
        alt.Chart(drawn)
        .mark_area(interpolate="step-after", opacity=0.2, color=ACCENT)
        .encode(x=x, y="low:Q", y2="high:Q")
    )
    line = alt.Chart(drawn).mark_line(interpolate="step-after", color=ACCENT).encode(x=x, y=y, tooltip=tooltip)
    marks = alt.Chart(ages).mark_tick(orient="vertical", color=QUIET, size=10, thickness=1.5).encode(x=x, y=y)
    return titled(band + line + marks, "How long until a decision?", height=200, below="Ticks: items still open.")


def rate_by_week(weeks: pd.DataFrame, *, overall: float) -> alt.LayerChart:
    """The override rate week by week, with its Wilson interval, what the mix lets expect, and the overall rate.

    Args:
        weeks: as ``measures.overrides`` gives it, with the Monday of each week in ``week`` instead of a group.
        overall: rate over all weeks, 0 to 1.
    """
    x = alt.X("week:T", title="Week of the decision", axis=alt.Axis(format="%d %b %y", labelOverlap=True))
    base = alt.Chart(with_expected_rate(weeks)).encode(
        x=x, tooltip=[alt.Tooltip("week:T", title="Week of", format="%d %b %Y"), *rate_tips()]
    )
    bars = base.mark_rule(color=ACCENT, opacity=0.5, strokeWidth=2).encode(y=rate_y("low"), y2="high:Q")
    dots = base.mark_point(filled=True, size=45, color=ACCENT, opacity=1).encode(y=rate_y("rate"))
    line = base.mark_line(color=ACCENT, opacity=0.4, strokeWidth=1.5).encode(y=rate_y("rate"))
    mix = base.mark_tick(orient="horizontal", color=QUIET, size=9, thickness=2).encode(y=rate_y("expected_rate"))
    title = "Does the override rate change?"
    return titled(overall_rule(overall, along="y") + bars + line + mix + dots, title, height=200, below=EXPECTED)


def rate_by_group(
    groups: pd.DataFrame,
    *,
    overall: float,
    title: str = "Where do people go against the AI?",
    order: list[str] | None = None,
) -> alt.LayerChart:
    """The override rate of each group, with its Wilson interval and what its mix of items lets expect.

    Args:
        groups: from ``measures.overrides``.
        overall: rate over all of them, 0 to 1.
        order: of the groups from the top; by name if not given.
    """
    y = group_axis() if order is None else group_axis().sort(order)
    base = alt.Chart(named(with_expected_rate(groups))).encode(
        y=y, tooltip=[alt.Tooltip("group:N", title="Group"), *rate_tips()]
    )
    bars = base.mark_rule(color=ACCENT, opacity=0.5, strokeWidth=2).encode(x=rate_x("low"), x2="high:Q")
    dots = base.mark_point(filled=True, size=60, color=ACCENT, opacity=1).encode(x=rate_x("rate"))
    mix = base.mark_tick(orient="vertical", color=QUIET, size=14, thickness=2).encode(x=rate_x("expected_rate"))
    height = height_of(groups["group"])
    return titled(overall_rule(overall, along="x") + bars + mix + dots, title, height=height, below=EXPECTED)


def reason_bars(shares: pd.DataFrame) -> alt.LayerChart:
    """What share of overrides gives each reason, most frequent first.

    ``shares``: as ``measures.overrides.reason_shares`` gives it, with the reasons' names in ``name``.
    """
    base = alt.Chart(shares).encode(
        y=alt.Y("name:N", title=None, sort=shares["name"].tolist(), axis=alt.Axis(labelLimit=180)),
        tooltip=[
            alt.Tooltip("name:N", title="Reason"),
            alt.Tooltip("share:Q", title="Share of overrides", format=".1%"),
            count_tip("overrides", "Overrides"),
            count_tip("of", "Of all overrides"),
        ],
    )
    x = alt.X(
        "share:Q", title="Share of overrides", scale=alt.Scale(domainMin=0), axis=alt.Axis(format=".0%", tickCount=5)
    )
    bars = base.mark_bar(color=ACCENT, opacity=0.7, height={"band": 0.6}).encode(x=x)
    spread = base.mark_rule(color=QUIET, strokeWidth=2).encode(x="low:Q", x2="high:Q")
    return titled(bars + spread, "Which reasons do people give?", height=height_of(shares["name"], each=24))


# --- what the charts share -----------------------------------------------------------------------------------------


def titled(chart: alt.LayerChart, question: str, *, height: int, below: str = "") -> alt.LayerChart:
    title = alt.TitleParams(question, anchor="start", subtitle=[below] if below else [], subtitleColor=QUIET)
    return chart.properties(title=title, height=height + FRAME_HEIGHT, width="container")


def height_of(names: pd.Series, *, each: int = ROW_HEIGHT) -> int:
    return each * max(names.nunique(dropna=False), 2)


def named(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(group=table["group"].astype("object").where(table["group"].notna(), "unknown"))


def count_tip(field: str, title: str) -> alt.Tooltip:
    return alt.Tooltip(f"{field}:Q", title=title, format=",d")


def level_labels() -> alt.Axis:
    return alt.Axis(labelAngle=0, labelFlush=False)


def group_axis() -> alt.Y:
    return alt.Y("group:N", title=None, axis=alt.Axis(labelFlush=False))


def rate_y(field: str) -> alt.Y:
    return alt.Y(
        f"{field}:Q", title="Override rate", scale=alt.Scale(domainMin=0), axis=alt.Axis(format=".0%", tickCount=5)
    )


def rate_x(field: str) -> alt.X:
    return alt.X(
        f"{field}:Q", title="Override rate", scale=alt.Scale(domainMin=0), axis=alt.Axis(format=".0%", tickCount=5)
    )


def with_expected_rate(table: pd.DataFrame) -> pd.DataFrame:
    """``measures.overrides`` with ``expected_rate``, 0 to 1: the expected count as a share of the decisions."""
    return table.assign(expected_rate=table["expected"] / table["n"].where(table["n"] > 0))


def rate_tips() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("rate:Q", title="Override rate", format=".1%"),
        alt.Tooltip("low:Q", title="95 % interval from", format=".1%"),
        alt.Tooltip("high:Q", title="to", format=".1%"),
        alt.Tooltip("expected_rate:Q", title="Expected of such items", format=".1%"),
        count_tip("overrides", "Overrides"),
        count_tip("n", "Decisions"),
    ]


def overall_rule(rate: float, *, along: str) -> alt.Chart:
    """A line at the overall rate; along ``y`` it lies flat, along ``x`` it stands."""
    rule = alt.Chart(pd.DataFrame({"rate": [rate]})).mark_rule(color=QUIET, strokeDash=[5, 4])
    tooltip = [alt.Tooltip("rate:Q", title="Overall", format=".1%")]
    return (
        rule.encode(y=rate_y("rate"), tooltip=tooltip)
        if along == "y"
        else rule.encode(x=rate_x("rate"), tooltip=tooltip)
    )


def _jitter(text: str) -> float:
    """Where in its row a dot sits, 0.15 to 0.85: always the same for the same item."""
    return 0.15 + 0.7 * (zlib.crc32(text.encode()) % 1000) / 1000


def _with_days(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(days=table["hours"] / 24)


def _from_the_start(curve: pd.DataFrame) -> pd.DataFrame:
    at_risk = int(curve["at_risk"].iloc[0]) if len(curve) else 0
    start = {"hours": 0.0, "waiting": 1.0, "low": 1.0, "high": 1.0, "at_risk": at_risk, "ended": 0}
    return pd.concat([pd.DataFrame([start]), curve], ignore_index=True)


def _thinned(curve: pd.DataFrame) -> pd.DataFrame:
    """The curve without the steps that are too small to see; the last one stays."""
    step = (curve["waiting"] * CURVE_STEPS).round()
    return curve[(step != step.shift()) | (curve.index == curve.index[-1])]
