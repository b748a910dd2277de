"""A copy of a database for trying things out: the same rows and relations, and nobody's names, words or secrets.

Every column is either plain by its type (numbers, times, truths) or stands in ``TREATED`` with what becomes of it. A
column that is in neither makes ``untreated`` name it, which a test asks for. The copy is a new SQLite file into which
the originals are never written.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import math
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import JSON, Boolean, Column, Date, Float, Integer, SmallInteger, Table, select, text
from sqlalchemy.types import BigInteger

from review_queue.columns import Kind, columns_of
from review_queue.errors import ReviewError
from review_queue.items import SourceKind
from review_queue.roles import Role
from storage import audit, schema
from storage.engine import Database, UtcDateTime, open_database, sqlite_module
from storage.tables import metadata
from storage.tree import SEPARATOR

AT_ONCE = 5_000  #: rows that are copied together
#: Worked out from other rows, and made anew by the server.
DERIVED = frozenset({"kept_reviews", "kept_until", "review_changes", "source_lessons", "audit_chain"})
MASKED = "masked"

_CODE = re.compile(r"[A-Za-z0-9_.:/+|-]{1,60}")
_PERIOD = re.compile(r"\d{4}(-(\d{2}|W\d{2}|Q\d|\d{2}-\d{2}))?")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[T ][\d:.+Z-]+")
_NUMBER = re.compile(r"[+-]?[\d.,]+%?")
_OWN_SOURCES = frozenset(kind.value for kind in SourceKind)
_OWN_COLUMNS = frozenset(column.name for kind in Kind for column in columns_of(kind, ()))


class CopyRefused(ReviewError):
    """A masked copy that cannot be made as asked. Nothing was written."""

    code = "COPY_REFUSED"


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied."""

    tables: int
    rows: int
    is_scaled: bool


@dataclass(frozen=True)
class Masking:
    """How this copy is masked. The key is thrown away with it, so nobody can work the names out again."""

    key: bytes
    factor: float = 1.0  #: by which values are multiplied; unitless
    keeps_series: bool = False

    def alias(self, kind: str, original: str, *, length: int = 8) -> str:
        """The same text for the same original of a kind, within this copy."""
        return f"{kind} {self._digest(kind, original)[:length]}"

    def digest(self, original: str) -> str:
        """What stands in for a hash of 64 hexadecimal digits, or for anything else that is only compared."""
        return self._digest("hash", original)

    def _digest(self, kind: str, original: str) -> str:
        return hmac.new(self.key, f"{kind}\x1f{original}".encode(), hashlib.sha256).hexdigest()


Treat = Callable[[Masking, Any], Any]


def _code(masking: Masking, value: str) -> str:
    """A word of the program's own, which says nothing of anybody; what does not look like one is replaced."""
    return value if _CODE.fullmatch(value) else masking.alias("code", value).replace(" ", "_")


def _role(masking: Masking, value: str) -> str:
    return Role(value).value


def _hash(masking: Masking, value: str) -> str:
    return masking.digest(value)[: max(len(value), 16)]


def _person(masking: Masking, value: str) -> str:
    if "@" in value:
        return f"{masking.alias('person', value.lower()).replace(' ', '-')}@masked.invalid"
    return masking.alias("Person", value)


def _words(masking: Masking, value: str) -> str:
    return MASKED if value else ""


def _named(kind: str) -> Treat:
    return lambda masking, value: masking.alias(kind, value)


def _key(kind: str) -> Treat:
    return lambda masking, value: masking.alias(kind, value).replace(" ", "-").lower()


def _series(masking: Masking, value: str) -> str:
    return value if masking.keeps_series else masking.alias("Series", value)


def _source(masking: Masking, value: str) -> str:
    return value if value in _OWN_SOURCES else masking.alias("source", value).replace(" ", "-")


def _attribute(masking: Masking, value: str) -> str:
    return value if value == "forecast" else masking.alias("attribute", value).replace(" ", "_")


def _path(masking: Masking, value: str) -> str:
    return "".join(masking.alias("Segment", name) + SEPARATOR for name in value.split(SEPARATOR)[:-1])


def _period(masking: Masking, value: str) -> str:
    return value if _PERIOD.fullmatch(value) else masking.alias("period", value)[:20]


