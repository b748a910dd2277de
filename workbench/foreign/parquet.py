"""Parquet: each value as the text that gives it back exactly; columns that hold no plain values stay closed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import NoReturn

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workbench.foreign import limits
from workbench.foreign.facts import Fact
from workbench.foreign.tables import Budget, Opened, batch, check_headers, refuse, spaced

_A_FEW = 1_000  #: rows read at once, since few bytes of a packed file can be many


def open_parquet(data: bytes) -> Opened:
    """The table in a Parquet file; its rows are numbered from 1.

    Raises:
        FileRefused: it is damaged, has no columns, or is too large.
    """
    try:
        file = pq.ParquetFile(
            io.BytesIO(data),
            pre_buffer=False,
            coerce_int96_timestamp_unit="us",  # as nanoseconds, what lies beyond 2262 would come out in another century
            arrow_extensions_enabled=False,
            page_checksum_verification=True,
        )
        schema = file.schema_arrow
    except (pa.ArrowException, OSError, ValueError) as error:
        _refuse_damaged(error)
    headers = [spaced(name) for name in schema.names]
    if not any(headers):
        refuse("EMPTY", "has no columns. Write it again.")
    if file.metadata.num_rows > limits.MOST_ROWS:
        refuse("TOO_MANY_ROWS", f"has more than {limits.MOST_ROWS:,} rows. Split it into several files.")
    check_headers(headers)
    _check_size(file.metadata)
    closed = {
        header: f"holds {field.type}, which is not one plain value a row"
        for header, field in zip(headers, schema, strict=True)
        if not _is_plain(field.type)
    }
    open_ = [name for name, header in zip(schema.names, headers, strict=True) if header not in closed]
    days = {name for name in open_ if _holds_days_only(file, name, schema.field(name).type)}
    opened = Opened(headers, iter(()), closed=closed, facts=[Fact("format", "Parquet", "it says so")])
    opened.batches = _batches(file, headers, open_, days)
    return opened


def _check_size(metadata: pq.FileMetaData) -> None:
    unpacked = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    if unpacked > limits.MOST_UNPACKED or unpacked < 0:
        refuse("TOO_LARGE", f"unpacks to {unpacked >> 20:,} MB, which is too much. Split it into several files.")


def _is_plain(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_plain(kind.value_type)
    tests = (
        pa.types.is_null, pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal,
        pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_date, pa.types.is_timestamp,
        pa.types.is_time,
    )  # fmt: skip
    return any(test(kind) for test in tests)


def _holds_days_only(file: pq.ParquetFile, name: str, kind: pa.DataType) -> bool:
    """Whether a column of moments without a zone holds midnights alone: how most tools write days."""
    if not pa.types.is_timestamp(kind) or kind.tz is not None:
        return False
    per_day = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit] * 86_400
    for some in _read(file, [name]):
        numbers = some.column(0).cast(pa.int64())
        days = pc.multiply(pc.divide(numbers, per_day), per_day)
        if not pc.all(pc.equal(days, numbers)).as_py() and pc.count(numbers).as_py():
            return False
    return True


def _read(file: pq.ParquetFile, names: list[str]) -> Iterator[pa.RecordBatch]:
    try:
        yield from file.iter_batches(_A_FEW, columns=names, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        _refuse_damaged(error)


def _batches(file: pq.ParquetFile, headers: list[str], names: list[str], days: set[str]) -> Iterator[pa.RecordBatch]:
    budget = Budget()
    done = 0
    for some in _read(file, names):
        budget.spend(some.num_rows, some.num_rows * len(headers), 0)
        read = {
            spaced(name): _text(some.column(place), name, done, is_day=name in days)
            for place, name in enumerate(some.schema.names)
        }
        budget.spend(0, 0, sum(array.nbytes for array in read.values()) - 4 * len(read) * some.num_rows)
        empty = pa.array([""] * some.num_rows, type=pa.string())
        numbers = pa.array(range(done + 1, done + some.num_rows + 1), type=pa.int64())
        done += some.num_rows
        whole = batch([read.get(header, empty) for header in headers], numbers)
        is_filled = pa.array([False] * some.num_rows)
        for array in read.values():
            is_filled = pc.or_(is_filled, pc.not_equal(pc.utf8_trim_whitespace(array), ""))
        yield whole.filter(is_filled)


def _text(array: pa.Array, name: str, before: int, *, is_day: bool) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = array.type
    try:
        array.validate(full=True)
        text = _rendered(array, kind, is_day=is_day)
    except pa.ArrowInvalid as error:
        row = before + 1 + next((place for place, one in enumerate(array) if not _is_whole(one)), 0)
        sentence = f"holds a value that cannot be read ({str(error)[:80]}). Write it again."
        refuse("UNREADABLE_VALUE", sentence, row=row, column=name[:60])
    return pc.fill_null(text, "")


def _rendered(array: pa.Array, kind: pa.DataType, *, is_day: bool) -> pa.Array:
    if pa.types.is_floating(kind):
        wide = array.cast(pa.float32()).cast(pa.float64()) if kind == pa.float16() else array.cast(pa.float64())
        return wide.cast(pa.string())
    if pa.types.is_timestamp(kind):
        if is_day:
            return pc.utf8_slice_codeunits(array.cast(pa.string()), 0, 10)
        if kind.tz is not None:  # whatever the zone, the number is one of UTC; and no file of zones can be opened here
            array = array.cast(pa.timestamp(kind.unit, "UTC"))
        return pc.replace_substring_regex(array.cast(pa.string()), r"\.0+(Z?)$", r"\1")
    return array.cast(pa.string())


def _is_whole(value: pa.Scalar) -> bool:
    try:
        value.as_py()
    except (ValueError, OverflowError):
        return False
    return True


def _refuse_damaged(error: Exception) -> NoReturn:
    if isinstance(error, pa.ArrowMemoryError):
        raise MemoryError from error
    refuse("DAMAGED", f"is not a readable Parquet file: {str(error)[:120]}. Write it again, or as CSV.")
