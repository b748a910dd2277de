"""The canonical columns of each kind of file, and how another system's headers are matched to them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from review_queue.errors import FileRefused


class Kind(StrEnum):
    """What one row of a file is."""

    FORECASTS = "forecasts"  #: one item with what is known of it
    HISTORY = "history"  #: one past actual of a series
    ACTUALS = "actuals"  #: one realised value
    REVIEWS = "reviews"  #: one past review kept elsewhere
    USED = "used"  #: one value of the plan that was used downstream
    SOURCES = "sources"  #: one statement of one system about one attribute of a series

    @property
    def has_segments(self) -> bool:
        return self not in (Kind.ACTUALS, Kind.USED, Kind.SOURCES)

    @property
    def keeps_other_columns(self) -> bool:
        """Whether a column that we have no name for is kept, as an attribute."""
        return self is Kind.REVIEWS


class Cell(StrEnum):
    """How the text in a cell is read."""

    NAME = "name"  #: an identifier: exact text, no hidden characters
    PROSE = "prose"  #: free text
    PERIOD = "period"
    NUMBER = "number"
    SHARE = "share"  #: a number between 0 and 1, both excluded
    COUNT = "count"  #: a whole number from 0
    TIME = "time"
    DEADLINE = "deadline"  #: a time by which something is due; a date alone is its close of business
    FLAG = "flag"  #: true or false
    OUTCOME = "outcome"


@dataclass(frozen=True, slots=True)
class Column:
    """One canonical column."""

    name: str
    cell: Cell
    is_key: bool = False  #: required in the header and in every row
    longest: int = 32_000  #: characters that are kept
    also_called: tuple[str, ...] = ()  #: other systems' names for it, plainly written


_SERIES = Column("series", Cell.NAME, True, 400, ("series_id", "series_name", "account", "product", "sku", "item"))
_PERIOD = Column("period", Cell.PERIOD, True, also_called=("month", "week", "quarter", "target_period", "target_date"))
_ACTUAL = Column("actual", Cell.NUMBER, True, also_called=("actuals", "value", "actual_value", "realised", "observed"))
_UNIT = Column("unit", Cell.NAME, longest=100)
_AI = ("ai", "model_forecast", "forecast_ai", "ai_value", "prediction")
_HUMAN = ("human", "manual", "manual_forecast", "forecast_manual", "human_value")

_FORECASTS = (
    _SERIES,
    _PERIOD,
    Column("created_at", Cell.TIME, also_called=("created",)),
    Column("due_at", Cell.DEADLINE, also_called=("due", "due_date", "deadline")),
    Column("horizon", Cell.COUNT),
    Column("ai_forecast", Cell.NUMBER, also_called=_AI),
    Column("ai_low", Cell.NUMBER, also_called=("ai_lower",)),
    Column("ai_high", Cell.NUMBER, also_called=("ai_upper",)),
    Column("ai_level", Cell.SHARE),
    Column("ai_made_at", Cell.TIME),
    Column("model_version", Cell.NAME, longest=200, also_called=("model",)),
    Column("ai_rationale", Cell.PROSE, also_called=("rationale",)),
    Column("human_forecast", Cell.NUMBER, also_called=_HUMAN),
    Column("human_low", Cell.NUMBER),
    Column("human_high", Cell.NUMBER),
    Column("human_by", Cell.NAME, longest=400),
    Column("human_made_at", Cell.TIME),
    Column("human_note", Cell.PROSE),
    Column("naive_forecast", Cell.NUMBER, also_called=("naive",)),
    Column("value_per_unit", Cell.NUMBER),
    Column("currency", Cell.NAME, longest=10),
    _UNIT,
)
_HISTORY = (_SERIES, _PERIOD, _ACTUAL, Column("currency", Cell.NAME, longest=10), _UNIT)
_ACTUALS = (*_HISTORY, Column("final_at", Cell.TIME), Column("is_lower_bound", Cell.FLAG))
_REVIEWS = (
    _SERIES,
    Column("period", Cell.PERIOD),
    Column("created_at", Cell.TIME, True, also_called=("created",)),
    Column("started_at", Cell.TIME, also_called=("started",)),
    Column("decided_at", Cell.TIME, also_called=("decided",)),
    Column("due_at", Cell.DEADLINE, also_called=("due", "due_date", "deadline")),
    Column("withdrawn_at", Cell.TIME),
    Column("reviewer", Cell.NAME, longest=400),
    Column("outcome", Cell.OUTCOME),
    Column("ai_forecast", Cell.NUMBER, also_called=_AI),
    Column("human_forecast", Cell.NUMBER, also_called=_HUMAN),
    Column("final_forecast", Cell.NUMBER, also_called=("final", "final_value")),
    Column("actual", Cell.NUMBER, also_called=("actual_value",)),
    Column("reason_code", Cell.NAME, longest=40, also_called=("reason",)),
    Column("note", Cell.PROSE),
    Column("currency", Cell.NAME, longest=10),
    _UNIT,
)
_USED = (
    _SERIES,
    _PERIOD,
    Column("value", Cell.NUMBER, True, also_called=("used_value", "used", "plan", "plan_value", "final_forecast")),
    Column("at", Cell.TIME, also_called=("used_at", "released_at", "as_of")),
    Column("currency", Cell.NAME, longest=10),
    _UNIT,
)
_SOURCES = (
    _SERIES,
    Column("attribute", Cell.NAME, True, 100, ("field", "metric", "measure")),
    Column("source", Cell.NAME, True, 100, ("system", "source_system")),
    Column("value", Cell.NUMBER, True, also_called=("amount",)),
    Column("as_of", Cell.TIME, True, also_called=("updated_at", "last_updated", "last_modified", "timestamp")),
    Column("period", Cell.PERIOD, also_called=_PERIOD.also_called),
    Column("record_id", Cell.NAME, longest=400, also_called=("external_id", "identifier")),
)
_OF_KIND = {
    Kind.FORECASTS: _FORECASTS,
    Kind.HISTORY: _HISTORY,
    Kind.ACTUALS: _ACTUALS,
    Kind.REVIEWS: _REVIEWS,
    Kind.USED: _USED,
    Kind.SOURCES: _SOURCES,
}

QUANTILE = re.compile(r"ai_q(\d\d)")
SEGMENT = "segment_"
#: What the workbench calls what comes with forecasts; no other system can be called so.
OWN_SOURCES = ("ai", "manual", "naive")
LONGEST_NAME = 200  #: characters of a column's name
#: One of these is required of a file of forecasts, and of each of its rows.
EITHER_FORECAST = ("ai_forecast", "human_forecast")


@dataclass(frozen=True, slots=True)
class Match:
    """A canonical column, the file's header that fills it, and why we think so."""

    column: str
    header: str
    grounds: str


