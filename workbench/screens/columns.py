"""Table columns that only these screens have; the others are those of ``analytics_parts``."""

from __future__ import annotations

import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig


def points_column(title: str) -> ColumnConfig:
    """A column of percentage points."""
    return st.column_config.NumberColumn(f"{title} (points)", format="%.2f")


def number_column(title: str) -> ColumnConfig:
    """A column of numbers that have no unit."""
    return st.column_config.NumberColumn(title, format="%.2f")


def date_column(title: str) -> ColumnConfig:
    """A column of days."""
    return st.column_config.DateColumn(title, format="D MMM YYYY")


def compact_column(title: str) -> ColumnConfig:
    """A column of numbers of very different sizes: 1.5, 3.7K, 296B."""
    return st.column_config.NumberColumn(title, format="compact")
