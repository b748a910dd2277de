"""A team of twelve made from a seed, as docs/demo.md plants it: ten are fine, one ignores the gap, one rejects all."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit

from tests.review_queue.measures.made_reviews import NOON

FINE = tuple(f"fine {number:02d}" for number in range(10))
IGNORER, REJECTER = "ignorer", "rejecter"
REGIONS = ("North", "South", "East", "West")
BANDS = ("agree", "minor", "notable", "large", "extreme")


def team(seed: int, *, each: int = 450, spread: float = 0.15, odd: bool = True) -> pd.DataFrame:
    """``each`` decided reviews of every reviewer, with ``segment_region``; ``spread`` is how far fine people differ.

    Without ``odd`` all twelve are fine.
    """
    rng = np.random.default_rng(seed)
    names = np.array([*FINE, IGNORER, REJECTER])
    n = each * len(names)
    person = np.repeat(np.arange(len(names)), each)
    is_ignorer, is_rejecter = odd & (person == 10), odd & (person == 11)
    ai, scale = rng.lognormal(4, 0.5, n), rng.uniform(5, 15, n)
    u = np.where(rng.random(n) < 0.4, rng.normal(0, 2.0, n), rng.normal(0, 0.5, n))
    band = np.array(BANDS, dtype=object)[np.searchsorted((0.5, 1.28, 1.96, 3.29), np.abs(u), side="right")]
    flagged = np.abs(u) >= 1.28
    in_burst = rng.random(n) < 0.25

    lean = rng.normal(0, spread, len(names))[person]
    chance = expit(-2.9 + lean + 2.0 * np.minimum(np.abs(u), 3)) * np.where(in_burst, 0.25, 1.0)
    chance = np.select([is_ignorer, is_rejecter], [0.18, 0.94], chance)
    made = rng.random(n) < chance
    actual = ai + scale * (0.5 * u + rng.normal(0, 1.0, n))
    guess = np.where(rng.random(n) < 0.5, -1, 1) * np.maximum(np.abs(rng.normal(0, 0.17, n)), 0.012) * ai
    moved = np.where(np.abs(u) > 0.2, u, 0.5) * scale
    moved = np.where(is_rejecter & (np.abs(u) < 0.5), guess, moved)
    final = ai + np.where(made, moved, 0.0)

    opened = rng.random(n) < np.select(
        [in_burst, is_ignorer, is_rejecter], [0.01, 0.05, 0.30], np.where(flagged, 0.72, 0.18)
    )
    seconds = np.where(flagged, 360, 100) * rng.lognormal(0, 0.5, n)
    seconds = np.where(is_ignorer, rng.uniform(15, 40, n), seconds)
    seconds = np.where(in_burst, rng.uniform(2, 9, n), seconds)
    decided_at = pd.Timestamp(NOON) - pd.to_timedelta(rng.uniform(0, 500 * 24, n), unit="h")
    left = np.where(in_burst, rng.uniform(0, 4, n), rng.uniform(4, 120, n))
    words = rng.integers(0, 400, (n, 3))
    note = [f"{_word(a)} {_word(b)} expects 5 % {_word(c)}" for a, b, c in words]
    return pd.DataFrame(
        {
            "series": "a",
            "state": "decided",
            "reviewer": names[person],
            "segment_region": np.array(REGIONS, dtype=object)[person % 4],
            "ai": ai,
            "manual": ai + u * scale,
            "final": final,
            "actual": actual,
            "scale": scale,
            "u": u,
            "band": band,
            "flagged": flagged,
            "reason": np.where(made, "EXPERIENCE", None),
            "note": np.where(made, np.where(is_ignorer, "Based on my experience here.", note), ""),
            "is_lower_bound": False,
            "created_at": decided_at - pd.Timedelta(hours=100),
            "opened_at": decided_at - pd.to_timedelta(seconds, unit="s"),
            "first_evidence_at": pd.Series(decided_at - pd.Timedelta(seconds=1)).where(opened),
            "decided_at": decided_at,
            "due_at": decided_at + pd.to_timedelta(left, unit="h"),
            "hours_to_deadline": left,
        }
    )


def _word(number: int) -> str:
    """A made-up word of its own for each number."""
    return "".join("bcdfglmnprstvz"[number // 14**place % 14] + "aeiou"[number // 5**place % 5] for place in range(3))