def kind_of(text: str) -> Kind:
    """The kind that ``text`` names.

    Raises:
        FileRefused: it names none that can be imported.
    """
    try:
        return Kind(text)
    except ValueError:
        raise FileRefused(f"{text!r} is no kind of file. Choose one of {', '.join(Kind)}.") from None


def columns_of(kind: Kind, levels: Sequence[str]) -> tuple[Column, ...]:
    """The canonical columns of ``kind``, with one for each segment level of the workflow, outermost first."""
    segments = tuple(Column(SEGMENT + level, Cell.NAME, longest=400, also_called=(level,)) for level in levels)
    return _OF_KIND[kind] + (segments if kind.has_segments else ())


def require_columns(names: Iterable[str], kind: Kind, levels: Sequence[str]) -> None:
    """Raise ``FileRefused`` unless each name is, to the letter, one of a canonical column: programs need no guesses.

    A row of ``reviews`` may have other names, which are attributes.
    """
    known = {column.name for column in columns_of(kind, levels)}
    for name in names:
        if name in known or (kind is Kind.FORECASTS and QUANTILE.fullmatch(name)):
            continue
        is_attribute = kind.keeps_other_columns and not name.startswith(SEGMENT)
        if not is_attribute or not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
            raise FileRefused(f"{name[:60]!r} is no column of {kind} here. Use {_listed(sorted(known))}.")


def match_headers(
    headers: Sequence[str],
    kind: Kind,
    levels: Sequence[str],
    *,
    remembered: Mapping[str, str] | None = None,
    given: Mapping[str, str] | None = None,
    must_be_complete: bool = True,
) -> tuple[Match, ...]:
    """Which header fills which canonical column: as given, else as last time, else by name.

    Args:
        headers: of the file, as written; empty ones are never matched.
        levels: the workflow's segment levels, outermost first.
        remembered: as ``to_remember`` left it after the last import; used when the headers of its
            canonical columns are all present.
        given: canonical column → header, as the person says; an empty header leaves the column out.

    Returns:
        The matches, in the order of the canonical columns; for ``reviews`` every other header follows under its
        own name, as an attribute.

    Raises:
        FileRefused: a given column or header does not exist, a segment column fits no level, a required column is
            missing, or several headers could be one column. Unless the mapping ``must_be_complete``, the last two
            are left open.
    """
    given = dict(given or {})
    _check_given(given, headers, kind, levels)
    _check_segments(headers, kind, levels, taken=set(given.values()))
    found = {column: Match(column, header, "as given") for column, header in given.items()}
    for column, header in _reusable(remembered or {}, headers, kind, levels).items():
        found.setdefault(column, Match(column, header, "as last time"))
    unsure = _guess(found, headers, kind, levels)
    if must_be_complete:
        _check_sure(unsure)
    if kind.keeps_other_columns:
        _keep_the_rest(found, headers)
    matches = tuple(match for match in found.values() if match.header)
    if must_be_complete:
        _check_required(matches, headers, kind)
    order = {column.name: place for place, column in enumerate(columns_of(kind, levels))}
    return tuple(sorted(matches, key=lambda match: order.get(match.column, len(order))))


