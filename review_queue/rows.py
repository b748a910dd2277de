"""Which rows of a file can be trusted: text in, typed values out, and every other row with what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from review_queue import cells as read
from review_queue.calendars import BusinessCalendar
from review_queue.columns import EITHER_FORECAST, OWN_SOURCES, QUANTILE, SEGMENT, Cell, Column, Kind, columns_of
from review_queue.items import Outcome
from review_queue.workflows import Policy

#: Ends each name in a segment's path, so that a prefix of a path is a subtree.
SEPARATOR = "\x1f"
DEFAULT_LEVEL = 0.8  #: coverage of an interval that names none
#: The pairs of quantiles that can serve as the AI's interval, the first that is there, with their coverage.
_INTERVALS = ((10, 90, 0.8), (5, 95, 0.9), (25, 75, 0.5))

#: Kinds whose rows are about series that are there already, and what is said of another one.
_OF_KNOWN_SERIES = {
    Kind.ACTUALS: "{text} is not known here. Import its forecasts or its history first.",
    Kind.USED: "{text} is not known here. Import its forecasts or its history first.",
    Kind.SOURCES: "{text} is neither a series here nor what this source is known to call one. Put the series' own name "
    "here and the source's name for it into record_id; from then on either will do.",
}

Flags = NDArray[np.bool_]

_ASIDE = ("row", "column", "code", "sentence")


@dataclass
class Findings:
    """What is wrong with rows, gathered check by check; the first finding of a row names its code and column."""

    index: pd.Index
    _found: dict[int, tuple[str, str, list[str]]] = field(default_factory=dict)

    def add(self, wrong: Flags, column: str, code: str, sentence: str, texts: pd.Series | None = None) -> None:
        """Note that the rows in ``wrong`` (by position) fail in ``column``.

        ``sentence`` completes "COLUMN …"; ``{text}`` in it becomes the row's text in ``texts``, quoted and shortened.
        """
        for place in np.flatnonzero(wrong).tolist():
            said = sentence if texts is None else sentence.replace("{text}", quoted(str(texts.iloc[place])))
            told = f"{column} {said}" if column else said
            if place in self._found:
                self._found[place][2].append(f"Also: {told}")
            else:
                self._found[place] = (column, code, [told])

    @property
    def is_wrong(self) -> Flags:
        wrong = np.zeros(len(self.index), dtype=bool)
        wrong[list(self._found)] = True
        return wrong

    def rows(self) -> pd.DataFrame:
        """Columns ``row`` (label in the index), ``column``, ``code``, ``sentence``; one a row, in file order."""
        told = [
            (self.index[place], column, code, " ".join(sentences))
            for place, (column, code, sentences) in sorted(self._found.items())
        ]
        return pd.DataFrame(told, columns=list(_ASIDE))


@dataclass(frozen=True)
class Checked:
    """A file's rows, told apart."""

    #: What can be trusted so far: the canonical columns, typed (float, UTC times, text with NA), with
    #: ``period_start`` (text, ISO), ``path`` (the segment's, "" where none is named) and ``attributes`` (of each
    #: row, the other columns' text that is not empty).
    good: pd.DataFrame
    aside: pd.DataFrame  #: as ``Findings.rows``


class Doubted(NamedTuple):
    """A cell that whoever read the file does not trust, whatever its text."""

    row: int  #: label
    column: str
    code: str
    sentence: str  #: completes "COLUMN …"; ``{text}`` stands for the cell's text


