"""The faults by their number, each with its target: a function that breaks something and tells what was seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from tests.crash.checker import Account
from tests.crash.run import Result
from tests.crash.server import Server

#: From this many decisions on, a run is whole: as many processes, kills and pauses as the promises name.
WHOLE = 10_000


@dataclass(frozen=True)
class Line:
    """One row of the table."""

    fault: str
    database: str
    target: str
    seen: str
    ok: bool
    result: Result | None = None
    account: Account | None = None
    problems: tuple[str, ...] = ()


@dataclass
class Setting:
    """What a fault may use: how big it is to be, and where its databases go."""

    decisions: int
    seed: int
    databases: tuple[str, ...] = ("sqlite", "postgresql")
    say: Callable[[str], None] = print
    folder: Path = field(default_factory=lambda: Path(mkdtemp(prefix="workbench-crash-")))
    _server: Server | None = None
    _number: int = 0

    @property
    def is_whole(self) -> bool:
        return self.decisions >= WHOLE

    @property
    def server(self) -> Server:
        if self._server is None:
            self._server = Server.start()
        return self._server

    def fresh(self, fault: str, database: str) -> tuple[str, Path]:
        """The URL of an empty database for a fault, and a folder for its logs."""
        self._number += 1
        folder = self.folder / f"{self._number}-{fault}-{database}"
        folder.mkdir()
        if database == "sqlite":
            return f"sqlite:///{folder}/workbench.db", folder
        return self.server.new_database(f"crash_{self._number}"), folder

    def close(self) -> None:
        if self._server is not None:
            self._server.stop()


Fault = Callable[[Setting], list[Line]]
#: In the order in which they are run. Other modules add theirs.
FAULTS: dict[str, Fault] = {}


def fault(number: str) -> Callable[[Fault], Fault]:
    """Register a fault under its number in the promises."""

    def register(function: Fault) -> Fault:
        FAULTS[number] = function
        return function

    return register
