"""F21: tamper with one random row after the other, and see each found. ``python -m tests.tamper 1000``."""

from __future__ import annotations

import random
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

from sqlalchemy import Connection, delete, func, insert, select, update

from review_queue import checkpoints
from review_queue.checkpoints import private_key
from storage import audit, schema
from storage.engine import Database, open_database
from storage.tables import audit_chain, audit_events
from tests.tampering import chain_anew, edit, take_out, unguarded
from workbench.actions import auditing
from workbench.checkpoints import Folder, Witness

WAYS = ("edit", "insert", "delete", "reorder", "truncate")
START = datetime(2026, 1, 1, tzinfo=UTC)


def tamper(database: Database, way: str, *, anew: bool, chance: random.Random) -> None:
    """Do it to a random row of the record; ``anew``: and compute the whole chain again."""
    with unguarded(database) as connection:
        size = connection.execute(select(func.max(audit_chain.c.seq))).scalar_one()
        seq = chance.randint(1, size - 1)
        _DEEDS[way](connection, seq)
        if anew:
            chain_anew(connection)


def _edit(connection: Connection, seq: int) -> None:
    edit(connection, seq, details={"changed": seq})


def _insert(connection: Connection, seq: int) -> None:
    """Put an event in behind place ``seq``, with the others moved up."""
    event = connection.execute(
        insert(audit_events).values(at=START, action="smuggled", details={}).returning(audit_events.c.id)
    ).scalar_one()
    _move(connection, seq, by=1)
    connection.execute(insert(audit_chain).values(seq=seq + 1, event_id=event, event_hash="f" * 64, hash="f" * 64))


def _delete(connection: Connection, seq: int) -> None:
    """Take an event out, with the others moved down."""
    take_out(connection, audit_events.c.id == _its(seq))
    _move(connection, seq, by=-1)


def _reorder(connection: Connection, seq: int) -> None:
    """Swap an event with the next one."""
    first, second = (connection.execute(select(_its(place))).scalar_one() for place in (seq, seq + 1))
    for place, event in ((seq, -1), (seq + 1, first), (seq, second)):
        connection.execute(update(audit_chain).where(audit_chain.c.seq == place).values(event_id=event))


def _truncate(connection: Connection, seq: int) -> None:
    """Take the end away, from behind place ``seq``."""
    take_out(connection, audit_events.c.id.in_(select(audit_chain.c.event_id).where(audit_chain.c.seq > seq)))


def _its(seq: int):
    return select(audit_chain.c.event_id).where(audit_chain.c.seq == seq).scalar_subquery()


def _move(connection: Connection, seq: int, *, by: int) -> None:
    far = 1_000_000_000  # past the places that are taken meanwhile
    for step in (far, by - far):
        after = audit_chain.c.seq > (seq if step == far else far)
        connection.execute(update(audit_chain).where(after).values(seq=audit_chain.c.seq + step))


_DEEDS = {"edit": _edit, "insert": _insert, "delete": _delete, "reorder": _reorder, "truncate": _truncate}


def main(times: int) -> int:
    """Tamper so many times in each way, with and without the chain computed anew; how many were missed."""
    chance, missed, began = random.Random(21), 0, perf_counter()  # noqa: S311
    with tempfile.TemporaryDirectory(prefix="tamper-") as name:
        folder = Path(name)
        (folder / "checkpoints").mkdir()
        witness = Witness(Folder(folder / "checkpoints"), private_key(checkpoints.new_key()[0]))
        database = open_database(f"sqlite:///{folder / 'audit.db'}")
        schema.upgrade(database)
        for minute in range(20):
            with database.writing() as session:
                for number in range(5):
                    audit.record(session, "something.done", actor_id=None, details={"number": number})
            witness.keep(database, now=START + timedelta(minutes=2 * minute))
        whole = _rows(database)
        for way in WAYS:
            for anew in (False, True):
                seen = 0
                for _ in range(times):
                    tamper(database, way, anew=anew, chance=chance)
                    seen += not auditing.verify(database, folder=witness.folder, keys=witness.keys).is_whole
                    _put_back(database, whole)
                missed += times - seen
                how = "chain computed anew" if anew else "rows alone"
                print(f"{way}, {how}: {seen} of {times} seen", flush=True)
        if not auditing.verify(database, folder=witness.folder, keys=witness.keys).is_whole:
            raise RuntimeError("what was put back is not whole, so that none of this counts")
        database.engine.dispose()
    print(f"{missed} missed, {perf_counter() - began:.0f} s")
    return missed


def _rows(database: Database) -> list[tuple[object, list[dict[str, object]]]]:
    with database.reading() as session:
        return [
            (table, [dict(row) for row in session.execute(select(table)).mappings()])
            for table in (audit_events, audit_chain)
        ]


def _put_back(database: Database, whole: list[tuple[object, list[dict[str, object]]]]) -> None:
    with unguarded(database) as connection:
        for table, rows in whole:
            connection.execute(delete(table))
            connection.execute(insert(table), rows)


if __name__ == "__main__":
    sys.exit(1 if main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000) else 0)