def check_rows(
    texts: pd.DataFrame,
    kind: Kind,
    policy: Policy,
    *,
    misshapen: Mapping[int, int] | None = None,
    doubts: Sequence[Doubted] = (),
) -> Checked:
    """Read every cell by its column's type, and set aside each row that cannot be trusted by itself.

    Args:
        texts: one column of text for each canonical column that the file has (and each attribute of a review);
            the index labels the rows. An empty cell is unknown.
        misshapen: row label → number of its cells, where that is not the header's.
        doubts: cells that set their rows aside before any check.
        policy: for its levels, scope, unit, currency and zone; a time without a zone is read in the policy's.
    """
    texts = texts.apply(read.trimmed) if len(texts.columns) else texts
    findings = Findings(texts.index)
    _check_shape(findings, misshapen or {})
    _note_doubts(findings, texts, doubts)
    columns = {column.name: column for column in columns_of(kind, policy.segments)}
    good: dict[str, pd.Series] = {name: _empty(column, texts.index) for name, column in columns.items()}
    others: dict[str, pd.Series] = {}
    for name in texts.columns:
        if name in columns:
            good[name] = _typed(texts[name], columns[name], policy, findings)
        elif _is_quantile(name, kind):
            good[name] = _typed(texts[name], Column(name, Cell.NUMBER), policy, findings)
        else:
            others[name] = _typed(texts[name], Column(name, Cell.PROSE), policy, findings)
    frame = pd.DataFrame(good, index=texts.index)
    frame["attributes"] = _together(others, texts.index)
    frame["period_start"] = read.period_starts(frame["period"])
    frame["path"] = _paths(frame, policy, findings) if kind.has_segments else ""
    _check_agreement(frame, texts, policy, findings)
    if kind is Kind.FORECASTS:
        frame = _check_forecasts(frame, texts, findings)
    if kind is Kind.REVIEWS:
        _check_order_in_time(frame, findings)
    if kind is Kind.SOURCES:
        _check_who_speaks(frame, findings)
    return Checked(frame[~findings.is_wrong], findings.rows())


def check_series(good: pd.DataFrame, known: pd.DataFrame, kind: Kind, policy: Policy) -> Checked:
    """Set aside rows that contradict what is known of their series, or what an earlier row said of it.

    Args:
        good: as ``check_rows`` leaves it.
        known: the series that exist: ``series, series_id, path, value_per_unit, currency``; NA where unknown.

    Returns:
        ``good`` with ``series_id`` (NaN for a series that is new), and ``path``, ``value_per_unit`` and
        ``currency`` as they hold for the series from now on.
    """
    findings = Findings(good.index)
    standing = good[["series"]].merge(known, how="left", on="series").set_axis(good.index)
    frame = good.assign(series_id=standing["series_id"])
    if kind in _OF_KNOWN_SERIES:
        unknown = frame["series_id"].isna().to_numpy()
        findings.add(unknown, "series", "UNKNOWN_SERIES", _OF_KNOWN_SERIES[kind], frame["series"])
    if kind is Kind.FORECASTS:
        _check_in_scope(frame, standing["path"], policy, findings)
    frame["path"] = _settled_path(frame, standing["path"], findings)
    for name, code in (("currency", "CURRENCY_DIFFERS"), ("value_per_unit", "VALUE_PER_UNIT_DIFFERS")):
        if name in frame.columns:
            known_value = standing[name] if name == "currency" else pd.Series(pd.NA, index=frame.index)
            frame[name] = _settled(frame, name, known_value, code, findings).fillna(standing[name])
    return Checked(frame[~findings.is_wrong], findings.rows())


def check_repeats(good: pd.DataFrame, key: Sequence[str]) -> tuple[Checked, int]:
    """Keep the first of the rows with the same key: a later one that says the same is dropped and counted.

    One that says anything else is set aside.

    Returns:
        What is kept and set aside, and how many rows were dropped.
    """
    findings = Findings(good.index)
    repeats = good.duplicated(list(key), keep=False)
    if not repeats.any():
        return Checked(good, findings.rows()), 0
    among = good[repeats]
    said = pd.Series(list(among.drop(columns=list(key)).map(repr).itertuples(index=False)), index=among.index)
    first = said.groupby([among[name].fillna("") for name in key]).transform("first")
    later = among.duplicated(list(key)).to_numpy()
    differs = later & (said != first).to_numpy()
    rows = good.index.get_indexer(among.index)
    wrong = np.zeros(len(good), dtype=bool)
    wrong[rows[differs]] = True
    named = " and ".join(key) if len(key) <= 2 else f"{', '.join(key[:-1])} and {key[-1]}"
    findings.add(
        wrong, key[0], "DUPLICATE_KEY",
        f"and the other keys are those of an earlier row that says something else ({named} name one row). "
        "The earlier row counts. Correct the key, or dismiss this row.",
    )  # fmt: skip
    dropped = np.zeros(len(good), dtype=bool)
    dropped[rows[later & ~differs]] = True
    return Checked(good[~wrong & ~dropped], findings.rows()), int(dropped.sum())