def _zone(masking: Masking, value: str) -> str:
    return value if value in available_timezones() else "UTC"


def _currency(masking: Masking, value: str) -> str:
    return value if re.fullmatch(r"[A-Z]{3}", value) else "XXX"


def _column(masking: Masking, value: str) -> str:
    return value if value in _OWN_COLUMNS else masking.alias("column", value).replace(" ", "_")


def _file(masking: Masking, value: str) -> str:
    return masking.alias("file", value).replace(" ", "-") + ".csv"


def _url(masking: Masking, value: str) -> str:
    return f"https://masked.invalid/{masking.digest(value)[:16]}"


def _secret(masking: Masking, value: str) -> str:
    return MASKED  # signs nothing: it is no key


def _nothing(masking: Masking, value: Any) -> Any:
    return {}


def _answer(masking: Masking, value: str) -> str:
    return "{}"


def _phrases(masking: Masking, value: Any) -> list[str]:
    return [MASKED for _ in value]


def _value(masking: Masking, value: float) -> float:
    return value * masking.factor


def _numbers(masking: Masking, value: Any) -> Any:
    """Quantiles: a level each, and its value."""
    return {level: number * masking.factor for level, number in value.items()}


#: Keys of JSON whose number is a value in the workflow's unit, and keys whose text is a series, and so on.
_VALUES = frozenset(
    {"ai", "manual", "final", "naive", "plan", "value", "before", "after", "net", "gross", "gap", "money"}
)
_TEXTS: dict[str, Treat] = {"series": _series, "segment": _path, "segment_path": _path, "source": _source}


