"""Whoever's figures stand out sees it first, alone, for seven days (METHODS 4.10)."""

from __future__ import annotations

from datetime import datetime, timedelta

DAYS = 7
ALONE = timedelta(days=DAYS)


def open_to_others_at(given_at: datetime) -> datetime:
    """The instant (UTC) from which somebody else may look closer, at it and after it.

    Seven times 24 hours, so that it is the same for everybody, wherever they are.
    """
    return given_at + ALONE
