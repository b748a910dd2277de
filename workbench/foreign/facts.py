"""How a file is to be read, what was found out about it, and what cannot be trusted in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Choices:
    """How a person says that a file is to be read; what is None is found out."""

    sheet: str | None = None  #: of a spreadsheet
    encoding: str | None = None  #: a name in ``sniffing.ENCODINGS``
    delimiter: str | None = None  #: one of ``sniffing.DELIMITERS``
    decimal: str | None = None  #: ``point`` or ``comma``; it takes effect once the columns of numbers are known


class Doubt(NamedTuple):
    """A cell that the file holds no value for that could be trusted. Its row is set aside, if its column is used."""

    row: int  #: as a spreadsheet counts
    place: int  #: of the column, from 0
    code: str
    sentence: str  #: completes "COLUMN …"


class Fact(NamedTuple):
    """Something found out about a file, with its grounds."""

    name: str  #: ``format``, ``packing``, ``encoding``, ``delimiter``, ``sheet``, ``title``, ``header``
    value: str
    grounds: str
