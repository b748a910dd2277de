"""Columns of text read as values: numbers, times, periods, names. Vectorised, exact, and without guessing.

Every reader takes stripped text, where "" is unknown, and gives the values with what could not be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from review_queue.calendars import BusinessCalendar
from review_queue.periods import parse_period

Flags = NDArray[np.bool_]

_NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_NOT_FINITE = r"(?i)^[+-]?(nan|inf|infinity|#n/?a)$"
_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?$"
_TOO_FINE = r"[.,][0-9]{6}[0-9]*[1-9][0-9]*(Z|[+-][0-9]{2}:?[0-9]{2})?$"
_HAS_ZONE = r"(Z|[T ].*[+-][0-9]{2}:?[0-9]{2})$"
#: What a spreadsheet would run, also in the full-width forms of its signs.
_FORMULA = r"^[=+\-@＝＋－＠]"
#: In free text only what nobody begins a sentence with; its other signs are made harmless where it leaves again.
_FORMULA_IN_PROSE = r"^[=＝]"
#: Control, formatting and private characters: they hide or reorder text.
_HIDDEN = r"[\p{Cc}\p{Cf}\p{Co}]"
#: Years that a date or a period can be of. The databases, Python and the calendars of time zones end at different
#: ones, and what lies far outside these is a slip or stands for "never".
FIRST_YEAR, LAST_YEAR = 1900, 2199
_FAR = f"{{text}} is not between the years {FIRST_YEAR} and {LAST_YEAR}. Correct it."
_TRUE, _FALSE = ("true", "yes", "1", "y"), ("false", "no", "0", "n")


@dataclass(frozen=True)
class Problem:
    """Cells that could not be read, and why."""

    rows: Flags  #: by position
    code: str
    sentence: str  #: completes "COLUMN …"; ``{text}`` stands for the cell's text


Reading = tuple[pd.Series, list[Problem]]


def trimmed(texts: pd.Series) -> pd.Series:
    """Without surrounding white space, composed (NFC), so that one name is one text."""
    found = pc.utf8_normalize(pc.utf8_trim_whitespace(pa.array(texts, type=pa.string())), form="NFC")
    return _text(found, texts.index)


def names(texts: pd.Series) -> Reading:
    """Identifiers, exactly as written."""
    hidden = _matches(texts, _HIDDEN)
    return _known(texts), [
        _formula(texts),
        Problem(hidden, "HIDDEN_CHARACTER", "holds a character that does not print. Type it again."),
    ]


def prose(texts: pd.Series) -> Reading:
    """Free text. It may start with a sign, as a list or a rise does, but not with ``=``."""
    hidden = _matches(texts, "\x00")
    return _known(texts), [
        _formula(texts, _FORMULA_IN_PROSE),
        Problem(hidden, "HIDDEN_CHARACTER", "holds a character that does not print. Type it again."),
    ]


def numbers(texts: pd.Series) -> Reading:
    """Finite numbers, rounded once, as the text says."""
    is_number = _matches(texts, _NUMBER)
    numeric = pc.if_else(pa.array(is_number), pa.array(texts, type=pa.string()), pa.scalar(None, pa.string()))
    values = pd.Series(pc.cast(numeric, pa.float64()).to_numpy(zero_copy_only=False), index=texts.index)
    too_large = np.isinf(values.to_numpy())
    inexact = _loses_digits(texts, values)
    is_text = (texts != "").to_numpy() & ~is_number
    not_finite = is_text & _matches(texts, _NOT_FINITE)
    formula = is_text & ~not_finite & _matches(texts, _FORMULA)
    return values.mask(too_large | inexact), [
        Problem(inexact, "TOO_MANY_DIGITS", "{text} has more digits than are kept of a number. Round it."),
        Problem(not_finite, "NOT_FINITE", "{text} is not a number. Leave the cell empty if unknown."),
        Problem(too_large, "NOT_FINITE", "{text} is too large for a number. Correct it."),
        Problem(formula, "FORMULA", "{text} is a formula. Put in its result as a number."),
        Problem(
            is_text & ~not_finite & ~formula,
            "NOT_A_NUMBER",
            "{text} is not a number. Write it like 1234.5, or leave the cell empty if unknown.",
        ),
    ]


def _loses_digits(texts: pd.Series, values: pd.Series) -> Flags:
    """Whole numbers beyond 2^53 of which not every digit would be kept."""
    lost = (values.abs() >= 2**53).to_numpy() & np.isfinite(values.to_numpy()) & _matches(texts, "[0-9]{16}")
    for place in np.flatnonzero(lost).tolist():
        kept = float(values.iloc[place])
        lost[place] = Decimal(texts.iloc[place]) not in (Decimal(kept), Decimal(repr(kept)))
    found: Flags = lost
    return found


def shares(texts: pd.Series) -> Reading:
    """Numbers between 0 and 1, both excluded."""
    values, problems = numbers(texts)
    outside = (values.notna() & ~values.between(0, 1, inclusive="neither")).to_numpy()
    return values, [
        *problems,
        Problem(outside, "OUT_OF_RANGE", "{text} is not between 0 and 1. Write 80 % as 0.8."),
    ]


def counts(texts: pd.Series) -> Reading:
    """Whole numbers from 0 to 100,000, as floats."""
    values, problems = numbers(texts)
    wrong = (values.notna() & ((values % 1 != 0) | ~values.between(0, 100_000))).to_numpy()
    return values, [*problems, Problem(wrong, "NOT_A_COUNT", "{text} is not a whole number from 0.")]


def flags(texts: pd.Series) -> Reading:
    """``true`` or ``false`` as text, NA where unknown."""
    lower = texts.str.lower()
    is_true, is_false = lower.isin(_TRUE), lower.isin(_FALSE)
    values = pd.Series(pd.NA, index=texts.index, dtype="str").mask(is_true, "true").mask(is_false, "false")
    wrong = ((texts != "") & ~is_true & ~is_false).to_numpy()
    return values, [Problem(wrong, "NOT_A_FLAG", "{text} is neither true nor false.")]


def periods(texts: pd.Series) -> Reading:
    """The canonical text of each period, NA where unknown."""
    canonical: dict[str, str] = {}
    refused: list[str] = []
    far: list[str] = []
    for text in texts[texts != ""].unique():
        try:
            period = parse_period(text)
        except ValueError:
            refused.append(text)
            continue
        if FIRST_YEAR <= period.start.year <= LAST_YEAR:
            canonical[text] = period.text
        else:
            far.append(text)
    values = texts.map(canonical).astype("str")
    return values, [
        Problem(
            texts.isin(refused).to_numpy(),
            "NOT_A_PERIOD",
            "{text} is not a period that exists. Write it like 2025-03-31, 2025-03, 2025-W13, 2025-Q1 or 2025.",
        ),
        Problem(texts.isin(far).to_numpy(), "OUT_OF_RANGE", _FAR),
    ]


def period_starts(canonical: pd.Series) -> pd.Series:
    """The first day of each period, ISO text, NA where the period is unknown."""
    starts = {text: parse_period(text).start.isoformat() for text in canonical.dropna().unique()}
    return canonical.map(starts).astype("str")


def times(texts: pd.Series, zone: ZoneInfo) -> Reading:
    """Instants, UTC; one without a zone is read in ``zone``, a date as its first moment there.

    A time that the clocks went through twice is the first of the two; one that they skipped is the next there was.
    """
    written = _matches(texts, _TIME)
    # By the year as it is written: at the ends of the calendar a zone cannot even be applied.
    is_far = written & ~texts.str[:4].between(str(FIRST_YEAR), str(LAST_YEAR)).to_numpy(dtype=bool)
    is_fine = written & ~is_far & _matches(texts, _TOO_FINE)
    written &= ~is_far & ~is_fine
    has_zone = written & _matches(texts, _HAS_ZONE)
    instants = pd.Series(pd.NaT, index=texts.index, dtype="datetime64[us, UTC]")
    instants[has_zone] = _parsed(texts[has_zone], utc=True)
    naive = _parsed(texts[written & ~has_zone], utc=False)
    first = np.ones(len(naive), dtype=bool)
    local = naive.dt.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
    instants[written & ~has_zone] = local.dt.tz_convert("UTC")
    wrong = (instants.isna() & (texts != "")).to_numpy() & ~is_far & ~is_fine
    return instants, [
        Problem(is_far, "OUT_OF_RANGE", f"{_FAR} Leave the cell empty if unknown."),
        Problem(is_fine, "TOO_FINE", "{text} is finer than a microsecond, which is all that is kept. Round it."),
        Problem(
            wrong,
            "NOT_A_DATE",
            "{text} is not a date that can be read. Write one that exists, like 2025-03-31 or 2025-03-31T14:30.",
        ),
    ]


def deadlines(texts: pd.Series, calendar: BusinessCalendar) -> Reading:
    """Instants, UTC, as ``times``; but what is due on a date is due when business closes that day.

    Where that day is closed it is due when business closes before it: nobody is there to decide it later.
    """
    instants, problems = times(texts, ZoneInfo(calendar.timezone))
    on_a_date = instants.notna() & (texts.str.len() == len("2025-03-31"))
    closes = {text: calendar.last_close(date.fromisoformat(text)) for text in texts[on_a_date].unique()}
    instants[on_a_date] = pd.to_datetime(texts[on_a_date].map(closes), utc=True).dt.as_unit("us")
    return instants, problems


def _parsed(texts: pd.Series, *, utc: bool) -> pd.Series:
    # Each different text once: a file holds few different times, or parsing is the least of its cost.
    codes, unique = pd.factorize(texts)
    found = pd.to_datetime(pd.Series(unique, dtype="str"), format="ISO8601", utc=utc, errors="coerce")
    return pd.Series(found.dt.as_unit("us").array.take(codes), index=texts.index)


def _formula(texts: pd.Series, signs: str = _FORMULA) -> Problem:
    starts_one = _matches(texts, signs) & ~_matches(texts, _NUMBER)
    return Problem(
        starts_one,
        "FORMULA",
        "{text} is what a spreadsheet would run as a formula. Put a word in front, or correct it.",
    )


def _known(texts: pd.Series) -> pd.Series:
    return texts.mask(texts == "")


def _matches(texts: pd.Series, pattern: str) -> Flags:
    found: Flags = pc.match_substring_regex(pa.array(texts, type=pa.string()), pattern).to_numpy(zero_copy_only=False)
    return found.astype(bool)


def _text(array: pa.Array, index: pd.Index) -> pd.Series:
    return pd.Series(array, index=index, dtype="str")
