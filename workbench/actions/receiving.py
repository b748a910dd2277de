"""Rows that a program sends: judged, written and answered as those of a file, once for each idempotency key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from review_queue.columns import EITHER_FORECAST, Kind, columns_of, require_columns
from review_queue.errors import ReviewError
from review_queue.roles import Principal, Task
from storage import answers, tokens, workflows
from storage.engine import Database
from storage.tokens import Bearer
from storage.workflows import Workflow
from workbench.actions import importing
from workbench.actions.again import again
from workbench.actions.arriving import Incoming
from workbench.actions.importing import ImportSummary
from workbench.stopping import doors

#: Column → text as it was sent; "" is unknown.
Row = Mapping[str, str]


class WorkflowNotFound(ReviewError):
    """There is no such workflow, or the token has no grant in it; the two are told apart to nobody."""

    code = "NOT_FOUND"

    def __init__(self, key: str) -> None:
        super().__init__(f"There is no workflow {key[:100]!r} that this token reaches. List them at /api/v1/workflows.")


class AnswerStands(ReviewError):
    """An idempotency key came again with another request."""

    code = "KEY_REUSED"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"The idempotency key {key!r} was used before for another request, whose answer stands. Nothing was "
            "changed. Send this one under a key of its own."
        )
        self.key = key


@dataclass(frozen=True, slots=True)
class Received:
    """What a program is answered."""

    answer: str  #: JSON
    is_repeated: bool  #: the first answer again: nothing was done this time


@again(in_doubt=True)
def receive_rows(
    database: Database,
    *,
    token_id: int,
    workflow_key: str,
    kind: Kind,
    rows: Sequence[Row],
    key: str,
    told: Callable[[ImportSummary], str],
    dry_run: bool = False,
) -> Received:
    """Bring rows in as one import. The same key with the same rows is answered the same, and does nothing more.

    Args:
        rows: the first is row 1 in what is told of it.
        key: the program's name for this request. It is kept with the answer, for ever; not for a dry run.
        told: writes the answer down as JSON.
        dry_run: tell what would happen, and change nothing.

    Raises:
        FileRefused: a row has a column that the kind has not. Nothing was changed.
        AnswerStands: the key was used for another request.
        WorkflowNotFound: the token reaches no such workflow.
        NotAllowed: it may not bring data in there.
        TokenRefused: it no longer works.
    """
    sent = json.dumps(rows, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    request = _Request(workflow_key, kind, key, token_id, hashlib.sha256(sent.encode()).hexdigest(), told)
    try:
        return _received(database, request, rows, dry_run=dry_run)
    except IntegrityError:  # the key came for another workflow at the same moment, and stands now
        return _received(database, request, rows, dry_run=dry_run)


def workflow_within(session: Session, who: Principal, key: str) -> Workflow:
    """The workflow, if ``who`` has any grant in it.

    Raises:
        WorkflowNotFound: there is none.
    """
    found = workflows.reachable(session, who, key=key)
    if not found:
        raise WorkflowNotFound(key)
    return found[0]


@dataclass(frozen=True, slots=True)
class _Request:
    workflow_key: str
    kind: Kind
    key: str
    token_id: int
    content: str  #: SHA-256 of the rows
    told: Callable[[ImportSummary], str]

    @property
    def fingerprint(self) -> str:
        """What a repetition must be equal in, SHA-256 in hex."""
        return hashlib.sha256("\n".join((self.workflow_key, self.kind, self.content)).encode()).hexdigest()


def _received(database: Database, request: _Request, rows: Sequence[Row], *, dry_run: bool) -> Received:
    with database.reading() as session:
        bearer, workflow = _allowed(session, request)
        before = None if dry_run else _answered(session, bearer, request)
    if before is not None:
        return before
    incoming = _incoming(request, bearer, workflow, rows)
    checked = importing.checked_rows(workflow, incoming)
    if dry_run:
        with database.reading() as session:
            _allowed(session, request)
            return Received(request.told(importing.rehearse(session, workflow, incoming, checked).summary), False)
    doors.check()
    with database.writing() as session:
        bearer, _ = _allowed(session, request)
        workflows.lock(session, workflow.id)
        before = _answered(session, bearer, request)  # by a twin of this request that was under way until now
        if before is not None:
            return before
        done = importing.bring_in(session, bearer.who.person_id, workflow, incoming, checked)
        answer = request.told(done.summary)
        answers.keep(session, bearer.who.person_id, request.key, request_hash=request.fingerprint, answer=answer)
    importing.count_rows(done.summary.counts)
    return Received(answer, False)


def _allowed(session: Session, request: _Request) -> tuple[Bearer, Workflow]:
    bearer = tokens.standing(session, request.token_id)
    workflow = workflow_within(session, bearer.who, request.workflow_key)
    bearer.require(Task.IMPORT, workflow.id)
    return bearer, workflow


def _answered(session: Session, bearer: Bearer, request: _Request) -> Received | None:
    found = answers.find(session, bearer.who.person_id, request.key)
    if found is None:
        return None
    request_hash, answer = found
    if request_hash != request.fingerprint:
        raise AnswerStands(request.key)
    return Received(answer, True)


def _incoming(request: _Request, bearer: Bearer, workflow: Workflow, rows: Sequence[Row]) -> Incoming:
    named = dict.fromkeys(name for row in rows for name in row)
    require_columns(named, request.kind, workflow.policy.segments)
    # Each row is judged by itself: one without its keys, or without a forecast, is set aside although no row has them.
    asked_of_all = [column.name for column in columns_of(request.kind, ()) if column.is_key]
    if request.kind is Kind.FORECASTS and not set(EITHER_FORECAST) & set(named):
        asked_of_all += EITHER_FORECAST
    names = list(dict.fromkeys([*asked_of_all, *named]))
    index = pd.RangeIndex(1, len(rows) + 1, name="row")
    columns = {name: pa.array([row.get(name, "") for row in rows], type=pa.string()) for name in names}
    texts = pd.DataFrame({name: pd.Series(cells, index=index, dtype="str") for name, cells in columns.items()})
    return Incoming(
        kind=request.kind,
        name=f"HTTP: {bearer.token_name}",
        file_hash=request.content,
        texts=texts,
        row_numbers=pd.Series(index, index=index),
        mapping={},
        token_id=bearer.token_id,
    )
