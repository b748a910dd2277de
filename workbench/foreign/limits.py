"""How much a foreign file may ask for. What goes beyond is refused with a sentence; docs/files.md lists these."""

from __future__ import annotations

MOST_BYTES = 200 << 20  #: of a file, and of its text: a million rows of forecasts have 120
MOST_UNPACKED = 100 << 20  #: bytes that a packed file may hold
MOST_PACKED = 20  #: times that a packed file may grow, once it has grown past ``SMALL``
SMALL = 10 << 20  #: bytes below which nothing that a file unpacks to is too much
MOST_SPREADSHEET = 400 << 20  #: bytes of XML that a spreadsheet may unpack to, which is read piece by piece
MOST_ROWS = 1_000_000
MOST_COLUMNS = 200
MOST_CELLS = 25_000_000
LONGEST_CELL = 131_072  #: characters; a name or a note is set aside far below
LONGEST_HEADER = 200
DEEPEST = 32  #: levels of brackets in a line of JSON

MEMORY = 440 << 20  #: bytes of the reading process beyond what its libraries take
STILL = 8  #: seconds of computing without a row read, after which a file is given up
COMPUTING = 30  #: seconds of computing altogether
WAITING = 120  #: seconds by the clock, on a machine that is busy with other things