def _facts(masking: Masking, value: Any, key: str = "") -> Any:
    """JSON of the program's own: numbers and codes stay, values are scaled, what may be a name or words is replaced."""
    if isinstance(value, dict):
        return {_code(masking, name): _facts(masking, each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [_facts(masking, each, key) for each in value]
    if isinstance(value, str):
        if key in _TEXTS:
            return _TEXTS[key](masking, value)
        if re.fullmatch(r"[0-9a-f]{16,}", value):
            return masking.digest(value)[: len(value)]
        is_plain = _INSTANT.fullmatch(value) or _PERIOD.fullmatch(value) or re.fullmatch(r"[a-z][a-z0-9_.-]*", value)
        return value if is_plain or re.fullmatch(r"[A-Z][A-Z0-9_]+", value) else MASKED
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
        return value * masking.factor if key in _VALUES and masking.factor != 1 else value
    return value


def _cell(masking: Masking, value: str) -> str:
    is_plain = not value or _NUMBER.fullmatch(value) or _PERIOD.fullmatch(value) or _INSTANT.fullmatch(value)
    if is_plain and masking.factor != 1 and _NUMBER.fullmatch(value) and not _PERIOD.fullmatch(value):
        return "0"  # a number as it came says the factor to whoever knows the number
    return value if is_plain else masking.alias("text", value)


def _cells(masking: Masking, value: Any) -> dict[str, str]:
    return {
        _column(masking, name): _series(masking, cell) if name == "series" else _cell(masking, cell)
        for name, cell in value.items()
    }


def _headers(masking: Masking, value: Any) -> list[str]:
    return [_column(masking, header) for header in value]


def _mapping(masking: Masking, value: Any) -> dict[str, str]:
    return {_column(masking, name): _column(masking, header) for name, header in value.items()}


def _attributes(masking: Masking, value: Any) -> dict[str, str]:
    return {_key("attribute")(masking, name): masking.alias("text", str(each)) for name, each in value.items()}


def _parts(masking: Masking, value: bytes) -> bytes:
    """The rows of a file, each cell masked; as many rows and columns as before."""
    table = pq.read_table(io.BytesIO(value))
    columns = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            treat = _series if name == "series" else _period if name == "period" else _cell
            cells = [None if cell is None else treat(masking, cell) for cell in column.to_pylist()]
            column = pa.chunked_array([pa.array(cells, type=column.type)])
        columns.append(column)
    own = {"row_number", "series", "period"}
    names = [name if name in own else _column(masking, name) for name in table.column_names]
    written = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(columns, names=names), written)
    return written.getvalue()


def _policy(masking: Masking, body: Any) -> dict[str, Any]:
    """A policy that still can be read: its numbers and switches, and other names."""
    kept: dict[str, Any] = {name: value for name, value in body.items() if isinstance(value, bool | int | float)}
    for name in ("materiality", "second_review_above"):
        if isinstance(kept.get(name), int | float):
            kept[name] = kept[name] * masking.factor
    level, segment = _key("level"), _named("Segment")
    kept |= {
        "key": _key("workflow")(masking, body["key"]),
        "title": masking.alias("Workflow", body["key"]),
        "unit": "units",
        "timezone": _zone(masking, body.get("timezone", "UTC")),
        "segments": [level(masking, name) for name in body.get("segments", ())],
        "scope": {
            level(masking, name): [segment(masking, each) for each in names]
            for name, names in body.get("scope", {}).items()
        },
        "alerts": [_facts(masking, rule) for rule in body.get("alerts", ())],
    }
    for name in ("owner", "deputy"):
        if body.get(name):
            kept[name] = _person(masking, body[name])
    if body.get("currency"):
        kept["currency"] = _currency(masking, body["currency"])
    if body.get("fallback"):
        kept["fallback"] = _code(masking, body["fallback"])
    hours = body.get("calendar", {})
    kept["calendar"] = {name: hours[name] for name in ("start_hour", "end_hour", "weekdays") if name in hours}
    sources = body.get("sources", {})
    kept["sources"] = {name: sources[name] for name in ("assumed_miss", "largest_share") if name in sources} | {
        "attribute": _attribute(masking, sources.get("attribute", "forecast")),
        "half_life_days": {_source(masking, name): days for name, days in sources.get("half_life_days", {}).items()},
    }
    return kept


def _preferences(masking: Masking, body: Any) -> dict[str, Any]:
    kept: dict[str, Any] = {name: value for name, value in body.items() if isinstance(value, bool | int | float)}
    return kept | ({"timezone": "UTC"} if "timezone" in body else {})


def _each(treat: Treat, *columns: str) -> dict[str, Treat]:
    return dict.fromkeys(columns, treat)


#: What becomes of every column that may hold text or a value, as ``table.column``.
TREATED: dict[str, Treat] = {
    **_each(_person, "people.name", "people.email", "people.subject", "forecasts.author", "past_reviews.reviewer"),
    **_each(_person, "decisions.owner", "alerts.owner", "digests.address"),
    **_each(_person, "handovers.owner", "handovers.owner_before", "handovers.deputy", "handovers.deputy_before"),
    "people.issuer": lambda masking, value: value if value in ("local", "demo", "erased") else "masked",
    **_each(_hash, "sign_ins.token_hash", "api_tokens.token_hash", "api_tokens.hint", "api_answers.key"),
    **_each(_hash, "api_answers.request_hash", "items.content_hash", "forecasts.content_hash"),
    **_each(_hash, "statements.identity_hash", "past_reviews.identity_hash", "past_reviews.content_hash"),
    **_each(_hash, "decisions.idempotency_key", "decisions.request_hash", "decisions.content_hash"),
    **_each(_hash, "batch_items.content_hash", "batch_items.idempotency_key", "imports.file_hash"),
    **_each(_hash, "checks.idempotency_key", "checks.request_hash", "deliveries.webhook_id"),
    **_each(_hash, "deliveries.lease", "delivery_attempts.lease", "logout_tokens.jti_hash"),
    **_each(_words, "erasures.reason", "forecasts.note", "forecasts.rationale", "past_reviews.note", "decisions.note"),
    **_each(_words, "reasons.text", "reasons.source_ref", "comments.body", "submissions.note", "exclusions.reason"),
    **_each(_words, "submissions.withdrawal_note", "snapshots.note", "assignments.note", "skips.note"),
    **_each(_words, "absences.note", "batches.note", "batch_items.left_out", "notifications.sentence"),
    **_each(_words, "digests.failure", "set_aside_rows.sentence", "pulls.failure", "receivers.paused_why"),
    **_each(_words, "deliveries.why", "delivery_attempts.answer", "alerts.explanation", "figure_comments.body"),
    **_each(_words, "happenings.what", "incidents.title", "incidents.closing_note", "heartbeat.ballast"),
    **_each(_words, "incident_events.body", "escalations.why", "handovers.note", "showings.note"),
    "api_tokens.name": _named("Token"),
    "api_answers.answer": _answer,
    "saved_views.name": _named("View"),
    "saved_views.link": _nothing,
    "drafts.body": _nothing,
    "preferences.body": _preferences,
    "receivers.url": _url,
    "receiver_keys.secret": _secret,
    "workflows.key": _key("workflow"),
    "workflows.title": _named("Workflow"),
    "workflows.unit": lambda masking, value: "units",
    "workflows.timezone": _zone,
    "policies.body": _policy,
    "segments.level": _key("level"),
    "segments.name": _named("Segment"),
    **_each(_path, "segments.path", "grants.segment_path", "submissions.segment_path"),
    "series.key": _series,
    "series.currency": _currency,
    "sources.key": _source,
    "sources.title": _named("Source"),
    "pulls.source": _source,
    "statements.attribute": _attribute,
    **_each(_named("Record"), "statements.record_id", "identifiers.record_id"),
    **_each(_named("Model"), "model_versions.name", "decisions.model_version", "incidents.model_version"),
    "escalations.step": _named("Step"),
    **_each(_period, "cycles.period", "items.period", "actuals.period", "used_values.period", "statements.period"),
    **_each(_period, "past_reviews.period", "reasons.paired_period", "submissions.period", "snapshots.period"),
    "pulses.month": _period,
    **_each(_role, "grants.role", "role_requests.role"),
    **_each(_code, "sources.kind", "items.state", "items.band", "items.withheld"),
    **_each(_code, "past_reviews.outcome", "past_reviews.reason_code", "decisions.act", "decisions.outcome"),
    **_each(_code, "decisions.reason_code", "decisions.mode", "decisions.band", "decisions.withheld", "reasons.code"),
    **_each(_code, "reasons.direction", "reasons.source_type", "reasons.already_in_model", "reasons.outcome"),
    **_each(_code, "evidence_views.panel", "snapshots.undecided_take", "snapshot_rows.state", "skips.reason"),
    **_each(_code, "saved_views.page", "notifications.kind", "imports.kind", "set_aside_rows.kind"),
    **_each(_code, "set_aside_rows.code", "set_aside_rows.status", "outages.kind", "pulls.kind", "outbox.topic"),
    **_each(_code, "deliveries.state", "audit_events.action", "alerts.measure", "checks.flaw", "checks.outcome"),
    **_each(_code, "escalations.did", "incidents.severity", "incident_events.kind", "showings.shown"),
    "items.why": _phrases,
    "forecasts.quantiles": _numbers,
    "past_reviews.attributes": _attributes,
    **_each(_facts, "submissions.totals", "snapshots.totals", "imports.reasons", "outbox.payload"),
    **_each(_facts, "audit_events.details", "alerts.details", "escalations.told", "openings.found", "path_tests.parts"),
    "imports.file_name": _file,
    "imports.mapping": _mapping,
    "set_aside_rows.column": _column,
    "set_aside_rows.cells": _cells,
    "import_files.headers": _headers,
    "import_files.delimiter": lambda masking, value: value if value in ",;\t|" else ",",
    "import_parts.body": _parts,
    **_each(_value, "items.gap", "items.money", "items.scale", "forecasts.value", "forecasts.low", "forecasts.high"),
    **_each(_value, "actuals.value", "used_values.value", "statements.value", "past_reviews.ai_forecast"),
    **_each(_value, "past_reviews.human_forecast", "past_reviews.final_forecast", "past_reviews.actual"),
    **_each(_value, *(f"decisions.{name}" for name in ("final_value", "ai_value", "ai_low", "ai_high", "gap"))),
    **_each(_value, *(f"decisions.{name}" for name in ("manual_value", "naive_value", "money", "scale"))),
    **_each(_value, "decisions.initial_value", "reasons.effect_low", "reasons.effect_mid", "reasons.effect_high"),
    **_each(_value, "reasons.realised_effect", "commitments.value", "snapshot_rows.ai_value", "snapshot_rows.money"),
    **_each(_value, "snapshot_rows.manual_value", "snapshot_rows.plan_value", "checks.shown_value"),
    **_each(_value, "checks.shown_low", "checks.shown_high", "checks.true_value", "checks.final_value"),
}
#: Numbers that are no values: shares, levels, times, and what a unit is worth, by which values are turned into money.
UNSCALED = frozenset(
    {
        "series.value_per_unit",
        "items.u",
        "items.symmetric",
        "items.score",
        "forecasts.interval_level",
        "decisions.ai_level",
        "decisions.u",
        "decisions.score",
        "decisions.hours_to_deadline",
    }
)
_PLAIN = (Integer, BigInteger, SmallInteger, Boolean, Date, UtcDateTime)


def untreated() -> list[str]:
    """Columns of which nobody has said what becomes of them in a copy, and names of columns that there are not."""
    there = {_name(column): column for table in _copied() for column in table.columns}
    said = set(TREATED) | UNSCALED
    missing = [name for name, column in there.items() if not _is_plain(column) and name not in said]
    return sorted(missing) + sorted(said - set(there))


def masked_copy(
    database: Database, file: Path, *, keeps_series: bool = False, scales: bool = False, key: bytes | None = None
) -> Copied:
    """Write the masked copy to ``file``, whole or not at all.

    Args:
        keeps_series: leave the names of series as they are.
        scales: multiply all values by one factor, drawn anew for each copy.
        key: what pseudonyms are made with; None: one of this copy alone, which nobody learns.

    Raises:
        CopyRefused: ``file`` exists.
    """
    if file.exists():
        raise CopyRefused(f"{file} exists already, and is left as it is. Choose another name.")
    masking = Masking(key or secrets.token_bytes(32), _a_factor() if scales else 1.0, keeps_series)
    partial = file.with_name(f"{file.name}.partial")
    _unlink(partial)
    try:
        rows = _write(database, partial, masking)
        _close(partial)
        os.replace(partial, file)
    finally:
        _unlink(partial)
    return Copied(tables=len(_copied()), rows=rows, is_scaled=scales)


def _write(database: Database, file: Path, masking: Masking) -> int:
    copy, count = open_database(f"sqlite:///{file}"), 0
    try:
        schema.upgrade(copy)
        # Rows refer to rows that come later; that all of them are there is looked at when they are.
        with database.reading() as source, copy.engine.connect() as target:
            target.connection.cursor().execute("PRAGMA foreign_keys = OFF")
            for table in _copied():
                for rows in _chunks(source, table):
                    target.execute(table.insert(), [_masked(table, row, masking) for row in rows])
                    target.commit()
                    count += len(rows)
            broken = target.execute(text("PRAGMA foreign_key_check")).fetchall()
        if broken:
            raise RuntimeError(f"The copy misses rows that others refer to: {broken[:5]}")
        with copy.writing() as session:  # masked, an event is another: the copy has a chain of its own
            audit.seal_unsealed(session)
    finally:
        copy.engine.dispose()
    return count


def _chunks(source: Any, table: Table) -> Iterator[list[Any]]:
    order = list(table.primary_key.columns)
    rows = source.execute(select(table).order_by(*order).execution_options(yield_per=AT_ONCE))
    for part in rows.partitions():
        yield list(part)


def _masked(table: Table, row: Any, masking: Masking) -> dict[str, Any]:
    found = {}
    for column, value in zip(table.columns, row, strict=True):
        treat = TREATED.get(_name(column))
        found[column.name] = value if value is None or treat is None else _fitting(column, treat(masking, value))
    return found


def _fitting(column: Column[Any], value: Any) -> Any:
    length = getattr(column.type, "length", None)
    return value[:length] if isinstance(value, str) and length else value


def _copied() -> list[Table]:
    return [table for table in metadata.sorted_tables if table.name not in DERIVED]


def _is_plain(column: Column[Any]) -> bool:
    return isinstance(column.type, _PLAIN) and not isinstance(column.type, Float | JSON)


def _name(column: Column[Any]) -> str:
    return f"{column.table.name}.{column.name}"


def _a_factor() -> float:
    """Between a half and two, and not near one."""
    drawn = 0.0
    while abs(drawn) < 0.1:
        drawn = secrets.randbelow(2_000_001) / 1_000_000 - 1
    return math.pow(2.0, drawn)


def _close(file: Path) -> None:
    with closing(sqlite_module().connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _unlink(file: Path) -> None:
    for each in (file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")):
        each.unlink(missing_ok=True)
