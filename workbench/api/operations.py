"""Everything that can be asked over HTTP, once: the routes and the OpenAPI document are both made of this table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

from review_queue.columns import Kind
from storage.engine import Database
from storage.tokens import Bearer
from workbench.actions import receiving, telling
from workbench.actions.receiving import WorkflowNotFound
from workbench.actions.telling import DecisionsWanted, ItemsWanted, Listed, NothingThere
from workbench.api import cursors, sent
from workbench.api.asked import DecisionsQuery, ItemsQuery, ListQuery, NoQuery, Query, RowsQuery
from workbench.api.shapes import (
    DecisionPage,
    DecisionShape,
    ImportShape,
    ItemPage,
    ItemShape,
    SetAsidePage,
    SetAsideShape,
    TokenShape,
    WorkflowPage,
    WorkflowShape,
)

REPLAYED = "Idempotency-Replayed"
_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")  #: of a workflow
_ID = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read and let in."""

    database: Database
    bearer: Bearer
    path: Mapping[str, str]
    query: Any  #: as the operation's ``query``
    body: Any  #: parsed JSON; None where none is read
    key: str  #: for idempotency; empty where nothing is written

    @property
    def workflow(self) -> str:
        """The workflow's key in the path.

        Raises:
            WorkflowNotFound: no workflow can be called so.
        """
        found = self.path["workflow"]
        if not _KEY.fullmatch(found):
            raise WorkflowNotFound(found)
        return found

    def number(self, thing: str) -> int:
        """The id in the path.

        Raises:
            NothingThere: no ``thing`` can have it.
        """
        text = self.path[thing]
        number = int(text) if _ID.fullmatch(text) else 0
        if not 0 < number <= cursors.LARGEST:
            raise NothingThere(thing, number or None)
        return number


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked."""

    name: str
    path: str  #: below ``/api/v1``
    summary: str
    description: str
    answer: type[BaseModel]
    handle: Callable[[Call], BaseModel | Response]
    query: type[Query] = NoQuery
    body: type[BaseModel] | None = None  #: what the document says of it

    @property
    def method(self) -> str:
        return "GET" if self.body is None else "POST"


def _token(call: Call) -> BaseModel:
    return TokenShape.of(call.bearer)


def _workflows(call: Call) -> BaseModel:
    asked, after = _place(call, "workflows")
    found = telling.list_workflows(call.database, token_id=call.bearer.token_id, after=after, limit=call.query.limit)
    return WorkflowPage(data=[WorkflowShape.of(each) for each in found.rows], next_cursor=_next(found, asked))


def _items(call: Call) -> BaseModel:
    asked, after = _place(call, "items")
    query: ItemsQuery = call.query
    found = telling.list_items(
        call.database,
        token_id=call.bearer.token_id,
        workflow_key=call.workflow,
        wanted=ItemsWanted(tuple(query.state), query.period, query.series),
        after=after,
        limit=query.limit,
    )
    return ItemPage(data=[ItemShape.of(each) for each in found.rows], next_cursor=_next(found, asked))


def _item(call: Call) -> BaseModel:
    item_id = call.number("item")
    return ItemShape.of(telling.read_item(call.database, token_id=call.bearer.token_id, item_id=item_id))


def _decisions(call: Call) -> BaseModel:
    asked, after = _place(call, "decisions")
    query: DecisionsQuery = call.query
    found = telling.list_decisions(
        call.database,
        token_id=call.bearer.token_id,
        workflow_key=call.workflow,
        wanted=DecisionsWanted(query.since, query.standing),
        after=after,
        limit=query.limit,
    )
    return DecisionPage(data=[DecisionShape.of(each) for each in found.rows], next_cursor=_next(found, asked))


def _decision(call: Call) -> BaseModel:
    decision_id = call.number("decision")
    found = telling.read_decision(call.database, token_id=call.bearer.token_id, decision_id=decision_id)
    return DecisionShape.of(found)


def _set_aside(call: Call) -> BaseModel:
    asked, after = _place(call, "set-aside")
    found = telling.list_set_aside(
        call.database,
        token_id=call.bearer.token_id,
        workflow_key=call.workflow,
        after=after,
        limit=call.query.limit,
    )
    return SetAsidePage(data=[SetAsideShape.of(each) for each in found.rows], next_cursor=_next(found, asked))


def _rows(kind: Kind) -> Callable[[Call], Response]:
    def put(call: Call) -> Response:
        done = receiving.receive_rows(
            call.database,
            token_id=call.bearer.token_id,
            workflow_key=call.workflow,
            kind=kind,
            rows=sent.read(call.body).as_texts(),
            key=call.key,
            told=lambda summary: ImportShape.of(summary).model_dump_json(),
            dry_run=call.query.dry_run,
        )
        headers = {REPLAYED: "true" if done.is_repeated else "false"}
        return Response(done.answer, media_type="application/json", headers=headers)

    return put


def _place(call: Call, of: str) -> tuple[dict[str, Any], int]:
    """The list that is asked for, whatever the page, and the id after which to go on."""
    asked = {"list": of, **call.path, **call.query.model_dump(mode="json", exclude={"limit", "cursor"})}
    return asked, cursors.after(call.query.cursor, asked)


def _next(found: Listed[Any], asked: Mapping[str, Any]) -> str | None:
    return None if found.next is None else cursors.cursor(found.next, asked)


_ABOUT_ROWS = (
    "Judged and written as the rows of a file are: a row that cannot be trusted is set aside, and the others go in. "
    "The same rows twice change nothing. Send a fresh `Idempotency-Key` for each request, and the same one again when "
    "you repeat it: then it is answered as the first time, whatever happened to that answer."
)

OPERATIONS: tuple[Operation, ...] = (
    Operation("readToken", "/token", "What this token can do", "To see that a client is set up.", TokenShape, _token),
    Operation(
        "listWorkflows",
        "/workflows",
        "Workflows that this token reaches",
        "By their number, the oldest first.",
        WorkflowPage,
        _workflows,
        ListQuery,
    ),
    Operation(
        "listItems",
        "/workflows/{workflow}/items",
        "Items of a workflow",
        "In the order in which they came in. What comes in while you read is on a later page.",
        ItemPage,
        _items,
        ItemsQuery,
    ),
    Operation("readItem", "/items/{item}", "One item", "With the forecasts that stand on it.", ItemShape, _item),
    Operation(
        "listDecisions",
        "/workflows/{workflow}/decisions",
        "Decisions of a workflow",
        "In the order in which they were made, undone and superseded ones too unless `standing` is true.",
        DecisionPage,
        _decisions,
        DecisionsQuery,
    ),
    Operation(
        "readDecision",
        "/decisions/{decision}",
        "One decision",
        "With what was on the screen, and the reason.",
        DecisionShape,
        _decision,
    ),
    Operation(
        "listSetAside",
        "/workflows/{workflow}/set-aside",
        "Rows that wait for a correction",
        "Of files and of requests alike.",
        SetAsidePage,
        _set_aside,
        ListQuery,
    ),
    *(
        Operation(
            f"put{kind.title()}",
            f"/workflows/{{workflow}}/{kind}",
            f"Bring {kind} in",
            _ABOUT_ROWS,
            ImportShape,
            _rows(kind),
            RowsQuery,
            sent.body_of(kind),
        )
        for kind in Kind
    ),
)
