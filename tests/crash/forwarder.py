"""Leads connections from an address to PostgreSQL's socket, both ways; SIGUSR1 makes it late, and the next one in time.

It is a program of its own that needs nothing but Python, since it runs in another network namespace than the rest.

    python forwarder.py ADDRESS PORT SOCKET SECONDS
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time
from contextlib import suppress


class Forwarder:
    def __init__(self, path: str, late: float) -> None:
        self._path = path
        self._late = late
        self._is_late = False

    def toggle(self, *_: object) -> None:
        self._is_late = not self._is_late

    def run(self, address: str, port: int) -> None:
        with socket.create_server((address, port)) as listener:
            while True:
                client, _ = listener.accept()
                _give_up_as_postgresql_would(client)
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._path)
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self._is_late:
                    time.sleep(self._late / 2)  # each way
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _give_up_as_postgresql_would(client: socket.socket) -> None:
    """What ``storage.engine`` asks of the server's end of a connection, which is here and not at the server."""
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 10_000)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 4)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


if __name__ == "__main__":
    forwarder = Forwarder(sys.argv[3], float(sys.argv[4]))
    signal.signal(signal.SIGUSR1, forwarder.toggle)
    forwarder.run(sys.argv[1], int(sys.argv[2]))