def to_remember(
    matches: Iterable[Match],
    headers: Sequence[str],
    kind: Kind,
    levels: Sequence[str],
    *,
    remembered: Mapping[str, str] | None = None,
    given: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The mapping to go by next time: canonical column → header, and "" for one that a person leaves out.

    A column that the file had nothing for is not left out: the next file may have it.

    Args:
        matches: what ``match_headers`` made of the other arguments.
    """
    known = {column.name for column in columns_of(kind, levels)}
    possible = {match.column: match for match in matches if match.column in known}
    unsure = _guess(possible, headers, kind, levels)
    if kind.keeps_other_columns:
        _keep_the_rest(possible, headers)
    before = _reusable(remembered or {}, headers, kind, levels)
    left_out = [column for column, header in {**before, **(given or {})}.items() if not header]
    kept = {column: "" for column in left_out if column in possible or column in unsure or before.get(column) == ""}
    return {match.column: match.header for match in matches} | kept


def plain(text: str) -> str:
    """``text`` in lower case with one underscore for each run of other characters: how names are compared."""
    return re.sub(r"[^0-9a-z]+", "_", text.casefold()).strip("_")


def _reusable(
    remembered: Mapping[str, str], headers: Sequence[str], kind: Kind, levels: Sequence[str]
) -> Mapping[str, str]:
    known = {column.name for column in columns_of(kind, levels)}
    ours = {column: header for column, header in remembered.items() if column in known or not header}
    return ours if set(filter(None, ours.values())) <= set(headers) else {}


def _guess(
    found: dict[str, Match], headers: Sequence[str], kind: Kind, levels: Sequence[str]
) -> dict[str, Sequence[str]]:
    """Add to ``found`` what the names tell; the columns for which they name several headers alike, with these."""
    free: dict[str, list[str]] = {}
    for header in filter(plain, headers):
        free.setdefault(plain(header), []).append(header)
    for match in found.values():
        free.pop(plain(match.header), None)
    wanted = [column for column in columns_of(kind, levels) if column.name not in found]
    named = [(column.name, column.name, "same name") for column in wanted]
    named += [(column.name, name, "another name for it") for column in wanted for name in column.also_called]
    if kind is Kind.FORECASTS:
        named += [(name, name, "same name") for name in free if QUANTILE.fullmatch(name)]
    unsure: dict[str, Sequence[str]] = {}
    for column, name, grounds in named:
        if column in found or column in unsure or plain(name) not in free:
            continue
        alike = free.pop(plain(name))
        if len(alike) == 1 or name in alike:
            found[column] = Match(column, name if name in alike else alike[0], grounds)
        else:
            unsure[column] = alike
    return unsure


def _keep_the_rest(found: dict[str, Match], headers: Sequence[str]) -> None:
    taken = {match.header for match in found.values()}
    for header in headers:
        if header and header not in taken and header not in found:
            found[header] = Match(header, header, "kept as an attribute")


def _check_given(given: Mapping[str, str], headers: Sequence[str], kind: Kind, levels: Sequence[str]) -> None:
    known = {column.name for column in columns_of(kind, levels)}
    for column, header in given.items():
        is_known = column in known or kind.keeps_other_columns
        if not is_known and not (kind is Kind.FORECASTS and QUANTILE.fullmatch(column)):
            raise FileRefused(f"The mapping names {column!r}, which is no column of {kind}. Use {_listed(known)}.")
        if header and header not in headers:
            raise FileRefused(
                f"The mapping looks for {header!r}, which is not in the file. Its columns are {_listed(headers)}."
            )


def _check_segments(headers: Sequence[str], kind: Kind, levels: Sequence[str], *, taken: set[str]) -> None:
    if not kind.has_segments:
        return
    expected = {plain(SEGMENT + level) for level in levels}
    for header in headers:
        name = plain(header)
        if name.startswith(SEGMENT) and name not in expected and header not in taken:
            has = f"the levels {', '.join(levels)}" if levels else "no segment levels"
            raise FileRefused(f"The file has a column {header!r}, but the workflow has {has}. Map or rename it.")


def _check_sure(unsure: Mapping[str, Sequence[str]]) -> None:
    for column, headers in unsure.items():
        raise FileRefused(
            f"The file has {' and '.join(repr(each[:60]) for each in headers)}, and each could be {column}. "
            "Rename all but one, or say with a mapping which one it is."
        )


def _check_required(matches: Sequence[Match], headers: Sequence[str], kind: Kind) -> None:
    present = {match.column for match in matches}
    missing = [column.name for column in _OF_KIND[kind] if column.is_key and column.name not in present]
    if kind is Kind.FORECASTS and not present & set(EITHER_FORECAST):
        missing.append(" or ".join(EITHER_FORECAST))
    if missing:
        raise FileRefused(
            f"A file of {kind} needs {' and '.join(missing)}. This one has {_listed(headers)}. "
            "Rename a column, or say with a mapping which one it is."
        )


def _listed(names: Iterable[str], limit: int = 30) -> str:
    shown = [name[:60] for name in names if name]
    more = f" and {len(shown) - limit} more" if len(shown) > limit else ""
    return ", ".join(shown[:limit]) + more
