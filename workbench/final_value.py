"""Other ways to say a final value: as a change, in percent, between the two forecasts. The final value is the truth."""

from __future__ import annotations

CHANGE, PERCENT, BETWEEN = "change", "percent", "between"
STEP = 5  #: percent, of the way from the AI's value to the manual one


def final_from(way: str, value: float, *, ai: float, manual: float | None) -> float | None:
    """The final value that was meant; None where this way leads to none.

    Args:
        way: ``change`` (value in the unit), ``percent`` (of the AI's size) or ``between`` (0 is the AI, 100 manual).
    """
    if way == CHANGE:
        return tidy(ai + value)
    if way == PERCENT:
        return tidy(ai + abs(ai) * value / 100)
    return None if manual is None else tidy(ai + (manual - ai) * value / 100)


def shown_as(way: str, final: float, *, ai: float, manual: float | None) -> float | None:
    """The same final value, said this way; None where it cannot be. ``between`` ends at both forecasts."""
    change = final - ai
    if way == CHANGE:
        return tidy(change)
    if way == PERCENT:
        return tidy(round(100 * change / abs(ai), 2)) if ai else None
    if manual is None or manual == ai:
        return None
    share = 100 * change / (manual - ai)
    return float(min(max(STEP * round(share / STEP), 0), 100))


def tidy(value: float) -> float:
    """Without the last digits, where arithmetic leaves its crumbs."""
    return float(f"{value:.10g}")
