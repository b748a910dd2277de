"""Splitting reviews into the groups that a report has rows for."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd


def split(reviews: pd.DataFrame, groups: pd.Series | None) -> Iterator[tuple[str | None, pd.DataFrame]]:
    """Each group's name with its reviews, in the order of the names; every review is in exactly one.

    Without ``groups`` there is one, called ``all``, even when it is empty. Reviews whose group is
    unknown come last, under ``None``. ``groups`` has the index of ``reviews``.
    """
    if groups is None:
        yield "all", reviews
        return
    names = groups.reindex(reviews.index).astype("object")
    known = names.notna()
    for name, part in reviews[known].groupby(names[known].astype(str), sort=True):
        yield str(name), part
    if not known.all():
        yield None, reviews[~known]
