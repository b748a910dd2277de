"""Which sign stands before the decimals in columns of text: ``1,5`` and ``1.5`` can both be one and a half.

``1.234`` and ``1,234`` settle nothing: with one sign they are a good one, with the other more than a thousand. What
settles it is a number that only one sign makes sense of, in the same column or else in the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from review_queue.errors import FileRefused

Flags = NDArray[np.bool_]

_EITHER = r"^[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}$"
_POINT = (
    r"^[+-]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"  # 1234.5
    r"|^[+-]?[0-9]{1,3}(,[0-9]{3})+\.[0-9]*$|^[+-]?[0-9]{1,3}(,[0-9]{3}){2,}$"  # 1,234.5 and 1,234,567
)
_COMMA = (
    r"^[+-]?([0-9]+,[0-9]*|,[0-9]+)([eE][+-]?[0-9]+)?$"
    r"|^[+-]?[0-9]{1,3}(\.[0-9]{3})+,[0-9]*$|^[+-]?[0-9]{1,3}(\.[0-9]{3}){2,}$"
)
_GROUPED_BY_POINTS = r"^[+-]?[0-9]{1,3}(\.[0-9]{3})+,[0-9]*$|^[+-]?[0-9]{1,3}(\.[0-9]{3}){2,}$"


class Mark(StrEnum):
    """The sign before the decimals."""

    POINT = "point"
    COMMA = "comma"


@dataclass(frozen=True)
class Marked:
    """A column of numbers, written with points."""

    texts: pd.Series
    ambiguous: Flags  #: rows whose number has two readings still; their text is as it was


def find_marks(texts: pd.DataFrame, *, assumed: Mark | None, chosen: Mark | None = None) -> dict[str, Mark]:
    """The mark of each column of numbers.

    Args:
        texts: columns of trimmed text, all of numbers; the index is the row as a spreadsheet counts it.
        assumed: what holds where nothing settles it; None asks.
        chosen: as a person says, for all columns.

    Raises:
        FileRefused: nothing settles it, and a number could be read in two ways.
    """
    if chosen is not None:
        return dict.fromkeys(map(str, texts.columns), chosen)
    marks = {str(name): _settled(column) for name, column in texts.items()}
    known = set(filter(None, marks.values()))
    common = known.pop() if len(known) == 1 else None
    fallback = common or assumed
    if fallback is None:
        _ask(texts, marks)
    return {name: mark or fallback or Mark.POINT for name, mark in marks.items()}


def with_points(texts: pd.Series, mark: Mark, *, is_certain: bool = False) -> Marked:
    """The column with its numbers written as ``1234.5``; what is no number in this convention stays as it is.

    Args:
        is_certain: a person said so: then ``1.234`` with a comma for a mark is more than a thousand.
    """
    words = pa.array(texts, type=pa.string())
    either = _found(words, _EITHER)
    is_point, is_comma = _found(words, _POINT) & ~either, _found(words, _COMMA) & ~either
    other = is_comma if mark is Mark.POINT else is_point
    nothing = np.zeros(len(texts), dtype=bool)
    if mark is Mark.POINT:
        ambiguous = either if other.any() and not is_certain else nothing
        read = is_point | (either if is_certain else nothing)
        plain = pc.replace_substring(words, ",", "")
    else:
        groups = is_certain or (_found(words, _GROUPED_BY_POINTS).any() and not other.any())
        ambiguous = nothing if groups else either if other.any() else either & _holds(words, ".")
        read = (is_comma | either) & ~ambiguous
        plain = pc.replace_substring(pc.replace_substring(words, ".", ""), ",", ".")
    return Marked(_where(texts, read, plain), ambiguous)


def with_mark(value: float, mark: Mark) -> str:
    """``value`` to its last digit, written as ``1234.5`` or ``1234,5``."""
    return repr(value) if mark is Mark.POINT else repr(value).replace(".", ",")


def _settled(column: pd.Series) -> Mark | None:
    words = pa.array(column, type=pa.string())
    either = _found(words, _EITHER)
    by_point, by_comma = (_found(words, _POINT) & ~either).any(), (_found(words, _COMMA) & ~either).any()
    if by_point:
        return Mark.POINT  # also where both are found: then a comma sets its row aside
    return Mark.COMMA if by_comma else None


def _ask(texts: pd.DataFrame, marks: Mapping[str, Mark | None]) -> None:
    for name, column in texts.items():
        either = _found(pa.array(column, type=pa.string()), _EITHER)
        if marks[str(name)] is None and either.any():
            place = int(np.argmax(either))
            text, row = str(column.iloc[place]), int(column.index[place])
            raise FileRefused(
                f"“{text}” could be {text.replace(',', '.')} or {text.replace(',', '').replace('.', '')}, and no other "
                "number in the file says which. Choose the sign before its decimals, point or comma.",
                code="AMBIGUOUS_DECIMAL",
                row=row,
                column=str(name),
            )


def _where(texts: pd.Series, changed: Flags, plain: pa.Array) -> pd.Series:
    return texts.mask(changed, pd.Series(plain, index=texts.index, dtype="str")) if changed.any() else texts


def _found(words: pa.Array, pattern: str) -> Flags:
    return _flags(pc.match_substring_regex(words, pattern))


def _holds(words: pa.Array, sign: str) -> Flags:
    return _flags(pc.match_substring(words, sign))


def _flags(found: pa.Array) -> Flags:
    flags: Flags = found.to_numpy(zero_copy_only=False).astype(bool)
    return flags