def quoted(text: str, limit: int = 40) -> str:
    """``text`` in quotation marks, shortened, without characters that do not print."""
    printed = "".join(char if char.isprintable() else "�" for char in text)
    return f"“{printed[:limit]}…”" if len(printed) > limit else f"“{printed}”"


# --- one cell ------------------------------------------------------------------------------------------------------


def _typed(texts: pd.Series, column: Column, policy: Policy, findings: Findings) -> pd.Series:
    values, problems = _READERS[column.cell](texts, policy)
    for problem in problems:
        findings.add(problem.rows, column.name, problem.code, problem.sentence, texts)
    if column.is_key:
        findings.add((texts == "").to_numpy(), column.name, "MISSING_KEY", "is empty, and names the row. Fill it in.")
    if column.cell in (Cell.NAME, Cell.PROSE):
        long = (texts.str.len() > column.longest).to_numpy()
        findings.add(long, column.name, "TOO_LONG", f"is longer than {column.longest:,} characters. Shorten it.")
    return values


def _empty(column: Column, index: pd.Index) -> pd.Series:
    if column.cell in (Cell.NUMBER, Cell.SHARE, Cell.COUNT):
        return pd.Series(np.nan, index=index)
    if column.cell in (Cell.TIME, Cell.DEADLINE):
        return pd.Series(pd.NaT, index=index, dtype="datetime64[us, UTC]")
    return pd.Series(pd.NA, index=index, dtype="str")


def _together(columns: Mapping[str, pd.Series], index: pd.Index) -> pd.Series:
    """Of each row, the filled cells of ``columns``: name → text."""
    known = [(name, values.notna().tolist(), values.tolist()) for name, values in columns.items()]
    rows = [
        {name: values[place] for name, is_filled, values in known if is_filled[place]} for place in range(len(index))
    ]
    return pd.Series(rows, index=index, dtype=object)


def _outcomes(texts: pd.Series) -> tuple[pd.Series, list[read.Problem]]:
    values, problems = read.names(texts)
    unknown = ((texts != "") & ~texts.isin([outcome.value for outcome in Outcome])).to_numpy()
    listed = ", ".join(Outcome)
    problem = read.Problem(unknown, "UNKNOWN_OUTCOME", f"{{text}} is no outcome. Use one of {listed}.")
    return values, [*problems, problem]


_READERS: dict[Cell, Callable[[pd.Series, Policy], tuple[pd.Series, list[read.Problem]]]] = {
    Cell.NAME: lambda texts, _: read.names(texts),
    Cell.PROSE: lambda texts, _: read.prose(texts),
    Cell.PERIOD: lambda texts, _: read.periods(texts),
    Cell.NUMBER: lambda texts, _: read.numbers(texts),
    Cell.SHARE: lambda texts, _: read.shares(texts),
    Cell.COUNT: lambda texts, _: read.counts(texts),
    Cell.TIME: lambda texts, policy: read.times(texts, policy.zone),
    Cell.DEADLINE: lambda texts, policy: read.deadlines(texts, BusinessCalendar.of(policy)),
    Cell.FLAG: lambda texts, _: read.flags(texts),
    Cell.OUTCOME: lambda texts, _: _outcomes(texts),
}


def _is_quantile(name: str, kind: Kind) -> bool:
    return kind is Kind.FORECASTS and QUANTILE.fullmatch(name) is not None


# --- one row -------------------------------------------------------------------------------------------------------


def _check_shape(findings: Findings, misshapen: Mapping[int, int]) -> None:
    counts = pd.Series(misshapen, dtype="int64").reindex(findings.index)
    for count in counts.dropna().unique().astype(int).tolist():
        findings.add(
            (counts == count).to_numpy(), "", "WRONG_NUMBER_OF_CELLS",
            f"The row has {count} cells, which is not what the header has: look for a missing or extra separator. "
            "Put each value into its column and empty the cells left over, or correct the file and import it again.",
        )  # fmt: skip


