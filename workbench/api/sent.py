"""Rows as programs send them, and as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema, create_model

from review_queue.columns import LONGEST_NAME, QUANTILE, SEGMENT, Cell, Column, Kind, columns_of
from review_queue.items import Outcome
from workbench.api.problems import Refused, slips

MOST_ROWS = 50_000

Scalar = Annotated[
    str | bool | None,
    Field(union_mode="left_to_right"),
    WithJsonSchema({"type": ["string", "number", "boolean", "null"]}),
]
#: Of an attribute: something printable in it, and no control characters.
_NAME = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"
_READ_AS = {
    Cell.NAME: "Text, to the letter.",
    Cell.PROSE: "Text.",
    Cell.PERIOD: "A period: `2026-12`, `2026-W49`, `2026-Q4`, `2026`, or the date that it starts on.",
    Cell.NUMBER: "A finite number.",
    Cell.SHARE: "A number between 0 and 1, both excluded.",
    Cell.COUNT: "A whole number from 0.",
    Cell.TIME: "A time, ISO 8601; without a zone it is read in the workflow's.",
    Cell.DEADLINE: "A time, ISO 8601, or a date, which means its close of business.",
    Cell.FLAG: "`true` or `false`.",
    Cell.OUTCOME: f"One of {', '.join(f'`{outcome}`' for outcome in Outcome)}.",
}


class Rows(BaseModel):
    """Rows as they are sent, each a column → value; what a row lacks is unknown."""

    model_config = ConfigDict(extra="forbid")

    rows: Annotated[list[dict[str, Scalar]], Field(min_length=1, max_length=MOST_ROWS)]

    def as_texts(self) -> list[dict[str, str]]:
        """The rows as a file would hold them."""
        return [{name: _text(value) for name, value in row.items()} for row in self.rows]


def _text(value: str | bool | None) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else value


def body_of(kind: Kind) -> type[BaseModel]:
    """The body of a request with rows of ``kind``, as the document describes it; ``Rows`` is what reads it."""
    fields: dict[str, Any] = {column.name: (Scalar, _field(column)) for column in columns_of(kind, ())}
    doc, others = _OF_ROW.get(kind, f"One row of {kind}."), ConfigDict(json_schema_extra=_others(kind))
    row = create_model(f"{kind.title()}Row", __config__=others, __doc__=doc, **fields)
    rows = (list[row], Field(min_length=1, max_length=MOST_ROWS))  # type: ignore[valid-type]
    return create_model(
        f"{kind.title()}Rows", __config__=ConfigDict(extra="forbid"), __doc__=f"Rows of {kind}.", rows=rows
    )


_OF_ROW = {
    Kind.FORECASTS: "One item with what is known of it; it needs `series`, `period`, and one of the two forecasts.",
    Kind.HISTORY: "One past actual of a series.",
    Kind.ACTUALS: "One realised value.",
    Kind.REVIEWS: "One past review kept elsewhere. Any other column is kept, and reports can group by it.",
    Kind.USED: "One value of the plan that was used downstream, whatever was decided here.",
    Kind.SOURCES: "One statement of another system about one attribute of a series.",
}


def _field(column: Column) -> Any:
    said = _READ_AS[column.cell] + (" A row without it is set aside." if column.is_key else "")
    return Field(default=None, description=said)


def _others(kind: Kind) -> dict[str, Any]:
    """The columns that go by a pattern, and whether there may be more."""
    scalar = {"type": ["string", "number", "boolean", "null"]}
    patterns: dict[str, Any] = {}
    if kind.has_segments:
        patterns[f"^{SEGMENT}.+$"] = scalar | {"description": "A segment level of the workflow."}
    if kind is Kind.FORECASTS:
        patterns[f"^{QUANTILE.pattern}$"] = scalar | {"description": "A quantile of the AI's forecast, in percent."}
    extra: dict[str, Any] = {"additionalProperties": scalar if kind.keeps_other_columns else False}
    if kind.keeps_other_columns:
        extra["propertyNames"] = {"pattern": _NAME, "maxLength": LONGEST_NAME}
    return extra | ({"patternProperties": patterns} if patterns else {})


def read(found: Any) -> Rows:
    """The rows in a parsed body.

    Raises:
        Refused: it is not an object with rows of plain values.
    """
    try:
        return Rows.model_validate(found)
    except ValidationError as error:
        raise Refused(
            422,
            "BODY_INVALID",
            'The body is not an object like {"rows": [{"series": "…", "period": "2026-12"}]} with plain values.',
            errors=slips(error),
        ) from error
