"""Files packed with gzip."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

from tests.corpus.cases import Case, Refused, goes_in
from tests.corpus.odd_text import table


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def cases() -> Iterator[Case]:
    good = packed(table().encode())
    yield Case("plain.csv.gz", good, goes_in())
    yield Case("plain_no_gz.csv", good, goes_in())
    halves = table().encode()
    yield Case("two_members.csv.gz", packed(halves[:30]) + packed(halves[30:]), goes_in())


def hostile() -> Iterator[Case]:
    good = packed(table().encode())
    for name, content, code in (
        ("cut", good[:-12], "DAMAGED"), ("checksum", good[:-6] + b"\x00\x00" + good[-4:], "DAMAGED"),
        ("trailing", good + b"garbage", "DAMAGED"), ("twice", packed(good), "PACKED_TWICE"),
        ("bomb", packed(b"\x00" * (30 << 20)), "GROWS_TOO_MUCH"), ("ratio", packed(b"a,b\n" * (5 << 20)), "GROWS_TOO_MUCH"),
        ("header_only", b"\x1f\x8b", "DAMAGED"), ("empty", packed(b""), "EMPTY"),
    ):  # fmt: skip
        yield Case(f"{name}.csv.gz", content, refused=Refused(code))
    yield Case("gz_of_nothing_known.gz", good, refused=Refused("UNKNOWN_KIND"))
