"""How this process stops: what is under way finishes, nothing new begins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from review_queue.errors import ServerStopping


class Doors:
    """Counts the actions that are under way, and lets no more in once they are shut."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._inside = 0
        self.is_draining = False  #: readiness says no, but everything still works
        self.are_shut = False

    @contextmanager
    def inside(self) -> Iterator[None]:
        """An action is under way.

        Raises:
            ServerStopping: the doors are shut.
        """
        with self._changed:
            self.check()
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def check(self) -> None:
        """Raise ``ServerStopping`` once the doors are shut: long work asks now and then, and gives up."""
        if self.are_shut:
            raise ServerStopping

    def drain(self) -> None:
        self.is_draining = True

    def shut(self) -> None:
        with self._changed:
            self.is_draining = self.are_shut = True

    @property
    def are_empty(self) -> bool:
        """Whether nothing is under way."""
        return self._inside == 0

    def wait_until_empty(self, seconds: float) -> bool:
        """Whether every action that was under way ended within that time."""
        with self._changed:
            return self._changed.wait_for(lambda: self.are_empty, timeout=seconds)


#: This process's.
doors = Doors()
