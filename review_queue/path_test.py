"""A test of the override path: what each part of it came to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PartState(StrEnum):
    """What a part came to."""

    OK = "ok"
    FAILED = "failed"
    NOT_TRIED = "not_tried"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the path, and what to do where it failed."""

    name: str
    state: PartState
    sentence: str


def is_passed(parts: tuple[Part, ...]) -> bool:
    """Whether nothing failed, and something was tried."""
    return any(part.state is PartState.OK for part in parts) and all(
        part.state is not PartState.FAILED for part in parts
    )
