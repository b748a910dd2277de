"""What a text file does not say of itself: its encoding and its delimiter. What cannot be known is asked for."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Iterator, Sequence

from review_queue.errors import FileRefused
from workbench.foreign.facts import Fact

#: Encodings that can be chosen: our name → Python's.
ENCODINGS = {
    "UTF-8": "utf-8",
    "UTF-16": "utf-16",
    "Windows-1252 (Western Europe)": "cp1252",
    "Windows-1250 (Central Europe)": "cp1250",
    "Windows-1251 (Cyrillic)": "cp1251",
    "Windows-1253 (Greek)": "cp1253",
    "Windows-1254 (Turkish)": "cp1254",
    "Windows-1257 (Baltic)": "cp1257",
    "ISO-8859-15 (Western Europe)": "iso8859-15",
    "Mac Roman": "mac_roman",
    "DOS 850 (Western Europe)": "cp850",
    "Shift JIS (Japanese)": "cp932",
    "GB 18030 (Chinese)": "gb18030",
    "Big5 (Chinese)": "cp950",
    "EUC-KR (Korean)": "cp949",
}
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
SAMPLE = 1 << 16  #: characters that a delimiter is looked for in
_PIECE = 1 << 20

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
#: A Western reading is taken without being asked for only if these others would give the same text.
_SAME_IN = ("cp1250", "cp1254", "iso8859-15")
_HIGH_WORD = re.compile(r"[^\W\d_]*[\x80-\U0010ffff][^\W\d_]*")
_WHOLE_SEQUENCE = re.compile(rb"[\xc3-\xf4][\x80-\xbf]")
_JAPANESE_ESCAPE = re.compile(rb"\x1b\$[@B]|\x1b\(J")


def find_encoding(data: bytes, chosen: str | None) -> tuple[str, Fact]:
    """Python's name of the encoding that ``data`` is in, every byte of which is readable in it.

    Raises:
        FileRefused: it cannot be read in the one chosen, or in none for certain.
    """
    if chosen is not None:
        return _as_chosen(data, chosen)
    for mark, codec, name in _MARKS:
        if data.startswith(mark):
            if fault := _first_fault(data, codec):
                raise _refused(data, fault, "UNREADABLE_TEXT", f"begins as {name} and then is not. Save it again.")
            return codec, Fact("encoding", name, "its byte order mark says so")
    if wide := _wide(data):
        return wide, Fact("encoding", "UTF-16", "every second byte is zero")
    fault = _first_fault(data, "utf-8")
    if fault is None:
        if found := _JAPANESE_ESCAPE.search(data):
            raise _refused(data, found.start() + 1, "UNREADABLE_TEXT", "is in ISO-2022-JP. Save it as CSV UTF-8.")
        is_ascii = data.isascii()
        return "utf-8", Fact("encoding", "UTF-8", "plain ASCII" if is_ascii else "every byte is valid UTF-8")
    if b"\x00" in data[:SAMPLE]:
        raise _refused(
            data, data.index(b"\x00") + 1, "NOT_TEXT", "is not a text file: it holds zero bytes. Save it as CSV."
        )
    return _western(data, fault)


def find_delimiter(sample: str, chosen: str | None) -> tuple[str, Fact]:
    """The delimiter of the table that ``sample`` is the beginning of: whole lines, as they are written.

    Raises:
        FileRefused: two would split it equally well.
    """
    if chosen is not None:
        return chosen, Fact("delimiter", DELIMITERS.get(chosen, chosen), "as chosen")
    found = {delimiter: _fit(sample, delimiter) for delimiter in DELIMITERS}
    even = {delimiter: width for delimiter, (width, share) in found.items() if width > 1 and share >= 0.9}
    if not even:
        best = max(found, key=lambda delimiter: (found[delimiter][0], sample.count(delimiter)))
        return best, Fact("delimiter", DELIMITERS[best], "it splits the first line into most cells")
    widest = max(even.values())
    best, *others = [delimiter for delimiter, width in even.items() if width == widest]
    if others:
        named = " or ".join(DELIMITERS[delimiter] for delimiter in (best, *others))
        raise FileRefused(
            f"could be split by {named} alike. Choose the delimiter, or save it with another one.",
            code="AMBIGUOUS_DELIMITER",
            row=1,
        )
    return best, Fact("delimiter", DELIMITERS[best], f"it splits the lines into {widest} cells each")


def told_by_itself(sample: str) -> tuple[str, int] | None:
    """The delimiter in a first line like ``sep=;``, as Excel writes it, and where the next line begins."""
    found = re.match(r'"?sep=([^"\r\n])"?(?:\r\n|\r|\n)', sample, re.IGNORECASE)
    return (found[1], found.end()) if found else None


def place_of(data: bytes, offset: int) -> tuple[int, int]:
    """The row and the column, from 1, of a byte in a text file."""
    text = data[:offset].decode("latin-1")
    delimiter = max(DELIMITERS, key=lambda mark: text.split("\n", 1)[0].count(mark))
    csv.field_size_limit(len(text) + 1)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    number, last = deque(enumerate(rows, start=1), maxlen=1).pop() if text else (1, [""])
    return (number + 1, 1) if text.endswith(("\n", "\r")) else (number, max(len(last), 1))


def _as_chosen(data: bytes, chosen: str) -> tuple[str, Fact]:
    codec = ENCODINGS.get(chosen)
    if codec is None:
        raise FileRefused(f"cannot be read as {chosen!r}. Choose one of {', '.join(ENCODINGS)}.", code="WRONG_CHOICE")
    if codec == "utf-8" and data.startswith(codecs.BOM_UTF8):
        codec = "utf-8-sig"
    if fault := _first_fault(data, codec):
        raise _refused(data, fault, "UNREADABLE_TEXT", f"cannot be read as {chosen}. Choose another encoding.")
    return codec, Fact("encoding", chosen, "as chosen")


def _first_fault(data: bytes, codec: str) -> int | None:
    """The place, from 1, of the first byte that is not readable in ``codec``."""
    decoder = codecs.getincrementaldecoder(codec)()
    done = 0
    for start in range(0, max(len(data), 1), _PIECE):
        piece = data[start : start + _PIECE]
        waiting = len(decoder.getstate()[0])
        try:
            decoder.decode(piece, final=start + _PIECE >= len(data))
        except UnicodeError as error:
            return max(done - waiting + getattr(error, "start", 0), 0) + 1
        done += len(piece)
    return None


def _wide(data: bytes) -> str | None:
    """UTF-16 without its mark: of mostly Latin text, every second byte is zero."""
    start = data[:4000]
    pairs = len(start) // 2
    if len(data) % 2 or pairs < 4:
        return None
    for codec, zeros, others in (("utf-16-le", start[1::2], start[::2]), ("utf-16-be", start[::2], start[1::2])):
        is_wide = zeros.count(0) >= 0.7 * pairs and others.count(0) == 0
        if is_wide and _first_fault(data, codec) is None:
            return codec
    return None


def _western(data: bytes, fault: int) -> tuple[str, Fact]:
    """Windows-1252, if the text makes sense in it and reads the same in its neighbours.

    Every byte means something in every such encoding, so that a wrong guess would change names and say nothing.
    """
    if _WHOLE_SEQUENCE.search(data) and _mostly_utf8(data):
        sentence = "is not UTF-8 text throughout: some of it is in another encoding. Save it as CSV UTF-8."
        raise _refused(data, fault, "MIXED_ENCODING", sentence)
    readings = {codec: _decoded(data, codec) for codec in ("cp1252", *_SAME_IN)}
    western = readings["cp1252"]
    words = list(_words(western)) if western is not None else []
    if western is not None and all(text == western for text in readings.values()) and all(map(_makes_sense, words)):
        return "cp1252", Fact("encoding", "Windows-1252", "not UTF-8, and its neighbours would read it the same")
    raise _refused(
        data, fault, "AMBIGUOUS_ENCODING",
        f"is not UTF-8 text, and {_differing(data)} Choose the encoding, or save it as CSV UTF-8.",
    )  # fmt: skip


def _mostly_utf8(data: bytes) -> bool:
    """Whether more of the bytes beyond ASCII are in valid UTF-8 sequences than are not."""
    text = data.decode("utf-8", errors="replace")
    strange = text.count("�")
    return sum(char > "\x7f" for char in text) - strange >= strange


def _decoded(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        return None


def _words(text: str) -> Iterator[str]:
    return (found[0] for found in _HIGH_WORD.finditer(text))


def _makes_sense(word: str) -> bool:
    """A word of which most letters are plain, with its accents in the case of the letters around them."""
    high = [char for char in word if char > "\x7f"]
    plain = [char for char in word if char <= "\x7f"]
    if not all(char.isalpha() for char in high) or len(plain) <= len(high):
        return False
    return word.islower() or word.isupper() or (word[0].isupper() and word[1:].islower())


def _differing(data: bytes) -> str:
    """The first word beyond ASCII as two encodings would have it."""
    for line in re.split(rb"[\r\n]", data):
        if line.isascii():
            continue
        readings: dict[str, str] = {}
        for name, codec in list(ENCODINGS.items())[2:]:
            word = next(_words(line.decode(codec, errors="replace")), "")
            if word and "�" not in word and word.isprintable():
                readings.setdefault(word[:40], name)
        told = [f"“{word}” in {name}" for word, name in list(readings.items())[:3]]
        if len(told) > 1:
            return f"its first such word could be {' or '.join(told)}."
        break
    return "nothing says which encoding it is in."


def _fit(sample: str, delimiter: str) -> tuple[int, float]:
    """Into how many cells ``delimiter`` splits the header, and the share of the next rows that are as wide."""
    csv.field_size_limit(len(sample) + 1)
    rows = [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter) if "".join(row).strip()]
    widths = [_width(row) for row in rows[:200]]
    if not widths:
        return 0, 0.0
    same = [len(row) >= widths[0] >= width for row, width in zip(rows[1:200], widths[1:], strict=True)]
    return widths[0], sum(same) / len(same) if same else 1.0


def _width(row: Sequence[str]) -> int:
    return max((place for place, cell in enumerate(row, start=1) if cell.strip()), default=0)


def _refused(data: bytes, at: int, code: str, sentence: str) -> FileRefused:
    row, column = place_of(data, max(at - 1, 0))
    return FileRefused(sentence, code=code, row=row, column=str(column))
