"""Which of the AI's values a workflow shows: the newest of each item, none while paused, or those of an earlier model.

The workflow's owner chooses. Forecasts come in all the same and none is edited: pausing hides, and rolling back shows
the latest forecast of the named version.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from review_queue.feeds import Fallback

LONGEST_NOTE = 2_000  #: characters


class AiValues(StrEnum):
    """Which values of the AI's are shown."""

    SHOWN = "shown"  #: the newest of each item
    PAUSED = "paused"  #: none
    ROLLED_BACK = "rolled_back"  #: the newest of one model version


@dataclass(frozen=True, slots=True)
class Showing:
    """What is in force in a workflow."""

    values: AiValues = AiValues.SHOWN
    version: str | None = None  #: model version, where rolled back; untrusted text

    @property
    def only(self) -> str | None:
        """The one model version whose values are shown; None: any."""
        return self.version if self.values is AiValues.ROLLED_BACK else None

    @property
    def is_usual(self) -> bool:
        return self.values is AiValues.SHOWN


EVERYTHING = Showing()


def sentence(showing: Showing, fallback: Fallback) -> str:
    """What people are told while not every value is shown; empty while it is."""
    stand_in = " with the naive forecast in its place" if fallback is Fallback.NAIVE else " without the AI's value"
    if showing.values is AiValues.PAUSED:
        return f"The AI's values are paused. Items go on{stand_in}. Decisions are marked degraded."
    if showing.values is AiValues.ROLLED_BACK:
        return (
            f"The AI's values are rolled back to {showing.version}. Items that it never forecast go on{stand_in}. "
            "Decisions on what a newer version forecast are marked degraded."
        )
    return ""
