"""The log, on stderr: one JSON object a line, or one line of text for whoever runs it by hand.

What people and programs typed is not in it: neither text of items, nor what an exception quotes of it, nor addresses
with a session in them. Whoever must see an exception's own words sets the level to DEBUG for a while.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolUsedUp

#: What a line may carry beside its message: ``log.info("…", extra={"error_id": …})``.
FIELDS = (
    "event",
    "outcome",
    "duration_ms",
    "actor_id",
    "token_id",
    "item_id",
    "decision_id",
    "fence",
    "status",
    "path",
    "error_id",
)
#: Whose own words quote nothing that anybody typed: what the system or the database's server says of itself.
SPEAK_FREELY = (OSError, OperationalError, InterfaceError, PoolUsedUp)
#: The id of the request that is being answered, outside of a page.
request_id: ContextVar[str] = ContextVar("request_id", default="")


def nobody() -> str:
    return ""


class _Lines(logging.Formatter):
    """What both forms say. ``session_of`` tells the session of the page that is being drawn, if any."""

    def __init__(self, session_of: Callable[[], str], *, whole: bool) -> None:
        super().__init__()
        self._session_of = session_of
        self._whole = whole

    def facts(self, record: logging.LogRecord) -> dict[str, Any]:
        """What a line holds, in its order."""
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        session, request = self._session_of(), request_id.get()
        if session:
            line["session"] = hash_of(session)
        if request:
            line["request"] = request
        line |= {field: value for field in FIELDS if (value := getattr(record, field, None)) is not None}
        if record.exc_info and record.exc_info[1] is not None:
            line["traceback"] = told(record.exc_info[1], whole=self._whole)
        return line


class JsonLines(_Lines):
    """Everything but plain ASCII is escaped, so no text from outside can forge a line, on any terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.facts(record), ensure_ascii=True, default=str)


class TextLines(_Lines):
    """For people: the time, the level, the message, what it is about; a traceback is set in, and so forges no line."""

    def format(self, record: logging.LogRecord) -> str:
        facts = self.facts(record)
        facts.pop("logger")
        below = facts.pop("traceback", "")
        begins = f"{facts.pop('ts')} {facts.pop('level'):<7} {_on_one_line(facts.pop('message'))}"
        about = "".join(f" {name}={_on_one_line(value)}" for name, value in facts.items())
        return "\n".join([begins + about, *(f"    | {_on_one_line(line)}" for line in below.splitlines())])


def told(error: BaseException, *, whole: bool) -> str:
    """The traceback: where it happened and what kinds of errors they are; their own words only where they may speak.

    Args:
        whole: with the words of every error, which may quote what somebody typed.
    """
    if whole:
        return "".join(traceback.format_exception(error))
    chain = traceback.TracebackException.from_exception(error)
    return "".join(_without_words(chain, error))


def _without_words(chain: traceback.TracebackException, error: BaseException) -> list[str]:
    lines: list[str] = []
    before = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)
    if before is not None:
        earlier = error.__cause__ or error.__context__
        lines += _without_words(before, earlier) if earlier is not None else []
        lines.append("\nand then\n\n")
    kind = type(error)
    words = f": {_first_line(error)}" if isinstance(error, SPEAK_FREELY) else ""
    return [*lines, *chain.stack.format(), f"{kind.__module__}.{kind.__qualname__}{words}\n"]


def _first_line(error: BaseException) -> str:
    """Without the statement and its parameters, which SQLAlchemy puts below."""
    return (str(getattr(error, "orig", None) or error).strip().splitlines() or [""])[0]


def _on_one_line(value: Any) -> str:
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in str(value))


def hash_of(session: str) -> str:
    """A name for a session by which nobody can get into it."""
    return sha256(session.encode()).hexdigest()[:12]


def start(level: str, form: Literal["json", "text"] = "json", *, session_of: Callable[[], str] = nobody) -> None:
    """Send everything from ``level`` up to stderr."""
    lines = {"json": JsonLines, "text": TextLines}[form]
    destination = logging.StreamHandler()
    destination.setFormatter(lines(session_of, whole=level == "DEBUG"))
    logging.basicConfig(level=level, handlers=[destination], force=True)
    for talkative in ("alembic", "httpx"):
        logging.getLogger(talkative).setLevel("WARNING")


def adopt(*prefixes: str) -> None:
    """Take over the loggers of libraries that brought their own way of writing."""
    for name in list(logging.root.manager.loggerDict):
        # Requests are not logged: Streamlit's addresses carry session ids.
        if name.startswith(prefixes) and not name.endswith(".access"):
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.propagate = True
