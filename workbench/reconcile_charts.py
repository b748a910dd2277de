"""The charts of a period: from the AI's total to the plan, and what moved the plan this week."""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench.charts import COLOURS, QUIET, ROW_HEIGHT, titled

#: Of either sign, with the sign written beside each bar.
UP, DOWN = "#2E86AB", "#B5651D"
#: Steps between the two totals; more could not be read, and the smallest are put together.
MOST_STEPS = 9


def waterfall_chart(steps: pd.DataFrame, *, unit: str) -> alt.LayerChart:
    """From the AI's total through overrides by reason to the plan's. ``steps``: as ``reconciling.waterfall``."""
    steps = _shortened(steps)
    shown = steps.assign(
        whose=[_whose(row.step, row.Index, row.amount) for row in steps.itertuples()],
        told=[_told(row.step, row.end, row.amount) for row in steps.itertuples()],
        right=steps[["start", "end"]].max(axis=1),
    )
    base = alt.Chart(shown).encode(y=alt.Y("label:N", title=None, sort=list(shown["label"]), axis=_labels()))
    bars = base.mark_bar(height={"band": 0.65}).encode(
        x=alt.X("start:Q", title=unit, scale=_near(shown)),
        x2="end:Q",
        color=alt.Color("whose:N", legend=None, scale=alt.Scale(domain=list(_COLOURS), range=list(_COLOURS.values()))),
        tooltip=_tips(unit),
    )
    numbers = base.mark_text(align="left", dx=5, color=QUIET, fontSize=12).encode(x="right:Q", text="told:N")
    is_cut = _cut_at(shown) is not None
    below = "The axis does not start at nought, so the first and the last bar are cut." if is_cut else ""
    height = ROW_HEIGHT * max(len(shown), 2)
    return titled(bars + numbers, "How did the AI's number become ours?", height=height, below=below)


def week_chart(moves: pd.DataFrame, *, unit: str) -> alt.LayerChart:
    """What moved the plan in seven days, the largest first. ``moves``: as ``reconciling.changes``."""
    shown = moves.assign(
        start=0.0,
        whose=["up" if amount > 0 else "down" for amount in moves["amount"]],
        told=[_signed(amount) for amount in moves["amount"]],
    )
    base = alt.Chart(shown).encode(y=alt.Y("label:N", title=None, sort=list(shown["label"]), axis=_labels()))
    bars = base.mark_bar(height={"band": 0.65}).encode(
        x=alt.X("amount:Q", title=unit, axis=alt.Axis(format="~s")),
        color=alt.Color("whose:N", legend=None, scale=alt.Scale(domain=["up", "down"], range=[UP, DOWN])),
        tooltip=_tips(unit),
    )
    numbers = (
        base.mark_text(align="left", dx=5, color=QUIET, fontSize=12)
        .encode(x=alt.X("zero:Q"), text="told:N")
        .transform_calculate(zero="max(datum.amount, 0)")
    )
    return titled(bars + numbers, "What moved the plan in the last seven days?", height=ROW_HEIGHT * max(len(shown), 2))


_COLOURS = {"ai": COLOURS["ai"], "final": COLOURS["final"], "up": UP, "down": DOWN}


def _whose(step: str, place: object, amount: float) -> str:
    if step == "total":
        return "ai" if place == 0 else "final"
    return "up" if amount > 0 else "down"


def _told(step: str, end: float, amount: float) -> str:
    return f"{end:,.0f}" if step == "total" else _signed(amount)


def _signed(amount: float) -> str:
    return f"{'+' if amount > 0 else '−' if amount < 0 else ''}{abs(amount):,.0f}"


def _shortened(steps: pd.DataFrame) -> pd.DataFrame:
    """The steps with the smallest reasons put together, so that all of them can be read."""
    changes = steps[steps["step"] == "change"]
    if len(changes) <= MOST_STEPS:
        return steps
    kept = changes["amount"].abs().nlargest(MOST_STEPS - 1).index
    rest = changes.drop(index=kept)
    start = steps.loc[0, "end"] + steps.loc[kept, "amount"].sum()
    together = {"label": f"{len(rest)} smaller ones", "step": "change", "amount": rest["amount"].sum(), "start": start}
    together |= {"end": start + rest["amount"].sum(), "items": rest["items"].sum()}
    shown = steps.loc[sorted({0, *kept})].copy()
    ends = shown["amount"].where(shown["step"] == "change", shown["end"]).cumsum()
    shown["start"] = (ends - shown["amount"]).where(shown["step"] == "change", 0.0)
    shown["end"] = ends
    return pd.concat([shown, pd.DataFrame([together]), steps.tail(1)], ignore_index=True)


def _cut_at(steps: pd.DataFrame) -> float | None:
    """Where the axis starts, if the steps would be too small to see beside the whole totals; None: at nought."""
    low, high = float(steps["end"].min()), float(steps["end"].max())
    spread = high - low
    return max(low - spread, 0.0) if low > 0 and 0 < spread < 0.25 * high else None


def _near(steps: pd.DataFrame) -> alt.Scale:
    start = _cut_at(steps)
    return alt.Scale() if start is None else alt.Scale(domainMin=start, zero=False, nice=True, clamp=True)


def _tips(unit: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("label:N", title="Step"),
        alt.Tooltip("amount:Q", title=unit, format="+,.6~g"),
        alt.Tooltip("items:Q", title="Items", format=",d"),
    ]


def _labels() -> alt.Axis:
    return alt.Axis(labelLimit=260, labelFlush=False)
