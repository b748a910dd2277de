"""The log: one JSON object a line, on stderr."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

#: What a line may carry beside its message: ``log.info("…", extra={"error_id": …})``.
FIELDS = ("error_id", "path", "person_id")


class JsonLines(logging.Formatter):
    """Control characters are escaped, so no text from outside can forge a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {field: getattr(record, field) for field in FIELDS if hasattr(record, field)}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def start(level: str) -> None:
    """Send everything from ``level`` up to stderr as JSON lines."""
    destination = logging.StreamHandler()
    destination.setFormatter(JsonLines())
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
