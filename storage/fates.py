"""What became of rows that came in a file, and how their content is told apart from what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from review_queue.staleness import Stale


class Fate(StrEnum):
    """What a row of a file does to what is stored."""

    ACCEPTED = "accepted"  #: adds what was not there
    UNCHANGED = "unchanged"
    UPDATED = "updated"  #: adds a newer value to what was there


@dataclass(frozen=True)
class Written:
    """What an import did beyond its counts."""

    returned: tuple[int, ...] = ()  #: items that had been sent back and are ready again
    after_decision: tuple[int, ...] = ()  #: decided items that a newer forecast came for; their decision stands
    stale: tuple[Stale, ...] = ()  #: overridden items that came back, since what they were decided on has moved
    feed_is_back: bool = False  #: the AI's feed had been out, and this brought a forecast of it


def hashes(frame: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Of each row, the SHA-256 of what stands in the columns ``names``, missing values apart from empty text."""
    return [sha256(text.encode()).hexdigest() for text in exact_texts(frame, names)]


def exact_texts(frame: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Of each row, the columns ``names`` as one text: the same for the same values, whatever the library's version."""
    joined = pc.binary_join_element_wise(*(_exactly(frame[name]) for name in names), "\x1f")
    texts: list[str] = joined.to_pylist()
    return texts


def _exactly(values: pd.Series) -> pa.Array:
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        bits = pa.array(values.dt.as_unit("us"), from_pandas=True).cast(pa.int64())
    elif pd.api.types.is_float_dtype(values):
        numbers = values.to_numpy() + 0.0  # -0.0 is 0.0
        bits = pa.array(numbers.view("int64"), mask=values.isna().to_numpy())
    else:
        told = values.map(repr, na_action="ignore") if values.dtype == object else values
        texts = pa.array(told, type=pa.string(), from_pandas=True)
        return pc.fill_null(pc.binary_join_element_wise("t", texts, ""), "")
    return pc.fill_null(bits.cast(pa.string()), "")