def _note_doubts(findings: Findings, texts: pd.DataFrame, doubts: Sequence[Doubted]) -> None:
    alike: dict[tuple[str, str, str], list[int]] = {}
    for row, *what in doubts:
        alike.setdefault((what[0], what[1], what[2]), []).append(row)
    for (column, code, sentence), rows in alike.items():
        findings.add(findings.index.isin(rows), column, code, sentence, texts[column])


def _paths(frame: pd.DataFrame, policy: Policy, findings: Findings) -> pd.Series:
    """The path of the segment that each row names, "" where it names none."""
    path = pd.Series("", index=frame.index, dtype="str")
    above_is_missing = np.zeros(len(frame), dtype=bool)
    for level in policy.segments:
        column = SEGMENT + level
        names = frame[column]
        is_named = names.notna().to_numpy()
        findings.add(
            is_named & above_is_missing, column, "MISSING_SEGMENT",
            "is filled, but a level above it is empty. Fill in the outer levels too.",
        )  # fmt: skip
        if level in policy.scope:
            covered = ", ".join(policy.scope[level][:10])
            findings.add(
                is_named & ~names.isin(policy.scope[level]).to_numpy(), column, "UNKNOWN_SEGMENT",
                f"{{text}} lies outside what this workflow covers ({covered}).", names,
            )  # fmt: skip
        above_is_missing |= ~is_named
        path = path + (names + SEPARATOR).fillna("")
    return path


def _check_agreement(frame: pd.DataFrame, texts: pd.DataFrame, policy: Policy, findings: Findings) -> None:
    """The row's unit and currency are the workflow's, where it names them."""
    for name, expected, code in (
        ("unit", policy.unit, "UNIT_DIFFERS"),
        ("currency", policy.currency, "CURRENCY_DIFFERS"),
    ):
        if name in texts.columns and expected is not None:
            differs = (frame[name].notna() & (frame[name] != expected)).to_numpy(dtype=bool)
            findings.add(
                differs, name, code,
                f"{{text}} is not the workflow's, {quoted(expected)}. Convert the row.", frame[name],
            )  # fmt: skip


