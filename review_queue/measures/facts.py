"""Columns that a table of reviews may lack: of past reviews little was kept, and then it is unknown."""

from __future__ import annotations

import pandas as pd

UNKNOWN = "unknown"  #: the name under which rows without a value are counted together


def numbers(reviews: pd.DataFrame, name: str) -> pd.Series:
    """The column as floats; NaN throughout where there is none."""
    if name not in reviews:
        return pd.Series(float("nan"), index=reviews.index)
    return pd.to_numeric(reviews[name]).astype(float)


def times(reviews: pd.DataFrame, name: str) -> pd.Series:
    """The column as instants, UTC; NaT throughout where there is none."""
    if name not in reviews:
        return pd.Series(pd.NaT, index=reviews.index, dtype="datetime64[us, UTC]")
    return pd.to_datetime(reviews[name], utc=True)


def truths(reviews: pd.DataFrame, name: str) -> pd.Series:
    """The column as booleans: unknown counts as no."""
    if name not in reviews:
        return pd.Series(False, index=reviews.index)
    return reviews[name].eq(True).fillna(False).astype(bool)


def texts(reviews: pd.DataFrame, name: str) -> pd.Series:
    """The column as texts; empty where nothing is known."""
    if name not in reviews:
        return pd.Series("", index=reviews.index, dtype="object")
    return reviews[name].astype("object").where(reviews[name].notna(), "").astype(str)
