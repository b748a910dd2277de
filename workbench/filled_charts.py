"""Charts that every press draws: laid out once by Altair, then only filled with numbers.

Altair takes 20 to 40 ms to build and check a chart, which is most of a press; filling one takes less than one. And the
browser keeps a chart whose layout is the same, and moves its marks.
"""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

Spec = dict[str, Any]


def laid_out(chart: alt.LayerChart) -> Spec:
    """A chart of ``alt.NamedData``, checked, without its numbers."""
    found: Spec = chart.to_dict()
    return found


def filled(layout: Spec, **data: pd.DataFrame) -> Spec:
    """A layout with the numbers of its named data."""
    return {**layout, "datasets": data}


def draw(spec: Spec, *, alt_text: str) -> None:
    """Draw a filled chart. ``alt_text``: what it shows, for whoever cannot see it."""
    st.vega_lite_chart(spec=spec, alt=alt_text)
