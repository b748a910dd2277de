"""The figures of one item: both forecasts and the gap between them, each in the column that it is called in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import streamlit as st

from review_queue.items import Band, Forecast, Item
from review_queue.misses import Misses, comparison
from workbench.filled_charts import draw
from workbench.miss_strip import HEIGHT, in_words, key_to, miss_strip
from workbench.parts import amount, local_time, plain, untrusted_text

BAND_WORDS = {
    Band.AGREE: "they agree",
    Band.MINOR: "a minor gap",
    Band.NOTABLE: "a notable gap",
    Band.LARGE: "a large gap",
    Band.EXTREME: "an extreme gap",
    Band.OPPOSITE: "opposite signs",
    Band.ONE_SIDED: "only one forecast",
    Band.NO_SCALE: "no scale yet",
}


def ai_figure(item: Item, withheld: str = "") -> None:
    """The AI's forecast with its range, its usual miss and its version; or why it is not shown, or not of today."""
    forecast = item.ai
    st.metric("AI forecast", amount(forecast.value, plain(item.unit)) if forecast else "—")
    if forecast is None:
        st.caption(plain(withheld or "No AI forecast came for this item."))
        return
    scale = item.divergence.scale
    level = f"{forecast.level:.0%} range" if forecast.level else "Range"
    _small(
        f"{level} {amount(forecast.low)} to {amount(forecast.high)}" if forecast.low is not None else "No range given",
        f"Usual miss {amount(scale)}" if scale else "Usual miss not known yet",
        forecast.model_version,
        withheld,
    )


def gap_figure(item: Item, misses: Misses | None) -> Any:
    """How far the two are apart, which is what a review is about: in money, in usual misses, in a word.

    Returns:
        The place kept for the scale, for ``gap_scale``; None where there is none.
    """
    gap = item.divergence
    counted_in = item.unit if item.value_per_unit == 1 else item.currency or ""
    st.metric(
        "Gap",
        amount(gap.money, plain(counted_in), signed=True),
        delta=f"{abs(gap.u):.1f} × usual miss" if gap.u is not None else None,
        delta_color="violet" if gap.flagged else "off",
        delta_arrow="off",
        delta_description=plain(BAND_WORDS[gap.band]),
    )
    if misses is None or gap.gap is None:
        return None
    place = st.container(height=HEIGHT, border=False)  # kept free, or the buttons below move away under the hand
    _small(
        comparison(gap.gap, misses),
        key_to(item, misses),
        " · ".join(filter(None, ("Outside the AI's range" * gap.outside_interval, _newer(item.ai, item.manual)))),
    )
    return place


def gap_scale(place: Any, item: Item, misses: Misses | None, *, final: float | None) -> None:
    """The gap on a scale of the AI's past misses, in the place kept for it.

    ``final``: the value as typed, to be shown on the scale too; None while nothing was typed.
    """
    if place is not None and misses is not None:
        with place:
            draw(miss_strip(item, misses, final=final), alt_text=in_words(item, misses))


def manual_figure(item: Item) -> None:
    """The manual forecast with who made it, when, and their note."""
    forecast = item.manual
    st.metric("Manual forecast", amount(forecast.value, plain(item.unit)) if forecast else "—")
    if forecast is None:
        st.caption("Nobody has entered one.")
        return
    _small(forecast.author, local_time(forecast.made_at or forecast.received_at))
    if forecast.note:
        untrusted_text(forecast.note, limit=200)


def naive_figure(item: Item, naive: float | None) -> None:
    """The naive forecast, which a blind review may see. ``naive``: in the unit; None while unknown."""
    st.metric("Naive forecast", amount(naive, plain(item.unit)))
    st.caption("As in the same season last year" if naive is not None else "Nothing is known of that season.")


def _small(*lines: str | None) -> None:
    """A few short lines in small type, one below the other."""
    st.caption("  \n".join(plain(line) for line in lines if line))


def _newer(ai: Forecast | None, manual: Forecast | None) -> str | None:
    if ai is None or manual is None or ai.made_at is None or manual.made_at is None:
        return None
    apart = ai.made_at - manual.made_at
    if abs(apart) < timedelta(days=1):
        return None
    days = abs(apart).days
    return f"{'AI' if apart > timedelta(0) else 'Manual'} is {days} day{'s' if days > 1 else ''} newer"
