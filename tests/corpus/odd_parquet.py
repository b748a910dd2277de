"""Parquet: strange types, strange values, damage, and small files that are large."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

from tests.corpus.cases import Aside, Case, In, Refused


def written(columns: dict[str, pa.Array], **how: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, **how)
    return file.getvalue()


def forecasts(forecast: pa.Array | None = None, **others: pa.Array) -> bytes:
    count = len(forecast) if forecast is not None else len(next(iter(others.values())))
    plain = {
        "series": pa.array([f"s{place}" for place in range(count)]),
        "period": pa.array(["2026-12"] * count),
        "ai_forecast": pa.array([1.0] * count) if forecast is None else forecast,
    }
    return written({**plain, **others})


def cases() -> Iterator[Case]:
    for name, numbers, values in (
        ("float64", pa.array([0.1, 1e300, -2.5]), (0.1, 1e300, -2.5)),
        ("float32", pa.array([0.1], pa.float32()), (0.10000000149011612,)),
        ("float16", pa.array([0.5, 1.5], pa.float16()), (0.5, 1.5)),
        ("int8", pa.array([-128], pa.int8()), (-128,)),
        ("int64", pa.array([2**53], pa.int64()), (2.0**53,)),
        ("decimal", pa.array([Decimal("1234.50")], pa.decimal128(10, 2)), (1234.5,)),
        ("decimal256", pa.array([Decimal("0.1")], pa.decimal256(50, 1)), (0.1,)),
        ("text", pa.array(["1.5"]), (1.5,)),
        ("dictionary", pa.array(["1.5", "2", "1.5"]).dictionary_encode(), (1.5, 2, 1.5)),
        ("large_text", pa.array(["1.5"], pa.large_string()), (1.5,)),
    ):
        yield Case(
            f"type_{name}.parquet", forecasts(numbers), tuple(In(f"s{n}", value) for n, value in enumerate(values))
        )
    for name, numbers, code in (
        ("nan", pa.array([float("nan")], from_pandas=False), "NOT_FINITE"),
        ("infinity", pa.array([float("-inf")]), "NOT_FINITE"),
        ("uint64", pa.array([2**64 - 1], pa.uint64()), "TOO_MANY_DIGITS"),
        ("int64_odd", pa.array([2**53 + 1], pa.int64()), "TOO_MANY_DIGITS"),
        ("flag", pa.array([True]), "NOT_A_NUMBER"),
        ("day", pa.array([date(2026, 1, 1)]), "NOT_A_NUMBER"),
        ("missing", pa.array([None], pa.float64()), "MISSING_FORECAST"),
        ("nothing", pa.array([None], pa.null()), "MISSING_FORECAST"),
    ):
        yield Case(f"value_{name}.parquet", forecasts(numbers), (Aside(1, "ai_forecast", code),))
    for name, numbers in (
        ("list", pa.array([[1.0]])), ("struct", pa.array([{"x": 1.0}])), ("map", pa.array([[("a", 1.0)]], pa.map_(pa.string(), pa.float64()))),
        ("binary", pa.array([b"1"])), ("fixed_binary", pa.array([b"1"], pa.binary(1))), ("duration", pa.array([1], pa.duration("s"))),
    ):  # fmt: skip
        yield Case(
            f"closed_{name}.parquet", forecasts(numbers), refused=Refused("UNSUPPORTED_TYPE", None, "ai_forecast")
        )
    yield Case("closed_elsewhere.parquet", forecasts(pa.array([1.0]), extra=pa.array([[1]])), (In("s0", 1),))
    ids = pa.array(["00123", "NA", "1e5"])
    yield Case("ids.parquet", forecasts(series=ids), (In("00123", 1), In("NA", 1), In("1e5", 1)))
    yield Case("ids_integer.parquet", forecasts(series=pa.array([2**63 - 1])), (In("9223372036854775807", 1),))
    yield Case("ids_float.parquet", forecasts(series=pa.array([123.0])), (In("123", 1),))
    yield Case(
        "periods_day.parquet", forecasts(period=pa.array([date(2026, 12, 1)])), (In("s0", 1, None, "2026-12-01"),)
    )
    yield Case(
        "periods_midnight.parquet",
        forecasts(period=pa.array([datetime(2026, 12, 1)])),
        (In("s0", 1, None, "2026-12-01"),),
    )
    yield Case(
        "periods_moment.parquet",
        forecasts(period=pa.array([datetime(2026, 12, 1, 5)])),
        (Aside(1, "period", "NOT_A_PERIOD"),),
    )
    fine = pa.array([1_700_000_000_123_456_789], pa.timestamp("ns"))
    yield Case("time_nanoseconds.parquet", forecasts(created_at=fine), (Aside(1, "created_at", "TOO_FINE"),))
    zoned = pa.array([1_700_000_000_123], pa.timestamp("ms", "Asia/Kolkata"))
    yield Case("time_zoned.parquet", forecasts(created_at=zoned), (In("s0", 1),))
    far = pa.array([2**62], pa.timestamp("us"))
    yield Case("time_far.parquet", forecasts(created_at=far), (Aside(1, "created_at", "NOT_A_DATE"),))
    old = {"series": pa.array(["s0"]), "ai_forecast": pa.array([1.0])}
    months = {**old, "period": pa.array([datetime(2026, 12, 1)])}
    yield Case(
        "periods_int96.parquet",
        written(months, use_deprecated_int96_timestamps=True),
        (In("s0", 1, None, "2026-12-01"),),
    )
    beyond = {**old, "period": pa.array(["2026-12"]), "created_at": pa.array([datetime(2500, 1, 1)])}
    yield Case(
        "time_int96_far.parquet",
        written(beyond, use_deprecated_int96_timestamps=True),
        (Aside(1, "created_at", "OUT_OF_RANGE"),),
    )
    yield Case(
        "note_nul.parquet",
        forecasts(ai_rationale=pa.array(["a\x00b"])),
        (Aside(1, "ai_rationale", "HIDDEN_CHARACTER"),),
    )


def hostile() -> Iterator[Case]:
    good = forecasts(pa.array([float(number) for number in range(5_000)]))
    for name, content in (
        ("cut", good[: len(good) // 2]), ("magic_only", b"PAR1" * 3), ("footer", good[:-8] + b"\xff\xff\xff\x7fPAR1"),
        ("garbage", b"PAR1" + bytes(range(256)) * 40 + b"PAR1"), ("pages", good[:100] + b"\x00" * 4_000 + good[4_100:]),
    ):  # fmt: skip
        yield Case(f"damaged_{name}.parquet", content, refused=Refused("DAMAGED"))
    raw = pa.array([b"\xff\xfe"], pa.binary()).view(pa.string())
    yield Case("damaged_text.parquet", forecasts(series=raw), refused=Refused("UNREADABLE_VALUE", 1, "series"))
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 5_000, pa.int32()), pa.array(["x" * 30_000]))
    bomb = written({"series": long, "period": long, "ai_forecast": pa.array([1.0] * 5_000)}, compression="zstd")
    yield Case("bomb_dictionary.parquet", bomb, refused=Refused("TOO_LARGE"))
    zeros = written({"series": pa.array(["\x20" * 3_000_000] * 36)}, compression="zstd", use_dictionary=False)
    yield Case("bomb_packed.parquet", zeros, refused=Refused("TOO_LARGE"))
    nothing = written({"series": pa.array([None] * 1_000_001, pa.null())})
    yield Case("rows_many.parquet", nothing, refused=Refused("TOO_MANY_ROWS"))
    wide = written({f"c{number}": pa.array([1]) for number in range(300)})
    yield Case("columns_many.parquet", wide, refused=Refused("TOO_MANY_COLUMNS", 1))
    yield Case("rows_none.parquet", forecasts(pa.array([], pa.float64())))
    twice = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array([1])] * 2, ["series", "series"]), twice)
    yield Case("names_twice.parquet", twice.getvalue(), refused=Refused("DUPLICATE_HEADER", 1, "2"))
    field = pa.field(
        "series",
        pa.string(),
        metadata={
            "ARROW:extension:name": "arrow.py_extension_type",
            "ARROW:extension:metadata": "cos\nsystem\n(S'true'\ntR.",
        },
    )
    pickled = io.BytesIO()
    columns = [pa.array(["s0"]), pa.array(["2026-12"]), pa.array([1.0])]
    schema = pa.schema([field, ("period", pa.string()), ("ai_forecast", pa.float64())])
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), pickled)
    yield Case("pickled_type.parquet", pickled.getvalue(), (In("s0", 1),))
