"""Which claims the sittings on this server hold, so that a server that stops can give them back."""

from __future__ import annotations

from typing import Protocol
from weakref import WeakSet

from storage.claims import Held


class Holder(Protocol):
    """A sitting, as far as this matters."""

    @property
    def claim(self) -> Held | None: ...


_holders: WeakSet[Holder] = WeakSet()


def remember(holder: Holder) -> None:
    """Count ``holder`` in for as long as its session lives."""
    _holders.add(holder)


def holders() -> list[Holder]:
    """Those who live now; whoever keeps the list keeps them alive."""
    return list(_holders)
