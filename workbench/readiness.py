"""Whether this process can do its work, and if not, why, in sentences for whoever runs it.

That an SQLite older than the mended one keeps no write-ahead log need not be asked: a connection comes about with
another journal or not at all (``storage.engine``), and where none comes about, the database does not answer.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

from sqlalchemy.exc import SQLAlchemyError

from review_queue.errors import ReviewError
from storage import schema
from storage.engine import Database, database_now, file_of
from workbench import health
from workbench.checkpoints import witness_of
from workbench.health import Health
from workbench.settings import settings
from workbench.stopping import doors

#: How far this machine's clock may be from the database's; what people see beside each other would not add up.
APART = timedelta(seconds=2)

log = logging.getLogger("workbench")


def problems(database: Database, *, disk_free_percent: int) -> list[str]:
    """What stands in the way; nothing where the process is ready.

    Args:
        disk_free_percent: how much of the disk has to be free that files are made on; 0: it is not looked at.
    """
    if doors.is_draining:
        return ["stopping"]
    try:
        found = schema.current(database)
    except SQLAlchemyError:
        return _silent()
    if found != schema.head():
        return [f"schema {found}, needed {schema.head()}"]
    said = [] if health.now(database) is Health.WELL else ["the database takes no writes"]
    said += _record(database)
    try:
        said += _clock(database)
    except SQLAlchemyError:
        return _silent()
    return said + _disk(database, disk_free_percent)


def _silent() -> list[str]:
    log.exception("The database does not answer")
    return ["the database does not answer"]


def _record(database: Database) -> list[str]:
    """Whether the audit record is behind its last checkpoint; from then on the database takes no writes."""
    try:
        witness = witness_of(settings())
        if witness is None:
            return []
        behind = witness.behind(database)
    except (ReviewError, OSError):
        log.exception("The checkpoints cannot be read")  # the record is no worse for it: upkeep says so too
        return []
    database.refuse_writes(behind)
    return [] if behind is None else [str(behind)]


def _clock(database: Database) -> list[str]:
    before = monotonic()
    with database.reading() as session:
        theirs = database_now(session)
    ours, asked = datetime.now(UTC), timedelta(seconds=monotonic() - before)
    # The database looked at its clock at some time while it was asked: that much is no difference.
    apart = abs(ours - theirs)
    if apart - asked < APART:
        return []
    return [
        f"this machine's clock is {apart.total_seconds():.1f} s from the database's, and may be "
        f"{APART.total_seconds():.0f} s. Set both by a time server"
    ]


def _disk(database: Database, at_least: int) -> list[str]:
    if not at_least:
        return []
    path = file_of(database)
    said = []
    for folder in dict.fromkeys(
        (path.resolve().parent if path else Path(tempfile.gettempdir()), tempfile.gettempdir())
    ):
        usage = shutil.disk_usage(folder)
        free = 100 * usage.free / usage.total
        if free < at_least:
            said.append(
                f"{free:.0f} % of the disk under {folder} are free, and {at_least} % are needed. Make room there"
            )
    return said
