"""Where every example starts: one workflow, four items, a few people, and a quick way back to exactly that."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from review_queue.roles import Role
from storage.engine import Database, sqlite_module
from storage.tables import metadata, people
from storage.workflows import Workflow
from tests.builders import a_person, a_workflow, bring_in
from tests.states.clock import DatabaseClock
from tests.states.faults import Faults
from tests.states.records import Reader, Records

TTL = 15 * 60  #: seconds that a claim lasts
UNDO = 60  #: seconds in which a decision can be undone
NORTH, SOUTH = "north\x1f", "south\x1f"
PERIOD = "2031-12"
HEADER = "series,period,ai_forecast,human_forecast,model_version,region\n"
SERIES = {f"s{number}": ("north" if number % 2 else "south") for number in range(1, 5)}
#: Items that one person may hold.
WIP = 2
#: A final value above this is reviewed twice.
TWICE_ABOVE = 1650


def row(series: str, ai: float, manual: float | None = None) -> str:
    """One line of an import: a new AI value for a series, and the manual forecast that it began with."""
    number = int(series.removeprefix("s"))
    region = SERIES.get(series, "north")
    return f"{series},{PERIOD},{ai},{1000 + 100 * number if manual is None else manual},m-1,{region}\n"


FIRST_FILE = HEADER + "".join(row(series, 1000) for series in SERIES)


@dataclass
class World:
    """A database that examples may use one after the other."""

    database: Database
    clock: DatabaseClock = field(init=False)
    faults: Faults = field(init=False)
    reader: Reader = field(init=False)
    workflow: Workflow = field(init=False)
    people: dict[str, int] = field(init=False)
    seen: Counter[str] = field(default_factory=Counter)  #: answers and faults of all examples
    _began: datetime = field(init=False)

    def __post_init__(self) -> None:
        engine = self.database.engine
        self.clock, self.faults, self.reader = DatabaseClock(engine), Faults(engine), Reader(self.database)
        self.workflow = a_workflow(
            self.database,
            segments=("region",),
            claim_minutes=TTL // 60,
            undo_seconds=UNDO,
            audit_share=0,
            wip_limit=WIP,
            second_review_above=TWICE_ABOVE,
        )
        self.people = {
            "ada": a_person(self.database, "ada", Role.REVIEWER),
            "ben": a_person(self.database, "ben", Role.REVIEWER, segment_path=NORTH),
            "cem": a_person(self.database, "cem", Role.REVIEWER, Role.DIRECTOR),
            "omar": a_person(self.database, "omar", Role.OWNER),
            "root": a_person(self.database, "root", Role.ADMINISTRATOR),
        }
        bring_in(self.database, self.workflow, FIRST_FILE)
        with self.database.reading() as session:
            self.people["olga"] = session.execute(select(people.c.id).where(people.c.subject == "owner")).scalar_one()
        self._keep()

    def read(self) -> Records:
        """Every row as it is now."""
        return self.reader.read(self.clock.now)

    def reset(self) -> None:
        """Back to the beginning, clock and all."""
        if self.database.dialect == "sqlite":
            self._restore_file()
        else:
            self._restore_tables()
        self.clock.now = self._began
        self.reader.distrust()

    def _keep(self) -> None:
        self._began = self.clock.now
        if self.database.dialect == "sqlite":
            self._copy(self._file, self._file.with_suffix(".first"))
            return
        tables = [f"CREATE TABLE first.{each.name} AS TABLE public.{each.name};" for each in metadata.sorted_tables]
        self._run("CREATE SCHEMA first;" + "".join(tables))

    @property
    def _file(self) -> Path:
        assert self.database.engine.url.database is not None
        return Path(self.database.engine.url.database)

    def _restore_file(self) -> None:
        self._copy(self._file.with_suffix(".first"), self._file)

    def _copy(self, source: Path, target: Path) -> None:
        module = sqlite_module()
        with closing(module.connect(str(source))) as one, closing(module.connect(str(target))) as other:
            one.backup(other)

    def _restore_tables(self) -> None:
        # As a replica applies rows: without triggers, and so without the order that foreign keys ask for.
        statements = ["SET session_replication_role = replica;"]
        for table in metadata.sorted_tables:
            name, sequence = table.name, f"pg_get_serial_sequence('{table.name}', 'id')"
            statements += [
                f"DELETE FROM {name};",  # noqa: S608 -- names are the schema's own
                f"INSERT INTO {name} SELECT * FROM first.{name};",  # noqa: S608
            ]
            if "id" in table.c:
                statements.append(f"SELECT setval({sequence}, coalesce((SELECT max(id) FROM {name}), 0) + 1, false);")  # noqa: S608
        self._run("BEGIN;" + "".join(statements) + "SET session_replication_role = DEFAULT; COMMIT;")

    def _run(self, script: str) -> None:
        with self.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(script)
