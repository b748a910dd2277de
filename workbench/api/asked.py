"""What may stand in an address behind the question mark."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from starlette.datastructures import QueryParams

from review_queue.cells import FIRST_YEAR, LAST_YEAR
from review_queue.items import State
from workbench.api.problems import Refused, slips

LONGEST_PAGE = 200
USUAL_PAGE = 50


def _whole_number(text: Any) -> Any:
    if isinstance(text, str) and re.fullmatch(r"[0-9]{1,9}", text):
        return int(text)
    raise ValueError("write a whole number")


def _yes_or_no(text: Any) -> Any:
    if text in ("true", "false"):
        return text == "true"
    raise ValueError("write true or false")


def _instant(text: Any) -> Any:
    if isinstance(text, str) and _INSTANT.fullmatch(text):
        try:
            found = datetime.fromisoformat(text.upper())
        except ValueError:
            found = None
        if found is not None and FIRST_YEAR < found.year < LAST_YEAR:
            return found
    raise ValueError("write a time with its zone, like 2026-12-01T00:00:00Z")


_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_PLAIN = r"^[^\x00-\x1f\x7f]*$"  #: no database keeps a NUL, and no name here has a control character

Whole = Annotated[int, BeforeValidator(_whole_number)]
YesNo = Annotated[bool, BeforeValidator(_yes_or_no)]
Instant = Annotated[datetime, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]


class Query(BaseModel):
    """Parameters in an address: those that are named here, each once."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ListQuery(Query):
    """Which page of a list."""

    limit: Whole = Field(USUAL_PAGE, ge=1, le=LONGEST_PAGE, description="Rows on a page.")
    cursor: str | None = Field(
        None,
        max_length=100,
        description="`next_cursor` of the page before, with the same filters; without it, the first page.",
        json_schema_extra={"type": "string"},
    )


class ItemsQuery(ListQuery):
    """Which items."""

    state: list[State] = Field([], description="One or more; without it, all.")
    period: Annotated[str, Field(max_length=20, pattern=_PLAIN)] | None = Field(
        None, description="As items give it, such as `2026-12`."
    )
    series: Annotated[str, Field(max_length=400, pattern=_PLAIN)] | None = Field(
        None, description="Its whole name, to the letter."
    )


class DecisionsQuery(ListQuery):
    """Which decisions."""

    since: Instant | None = Field(None, description="Decided then or later.")
    standing: YesNo = Field(False, description="Only those that no later one took the place of.")


class RowsQuery(Query):
    """How rows are taken."""

    dry_run: YesNo = Field(False, description="Tell what would happen, and change nothing.")


class NoQuery(Query):
    """No parameters."""


def read(shape: type[Query], sent: QueryParams) -> Any:
    """The parameters as ``shape`` reads them.

    Raises:
        Refused: with a sentence for each that is unknown, stands there twice, or cannot be read.
    """
    many = {name for name, field in shape.model_fields.items() if get_origin(field.annotation) is list}
    found = {name: sent.getlist(name) if name in many else sent.getlist(name)[-1] for name in sent}
    twice = [name for name in found if name not in many and len(sent.getlist(name)) > 1]
    if twice:
        raise Refused(422, "PARAMETER_INVALID", f"The parameter {twice[0][:60]!r} stands in the address twice.")
    try:
        return shape.model_validate(found)
    except ValidationError as error:
        raise Refused(
            422, "PARAMETER_INVALID", "A parameter in the address cannot be read.", errors=slips(error)
        ) from error
