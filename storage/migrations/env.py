"""What Alembic runs: the connection comes from ``storage.schema``, the tables from ``storage.tables``."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from sqlalchemy import DefaultClause
from sqlalchemy.sql.elements import False_, True_

from storage import tables
from storage.engine import UtcDateTime


def as_frozen(kind: str, value: Any, autogen_context: Any) -> str | Literal[False]:
    """Our own types by the names that every revision defines, so that later code cannot change old revisions."""
    if kind == "type":
        return _type(value)
    if kind == "server_default":
        return _default(value)
    return False


def _type(value: Any) -> str | Literal[False]:
    if isinstance(value, UtcDateTime):
        return "INSTANT"
    if value is tables.BigId:
        return "BIG_ID"
    if value is tables.Json:
        return "JSON"
    return False


def _default(value: Any) -> str | Literal[False]:
    # Alembic would write what the scratch database says for them, which PostgreSQL does not take.
    if not isinstance(value, DefaultClause):
        return False
    if isinstance(value.arg, False_):
        return "sa.false()"
    if isinstance(value.arg, True_):
        return "sa.true()"
    return f"sa.text({str(value.arg)!r})"


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    render_item=as_frozen,
    render_as_batch=context.config.attributes.get("render_as_batch", True),
    # SQLite rolls tables back too, once the driver is told to begin: see storage.engine.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
