"""Whether past overrides helped, and how much of a change history suggests keeping (METHODS 3.5, 3.6).

``adj`` is the final value minus the AI's, ``gap`` the actual minus the AI's: an override came nearer to what happened
than the AI exactly if adj / gap lies between 0 and 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

WRONG_DIRECTION = "wrong direction"
SHORT = "short"
OVER = "over, still better"
OVERSHOOT = "overshoot, worse"
HELPED = (SHORT, OVER)

SHOWN_FROM = 10  #: overrides (METHODS 9)
CONCLUDED_FROM = 20
PRIOR = 0.5  #: the share kept where nothing is known: equal weights
PRIOR_WEIGHT = 10.0  #: overrides that the prior counts as
AS_GOOD_AS_ALL = 5  #: percentage points around all of a change that are not told apart from it
MOST = 1.5  #: no more of a change than this is ever suggested


@dataclass(frozen=True, slots=True)
class Damping:
    """What history says of changes of one kind."""

    n: int  #: overrides that it knows the end of
    helped: int  #: of which came nearer to the actual than the AI
    keep: float | None  #: share of a change worth keeping, 0 to 1.5; None below ``SHOWN_FROM``

    @property
    def is_concluded(self) -> bool:
        """Whether there are enough to conclude from, and not only to show."""
        return self.n >= CONCLUDED_FROM


def outcomes(past: pd.DataFrame) -> pd.Series:
    """How each override ended: one of the four labels; NA where nothing was changed.

    Args:
        past: ``adj`` and ``gap``, in any one unit a row.

    Source: METHODS 3.5. A gap of 0 counts as the wrong direction, twice the gap as worse.
    """
    adj, gap = past["adj"].to_numpy("float64"), past["gap"].to_numpy("float64")
    size, room = np.abs(adj), np.abs(gap)
    labels = np.select(
        [adj == 0, np.sign(adj) * np.sign(gap) <= 0, size <= room, size < 2 * room],
        ["", WRONG_DIRECTION, SHORT, OVER],
        OVERSHOOT,
    )
    return pd.Series(labels, index=past.index, dtype="object").mask(adj == 0, None)


def share_to_keep(past: pd.DataFrame) -> float:
    """The share of a change that history suggests keeping, 0 to 1.5: least squares of gap on change, shrunk to a half.

    Args:
        past: ``adj``, ``gap`` and ``s`` (the usual miss at the time, above 0), in any one unit a row.

    Returns:
        (Σ w·adj·gap + κ·½) / (Σ w·adj² + κ) with w = 1/s² and κ = 10 · mean(w·adj²), clipped; a half without rows.

    Source: METHODS 3.6, after Blattberg & Hoch (1990).
    """
    changed = past[past["adj"] != 0]
    if changed.empty:
        return PRIOR
    adj, gap = changed["adj"] / changed["s"], changed["gap"] / changed["s"]
    prior = PRIOR_WEIGHT * float((adj**2).mean())
    kept = (float((adj * gap).sum()) + prior * PRIOR) / (float((adj**2).sum()) + prior)
    return float(np.clip(kept, 0.0, MOST))


def damping(past: pd.DataFrame) -> Damping:
    """What ``past`` overrides of one kind say. ``past``: as ``share_to_keep`` takes it."""
    changed = past[past["adj"] != 0]
    helped = int(outcomes(changed).isin(HELPED).sum())
    return Damping(len(changed), helped, share_to_keep(changed) if len(changed) >= SHOWN_FROM else None)


def in_words(found: Damping, *, kind: str, where: str) -> str:
    """A sentence beside the choice. ``kind``: "Upward changes for Promotion"; ``where``: "in West"."""
    if found.keep is None:
        return f"{kind} {where}: not enough yet ({found.n} of {SHOWN_FROM})."
    sure = "history suggests" if found.is_concluded else "the little history there is suggests"
    return f"{kind} {where}: {found.n}, of which {found.helped} helped; {sure} {_keeping(found.keep)}."


def _keeping(share: float) -> str:
    percent = round(100 * share)
    if abs(percent - 100) <= AS_GOOD_AS_ALL:
        return "keeping all of it"
    if percent == 0:
        return "keeping none of it"
    return f"going further, to about {percent} %" if percent > 100 else f"keeping about {percent} %"
