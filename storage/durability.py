"""Whether a commit of this database is on stable storage when it is answered (P1)."""

from __future__ import annotations

from sqlalchemy import text

from review_queue.errors import ReviewError
from storage.engine import Database

#: Setting → what is lost where it is off.
NEEDED = {
    "fsync": "a power cut can damage the whole database",
    "full_page_writes": "a power cut can leave pages half written",
    "synchronous_commit": "a crash loses decisions that were already called saved",
}


class DurabilityTooWeak(ReviewError):
    """The database may forget what it has confirmed, so nothing is entrusted to it."""

    code = "DURABILITY_TOO_WEAK"

    def __init__(self, sentences: tuple[str, ...]) -> None:
        super().__init__("\n".join(sentences))


def weaknesses(database: Database) -> tuple[str, ...]:
    """What would let a confirmed commit be lost, a sentence each; SQLite is opened with full synchronisation by us."""
    if database.dialect != "postgresql":
        return ()
    with database.writing() as session:  # a reader's settings need not be a writer's
        found = {name: session.execute(text(f"SHOW {name}")).scalar_one() for name in NEEDED}
    return tuple(
        f"PostgreSQL runs with {name} = off: {NEEDED[name]}. Turn it on for this database."
        for name, value in found.items()
        if value == "off"
    )


def require_durable(database: Database) -> None:
    """Raise ``DurabilityTooWeak`` unless a confirmed commit stays."""
    found = weaknesses(database)
    if found:
        raise DurabilityTooWeak(found)
