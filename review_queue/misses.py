"""How a gap compares with how far the AI was off before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LAST = 24  #: misses that count: the newest
ENOUGH = 5  #: misses of a series' own from which they are compared with


@dataclass(frozen=True, slots=True)
class Misses:
    """The AI's past misses that a gap is set beside."""

    errors: tuple[float, ...] = ()  #: actual minus AI, in the workflow's unit, newest first
    pool: str | None = None  #: the part of the tree they are from, each set to the size of this forecast; None: here
    own: int = 0  #: how many there are of the series' own


def beside(own: Sequence[float], shares: Sequence[float], *, ai: float, pool: str) -> Misses:
    """The misses to compare with: the series' own, else those around it.

    Args:
        own: actual minus AI of the same series and horizon, in the unit, newest first.
        shares: the same around it, each as a share of the size of its AI value, newest first.
        ai: the AI value that the gap is against, in the unit; shares of 0 measure nothing.
        pool: the name of the part of the tree that ``shares`` are from.
    """
    if len(own) < ENOUGH <= len(shares) and ai:
        return Misses(tuple(share * abs(ai) for share in shares[:LAST]), pool, len(own))
    return Misses(tuple(own[:LAST]), None, len(own))


def smaller(gap: float, misses: Misses) -> int:
    """How many of the misses, on either side, were smaller than the gap."""
    return sum(abs(error) < abs(gap) for error in misses.errors)


def comparison(gap: float, misses: Misses) -> str:
    """Where the gap lies among the misses, in a sentence."""
    many, below = len(misses.errors), smaller(gap, misses)
    if not many:
        return "The AI has no past misses here yet."
    if misses.pool is not None:
        known = "No past misses here" if not misses.own else f"Only {misses.own} past miss{_es(misses.own)} here"
        return f"{known}. {_larger(below, many, f'last {many} in {misses.pool}, set to the size of this forecast')}."
    if many < ENOUGH:
        return f"{_larger(below, many, f'AI’s {many} miss{_es(many)} here')}; more are not known yet."
    return f"{_larger(below, many, f'AI’s last {many} misses here')}."


def _larger(below: int, many: int, what: str) -> str:
    return f"Larger than {'all' if below == many > 1 else below or 'none'} of the {what}"


def _es(number: int) -> str:
    return "" if number == 1 else "es"
