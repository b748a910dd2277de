"""When an override no longer rests on the numbers that it was made on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

WHOSE = {"ai": "The AI forecast", "manual": "The manual forecast"}


@dataclass(frozen=True, slots=True)
class Move:
    """One number that an override was made on, then and now."""

    whose: str  #: ``ai`` or ``manual``
    was: float | None  #: in the workflow's unit; None: there was none
    now: float | None


@dataclass(frozen=True, slots=True)
class Stale:
    """An override whose item came back, and what moved."""

    item_id: int
    decision_id: int
    actor_id: int
    series: str
    period: str
    moves: tuple[Move, ...]

    @property
    def sentence(self) -> str:
        return in_words(self.moves)


def in_words(moves: tuple[Move, ...]) -> str:
    """What moved since the override, a sentence each."""
    return " ".join(_sentence(move) for move in moves)


def _sentence(move: Move) -> str:
    whose = WHOSE[move.whose]
    if move.was is None:
        return f"{whose} came: {move.now:,.6g}."
    if move.now is None:
        return f"{whose} is gone."
    return f"{whose} was {move.was:,.6g} and is {move.now:,.6g} now."


def moved(seen: pd.Series, now: pd.Series, tolerance: float) -> NDArray[np.bool_]:
    """Which numbers moved by more than ``tolerance`` (a share of what was seen, 0 to 1), came, or went.

    Args:
        seen: as they were on screen when the override was made, NaN where there was none.
        now: as they stand now, same index.
    """
    came_or_went = seen.isna() != now.isna()
    far = (now - seen).abs() > tolerance * seen.abs()
    return (came_or_went | far).to_numpy(dtype=bool)