def _check_forecasts(frame: pd.DataFrame, texts: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    frame["quantiles"] = _quantiles(frame, findings)
    frame = _interval_of_quantiles(frame)
    names = [name for name in EITHER_FORECAST if name in texts.columns]
    neither = (texts[names] == "").all(axis=1).to_numpy()
    findings.add(neither, names[0], "MISSING_FORECAST", "is empty, and so is the other forecast. Fill one in.")
    for who in ("ai", "human"):
        low, high = frame[f"{who}_low"].to_numpy(), frame[f"{who}_high"].to_numpy()
        findings.add(
            low > high, f"{who}_low", "INVERTED_INTERVAL", "is above the interval's upper end. Swap or correct them."
        )
        alone = (np.isnan(frame[f"{who}_forecast"]) & ~(np.isnan(low) & np.isnan(high))).to_numpy()
        if f"{who}_forecast" in texts.columns:  # one that cannot be read has been noted already
            alone = alone & (texts[f"{who}_forecast"] == "").to_numpy()
        findings.add(alone, f"{who}_forecast", "INTERVAL_ALONE", "is empty, but has an interval. Fill it in.")
    findings.add(
        (frame["ai_low"] == frame["ai_high"]).to_numpy(), "ai_low", "EMPTY_INTERVAL",
        "is the interval's upper end too, which leaves it no width. Leave both empty if the range is unknown.",
    )  # fmt: skip
    has_interval = frame["ai_low"].notna() | frame["ai_high"].notna()
    frame["ai_level"] = frame["ai_level"].where(frame["ai_level"].notna() | ~has_interval, DEFAULT_LEVEL)
    return frame


def _quantiles(frame: pd.DataFrame, findings: Findings) -> pd.Series:
    """Of each row, ``{"0.05": value, …}`` in order, or None; they must not cross."""
    names = sorted(name for name in frame.columns if QUANTILE.fullmatch(name))
    if not names:
        return pd.Series([None] * len(frame), index=frame.index, dtype=object)
    shares = [f"{int(name[-2:]) / 100:.2f}" for name in names]
    values = frame[names].to_numpy(dtype=float)
    so_far = np.fmax.accumulate(values, axis=1)
    for place in range(1, len(names)):
        crosses = values[:, place] < so_far[:, place - 1]
        findings.add(crosses, names[place], "INVERTED_INTERVAL", "is below a smaller quantile. Correct them.")
    rows = [
        {share: value for share, value in zip(shares, row, strict=True) if value == value} or None
        for row in values.tolist()
    ]
    return pd.Series(rows, index=frame.index, dtype=object)


def _interval_of_quantiles(frame: pd.DataFrame) -> pd.DataFrame:
    """Where the AI gives no interval, its quantiles do."""
    for low, high, level in _INTERVALS:
        names = [f"ai_q{low:02d}", f"ai_q{high:02d}"]
        if not set(names) <= set(frame.columns):
            continue
        is_open = frame["ai_low"].isna() & frame["ai_high"].isna() & frame[names].notna().all(axis=1)
        is_open &= frame["ai_level"].isna() & (frame[names[0]] < frame[names[1]])
        frame["ai_low"] = frame["ai_low"].mask(is_open, frame[names[0]])
        frame["ai_high"] = frame["ai_high"].mask(is_open, frame[names[1]])
        frame["ai_level"] = frame["ai_level"].mask(is_open, level)
    return frame


def _check_order_in_time(frame: pd.DataFrame, findings: Findings) -> None:
    for earlier in ("created_at", "started_at"):
        reversed_ = (frame["decided_at"] < frame[earlier]).to_numpy(dtype=bool)
        findings.add(reversed_, "decided_at", "TIMES_REVERSED", f"is before {earlier}. Correct one of them.")


def _check_who_speaks(frame: pd.DataFrame, findings: Findings) -> None:
    is_own = frame["source"].str.casefold().isin(OWN_SOURCES).to_numpy(dtype=bool)
    findings.add(
        is_own, "source", "RESERVED_SOURCE",
        "{text} is what the workbench calls what comes with forecasts. Import those as forecasts, or name the system.",
        frame["source"],
    )  # fmt: skip


# --- one series ----------------------------------------------------------------------------------------------------


def _check_in_scope(frame: pd.DataFrame, known_path: pd.Series, policy: Policy, findings: Findings) -> None:
    if not policy.scope:
        return
    placed = (frame["path"] != "").to_numpy() | (known_path.fillna("") != "").to_numpy()
    column = SEGMENT + next(level for level in policy.segments if level in policy.scope)
    findings.add(
        ~placed, column, "UNKNOWN_SEGMENT",
        "is empty, so nothing says whether this workflow covers the row. Fill it in.",
    )  # fmt: skip


def _settled_path(frame: pd.DataFrame, known: pd.Series, findings: Findings) -> pd.Series:
    """The series' path: the known one, else the first that a row gives; rows that lead elsewhere are noted.

    A row may name an outer segment of it, or none.
    """
    given = frame["path"]
    first = given.where(given != "").groupby(frame["series"]).transform("first")
    settled = known.where(known.notna() & (known != ""), first).fillna("")
    pairs = zip(given.tolist(), settled.tolist(), strict=True)
    moved = np.array([not stands.startswith(says) for says, stands in pairs], dtype=bool)
    findings.add(
        moved, "series", "SERIES_MOVED", "belongs to {text}, and this row puts it elsewhere. Correct the segments.",
        settled.str.removesuffix(SEPARATOR).str.replace(SEPARATOR, " › "),
    )  # fmt: skip
    return settled


def _settled(frame: pd.DataFrame, name: str, known: pd.Series, code: str, findings: Findings) -> pd.Series:
    """What ``name`` is for the series: as known, else as the first row says; rows that differ are noted."""
    given = frame[name]
    first = given.groupby(frame["series"]).transform("first")
    settled = known.where(known.notna(), first).astype(given.dtype)
    differs = (given.notna() & (given != settled)).to_numpy(dtype=bool)
    findings.add(differs, name, code, "is not what stands for this series elsewhere. Use one for all its rows.")
    return settled
