"""Which sign stands before decimals, and what stays ambiguous."""

from __future__ import annotations

import pandas as pd
import pytest

from review_queue.decimals import Mark, find_marks, with_points
from review_queue.errors import FileRefused


def column(*texts: str) -> pd.Series:
    return pd.Series(texts, index=range(2, 2 + len(texts)), dtype="str")


def read(*texts: str, assumed: Mark | None = None, chosen: Mark | None = None) -> list[str]:
    """The texts as they will be read, with ``?`` for what stays ambiguous."""
    numbers = column(*texts)
    mark = find_marks(numbers.to_frame("a"), assumed=assumed, chosen=chosen)["a"]
    marked = with_points(numbers, mark, is_certain=chosen is not None)
    return ["?" if unsure else text for text, unsure in zip(marked.texts, marked.ambiguous, strict=True)]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1,5", "2,25", "3"], ["1.5", "2.25", "3"]),
        (["1.234,5", "1.234"], ["1234.5", "1234"]),
        (["1.234.567", "8"], ["1234567", "8"]),
        (["1,5", "1.234"], ["1.5", "?"]),
        (["0,125", "1,234"], ["0.125", "1.234"]),
        (["1,5e3", "-,5", "+7,"], ["1.5e3", "-.5", "+7."]),
        (["1.5", "1.234"], ["1.5", "1.234"]),
        (["1.5", "1,234"], ["1.5", "1,234"]),
        (["1,234.5", "12,345,678"], ["1234.5", "12345678"]),
        (["1,5", "2.5", "1.234", "7,125"], ["1,5", "2.5", "?", "?"]),
        (["about 1,5", "1,5"], ["about 1,5", "1.5"]),
        (["12", ""], ["12", ""]),
    ],
)
def test_the_sign_is_the_one_that_makes_sense_of_the_column(texts, expected):
    assert read(*texts) == expected


@pytest.mark.parametrize("text", ["1.234", "1,234", "-12.500"])
def test_a_number_with_two_readings_is_asked_for(text):
    with pytest.raises(FileRefused, match="Choose the sign before its decimals") as refused:
        read("7", text)

    assert (refused.value.code, refused.value.row, refused.value.column) == ("AMBIGUOUS_DECIMAL", 3, "a")


def test_what_a_person_chose_settles_every_number():
    assert read("1.234", "1,5", chosen=Mark.COMMA) == ["1234", "1.5"]
    assert read("1,234", "1.5", chosen=Mark.POINT) == ["1234", "1.5"]


def test_a_column_that_settles_nothing_goes_by_the_others():
    texts = pd.DataFrame({"a": column("1,5", "2,5"), "b": column("1,234", "7")})

    assert find_marks(texts, assumed=None) == {"a": Mark.COMMA, "b": Mark.COMMA}


def test_columns_may_differ():
    texts = pd.DataFrame({"a": column("1,5", "2,5"), "b": column("0.8", "0.9")})

    assert find_marks(texts, assumed=None) == {"a": Mark.COMMA, "b": Mark.POINT}
