"""Which kind of file it is, by its first bytes and by its name, which must agree."""

from __future__ import annotations

from workbench.foreign import gzipped, limits
from workbench.foreign.delimited import open_delimited
from workbench.foreign.facts import Choices, Fact
from workbench.foreign.json_lines import open_json_lines
from workbench.foreign.parquet import open_parquet
from workbench.foreign.spreadsheets import open_spreadsheet
from workbench.foreign.tables import Opened, refuse

CSV, XLSX, PARQUET, JSON_LINES = "CSV", "XLSX", "Parquet", "JSON Lines"
ENDINGS = {
    ".csv": CSV, ".tsv": CSV, ".tab": CSV, ".txt": CSV, ".xlsx": XLSX, ".xlsm": XLSX, ".parquet": PARQUET,
    ".pq": PARQUET, ".jsonl": JSON_LINES, ".ndjson": JSON_LINES,
}  # fmt: skip
_GZIP = ".gz"
_STARTS = ((b"PK\x03\x04", XLSX), (b"PAR1", PARQUET))
_OLD_XLS, _ENCRYPTED_PARQUET = b"\xd0\xcf\x11\xe0", b"PARE"


def open_file(name: str, data: bytes, choices: Choices) -> Opened:
    """The table in a file; its batches are still to be read.

    Raises:
        FileRefused: it is of no kind that is read here, or cannot be read. Says what to do.
    """
    if len(data) > limits.MOST_BYTES:
        refuse("TOO_LARGE", f"has {len(data) >> 20:,} MB; at most {limits.MOST_BYTES >> 20} are read. Split it.")
    facts = []
    ending = name.lower()
    if data.startswith(gzipped.MAGIC):
        data = gzipped.unpacked(data)
        ending = ending.removesuffix(_GZIP)
        facts.append(Fact("packing", "gzip", "its first bytes say so"))
    elif ending.endswith(_GZIP) and data:
        refuse("NOT_WHAT_ITS_NAME_SAYS", "is not what its name says, a gzip file. Pack it again.")
    said = next((kind for each, kind in ENDINGS.items() if ending.endswith(each)), None)
    opened = _opened(_kind(data, said), data, choices)
    opened.facts[:0] = facts
    return opened


def _kind(data: bytes, said: str | None) -> str:
    if data.startswith(_OLD_XLS):
        refuse("OLD_SPREADSHEET", "is an old spreadsheet (.xls), or one with a password. Save it as .xlsx or CSV.")
    if data.startswith(_ENCRYPTED_PARQUET):
        refuse("PASSWORD", "is encrypted. Write it without encryption.")
    if said is None:
        refuse("UNKNOWN_KIND", f"is of no kind that is read here. Its name must end with {', '.join(ENDINGS)}.")
    seen = next((kind for start, kind in _STARTS if data.startswith(start)), None)
    if seen != (said if said in (XLSX, PARQUET) else None):
        refuse(
            "NOT_WHAT_ITS_NAME_SAYS", f"is not what its name says. Save it again as {', '.join(set(ENDINGS.values()))}."
        )
    return said


def _opened(kind: str, data: bytes, choices: Choices) -> Opened:
    if kind == XLSX:
        return open_spreadsheet(data, choices)
    if kind == PARQUET:
        return open_parquet(data)
    if kind == JSON_LINES:
        return open_json_lines(data)
    return open_delimited(data, choices)
