"""Whether reasons say something: repeated, specific, long enough (METHODS 4.7).

First a finding about the form: where one text is a third of all, the list of reasons lacks a code.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

import numpy as np
import pandas as pd

from review_queue.measures.facts import texts
from review_queue.measures.groups import split
from review_queue.measures.overrides import is_override, judged

COLUMNS = ("group", "n", "repeated", "near", "filler", "compression", "specific", "long", "commonest", "lacks_a_code")
SHOWN_FROM, CONCLUDED_FROM = 20, 40  #: texts
REPEATED_FROM = 3  #: times by one author
WITHIN = pd.Timedelta(days=90)
ALIKE = 0.8  #: Jaccard similarity of character 4-grams
GRAM = 4
LONG_ENOUGH = 20  #: characters
LEAST_BYTES = 2000  #: of text, below which compression says nothing
ONE_TEXT = 0.30  #: share of all texts at which the list of reasons lacks a code
_AT_ONCE = 2000  #: texts compared with all others in one product

_MONTH = r"jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_SPECIFIC = re.compile(
    rf"""https?://|\b[\w-]+\.(?:pdf|xlsx?|docx?|pptx?|csv|msg|eml)\b       # a document
    |\b\d{{4}}-\d{{1,2}}|\b\d{{1,2}}[./]\d{{1,2}}\b|\bq[1-4]\b            # a date
    |\b(?:week|wk|cw|kw)\s?\d{{1,2}}\b|\b\d{{1,2}}\s(?:{_MONTH})[a-z]*\b|\b(?:{_MONTH})[a-z]*\.?\s\d{{1,4}}\b
    |[€$£¥]\s?\d|\d[\d.,]*\s?(?:%|percent\b|k\b|m\b|mn\b|bn\b|[€$£¥]|(?:eur|usd|gbp|aud|chf|units?|pcs)\b)  # an amount
    """,
    re.IGNORECASE | re.VERBOSE,
)


def normalised(notes: pd.Series, *, names: Iterable[str] = ()) -> pd.Series:
    """The texts in lower case without numbers, ``names`` (of customers and people) and punctuation."""
    plain = notes.str.lower()
    named = _any_of(names)
    if named is not None:
        plain = plain.str.replace(named, " ", regex=True)
    return plain.str.replace(r"[\W\d_]+", " ", regex=True).str.strip()


def reasons_written(reviews: pd.DataFrame, *, tolerance: float, names: Iterable[str] = ()) -> pd.DataFrame:
    """The text of each override that has one, with what is wrong or right with it.

    Args:
        reviews: with ``state``, ``final``, ``ai``, ``note``, ``reason`` (code), ``reviewer`` and ``decided_at``.
        names: customers and people: taken off before texts are compared, and a mention of one is specific.

    Returns:
        One row a text, indexed as ``reviews``: ``note``, ``text`` (normalised), and four marks. ``repeated``: written 3
        times or more by this author within 90 days; ``filler``: also written by this author under another code;
        ``specific``: names a customer, a date, an amount or a document; ``long``: 20 characters or more.

    Source: METHODS 4.7; texts are compared as they are, which is what comparing their hashes comes to.
    """
    names = list(names)
    decided = judged(reviews)
    made = decided[is_override(decided, tolerance=tolerance)]
    note = texts(made, "note").str.strip()
    made, note = made[note.ne("")], note[note.ne("")]
    rows = pd.DataFrame({"note": note, "text": normalised(note, names=names), "author": texts(made, "reviewer")})
    named = _any_of(names)
    mentions = note.str.contains(named, regex=True) if named is not None else False
    codes = texts(made, "reason").groupby([rows["author"], rows["text"]]).transform("nunique")
    return rows.assign(
        repeated=_repeated(rows, made["decided_at"]),
        filler=codes > 1,
        specific=note.str.contains(_SPECIFIC, regex=True) | mentions,
        long=note.str.len() >= LONG_ENOUGH,
    )


def wording(
    reviews: pd.DataFrame, *, tolerance: float, groups: pd.Series | None = None, names: Iterable[str] = ()
) -> pd.DataFrame:
    """How much the reasons say, by group: shown from 20 texts, concluded from 40.

    Arguments: as for ``reasons_written``.

    Returns:
        ``n`` texts; shares of them, 0 to 1, NaN below 20: ``repeated``, ``near`` (another text of the group is alike),
        ``filler``, ``specific``, ``long`` and ``commonest`` (the text most often written); ``compression``, the gain of
        packing them together, 0 to 1, NaN also below 2 kB; ``lacks_a_code``: one text is 30 % of all.
    """
    written = reasons_written(reviews, tolerance=tolerance, names=names)
    rows = [_row(name, part) for name, part in split(written, groups)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def near_duplicates(written: pd.Series) -> pd.Series:
    """Whether each text has another that is the same or nearly: Jaccard of character 4-grams at least 0.8.

    Texts shorter than 4 characters are only ever the same. ``written``: normalised texts.
    """
    from scipy.sparse import csr_array  # a second that no start should wait for

    counts = written.value_counts(sort=False)
    known = list(counts.index)
    grams: dict[str, int] = {}
    found = [sorted({grams.setdefault(gram, len(grams)) for gram in _grams(text)}) for text in known]
    sizes = np.array([len(one) for one in found])
    ends = np.concatenate([[0], np.cumsum(sizes)])
    columns = np.array([gram for one in found for gram in one], dtype=np.int64)
    table = csr_array((np.ones(len(columns)), columns, ends), shape=(len(known), len(grams) or 1))
    is_near = counts.to_numpy() > 1
    for start in range(0, len(known), _AT_ONCE):
        shared = (table[start : start + _AT_ONCE] @ table.T).tocoo()
        rows, others = shared.row + start, shared.col
        alike = shared.data / (sizes[rows] + sizes[others] - shared.data)
        is_near[rows[(rows != others) & (alike >= ALIKE)]] = True
    return written.map(dict(zip(known, is_near, strict=True))).astype(bool)


def compression_gain(written: Iterable[str]) -> float:
    """1 − zlib(all) / Σ zlib(each): how much the texts have in common; NaN below 20 texts or 2 kB."""
    packed = sorted(text.encode() for text in written)
    if len(packed) < SHOWN_FROM or sum(map(len, packed)) < LEAST_BYTES:
        return float("nan")
    return 1 - len(zlib.compress(b"\n".join(packed))) / sum(len(zlib.compress(text)) for text in packed)


def _row(name: str | None, part: pd.DataFrame) -> dict[str, object]:
    n = len(part)
    if n < SHOWN_FROM:
        return {"group": name, "n": n, "lacks_a_code": False}
    commonest = float(part["text"].value_counts().iloc[0] / n)
    return {
        "group": name,
        "n": n,
        **{mark: float(part[mark].mean()) for mark in ("repeated", "filler", "specific", "long")},
        "near": float(near_duplicates(part["text"]).mean()),
        "compression": compression_gain(part["note"]),
        "commonest": commonest,
        "lacks_a_code": commonest >= ONE_TEXT,
    }


def _repeated(rows: pd.DataFrame, at: pd.Series) -> pd.Series:
    """Whether some 90 days around each text hold three like it: it is the first, the second or the third of them."""
    ordered = rows[["author", "text"]].assign(at=at).sort_values(["author", "text", "at"], kind="stable")
    same = ordered.groupby(["author", "text"])["at"]
    spans = [(same.shift(-after) - same.shift(before)) <= WITHIN for before, after in ((0, 2), (1, 1), (2, 0))]
    return (spans[0] | spans[1] | spans[2]).reindex(rows.index)


def _any_of(names: Iterable[str]) -> re.Pattern[str] | None:
    known = sorted({re.escape(name.strip()) for name in names if name.strip()}, key=lambda name: (-len(name), name))
    return re.compile(rf"\b(?:{'|'.join(known)})\b", re.IGNORECASE) if known else None


def _grams(text: str) -> set[str]:
    return {text[start : start + GRAM] for start in range(len(text) - GRAM + 1)}
