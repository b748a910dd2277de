"""A few numbers that all processes of a run share: where each worker is, how far it came, what is to be done."""

from __future__ import annotations

import mmap
from enum import IntEnum

import numpy as np


class Stage(IntEnum):
    """What the workers are to do."""

    RUN = 0  #: everything that reviewers do, mistakes included
    DRAIN = 1  #: decide what is left
    STOP = 2  #: end after what is in hand


class Phase(IntEnum):
    """Where a worker is."""

    IDLE = 0
    THINKING = 1  #: an item in hand, nothing sent
    ASKING = 2  #: sent, and the transaction is under way
    COMMITTING = 3  #: the transaction is being committed; no answer yet


class Board:
    """Shared memory, so that a kill cannot take it along. Each cell has one writer."""

    def __init__(self, slots: int) -> None:
        self._memory = mmap.mmap(-1, 8 * (5 * slots + 4))
        cells = np.frombuffer(self._memory, dtype=np.int64)
        self.phase, self.acknowledged, self.paused, self.life, self.doomed = cells[: 5 * slots].reshape(5, slots)
        self._run = cells[5 * slots :]

    @property
    def stage(self) -> Stage:
        return Stage(int(self._run[0]))

    @stage.setter
    def stage(self, stage: Stage) -> None:
        self._run[0] = stage

    @property
    def left(self) -> int:
        """Items that still want a decision, as the keeper last counted them."""
        return int(self._run[1])

    @left.setter
    def left(self, count: int) -> None:
        self._run[1] = count

    @property
    def squeezed(self) -> bool:
        """Whether SQLite files may not grow, where no disk can be filled."""
        return bool(self._run[2])

    @squeezed.setter
    def squeezed(self, squeezed: bool) -> None:
        self._run[2] = squeezed

    @property
    def done(self) -> int:
        """Decisions acknowledged so far."""
        return int(self.acknowledged.sum())
