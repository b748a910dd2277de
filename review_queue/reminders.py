"""When a reminder is due, when it would disturb, and whether there is anything to say. Pure: the time is passed in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from review_queue.errors import PreferencesRefused
from review_queue.items import Lane

HOURS = 24
WEEKEND = (5, 6)
#: What is due within this long is worth saying.
SOON = timedelta(days=1)
#: How often a digest that could not be sent is tried again on its day, and how long after the last time.
TRIES_AGAIN = 3
TRIED_AFTER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Preferences:
    """How somebody wants to be reminded; hours are those of the wall clock where they are."""

    wants_digest: bool = False  #: nobody gets mail that they did not ask for
    hour: int = 8  #: from which the day's digest may come
    quiet_from: int = 19
    quiet_until: int = 7  #: the first hour that is not quiet; equal to ``quiet_from``: none is
    weekdays_only: bool = True
    timezone: str = "UTC"

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def as_body(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)


def preferences_from(body: Mapping[str, Any] | None) -> Preferences:
    """The preferences as stored; what is not there is as it is by itself."""
    known = {field.name for field in fields(Preferences)}
    return Preferences(**{name: value for name, value in (body or {}).items() if name in known})


def check_preferences(wanted: Preferences) -> None:
    """Refuse preferences under which a digest could never come, or at an hour that there is not.

    Raises:
        PreferencesRefused: with a sentence that says what to change.
    """
    if not all(0 <= hour < HOURS for hour in (wanted.hour, wanted.quiet_from, wanted.quiet_until)):
        raise PreferencesRefused("Hours go from 0 to 23. Choose others.")
    try:
        ZoneInfo(wanted.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise PreferencesRefused("That time zone is not known. Choose one from the list.") from None
    if wanted.wants_digest and _is_quiet_hour(wanted, wanted.hour):
        raise PreferencesRefused(
            f"{wanted.hour}:00 lies in your quiet hours, so no digest could come. Change one of the two."
        )


def is_quiet(wanted: Preferences, now: datetime) -> bool:
    """Whether ``now`` (UTC) is an hour in which this person is not to be disturbed."""
    return _is_quiet_hour(wanted, now.astimezone(wanted.zone).hour)


def due_on(wanted: Preferences, now: datetime) -> date | None:
    """The day, where this person is, whose digest may be sent at ``now`` (UTC); None while none may.

    It goes by the wall clock: where the clock skips the hour, the digest comes at the next one, and where the hour
    comes twice, it is the same day's digest, which is sent once.
    """
    local = now.astimezone(wanted.zone)
    if not wanted.wants_digest or local.hour < wanted.hour or _is_quiet_hour(wanted, local.hour):
        return None
    return None if wanted.weekdays_only and local.weekday() in WEEKEND else local.date()


def _is_quiet_hour(wanted: Preferences, hour: int) -> bool:
    since = (hour - wanted.quiet_from) % HOURS
    return since < (wanted.quiet_until - wanted.quiet_from) % HOURS


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits for one person in one workflow."""

    key: str
    title: str
    overdue: int = 0
    due_soon: int = 0  #: within ``SOON``, and not overdue
    judgement: int = 0
    assigned: int = 0
    came_back: int = 0
    mentions: int = 0  #: not seen yet
    counted_to: int = 1_000  #: from where counting stops

    @property
    def is_something(self) -> bool:
        """Whether it is worth a message."""
        return any((self.overdue, self.due_soon, self.judgement, self.assigned, self.came_back, self.mentions))

    def lines(self, url: str | None) -> Iterator[str]:
        """A line for each thing that waits, with a link to it where the address of this installation is known."""
        due, judgement = {"lane": Lane.DUE.title}, {"lane": Lane.JUDGEMENT.title}
        for number, one, many, page, wanted in (
            (self.overdue, "item is overdue", "items are overdue", "queue", due),
            (
                self.due_soon,
                "item is due within a day",
                "items are due within a day",
                "queue",
                {"lane": Lane.DUE.title},
            ),
            (self.judgement, "item needs judgement", "items need judgement", "queue", judgement),
            (self.assigned, "item is assigned to you", "items are assigned to you", "queue", {"mine": "true"}),
            (self.came_back, "item came back to you", "items came back to you", "", {}),
            (self.mentions, "comment mentions you, unread", "comments mention you, unread", "", {}),
        ):
            if number:
                said = f"{self._counted(number)} {one if number == 1 else many}"
                yield f"{said}: {link(url, page, self.key, **wanted)}" if url else said

    def _counted(self, number: int) -> str:
        return f"{number:,} or more" if number >= self.counted_to else f"{number:,}"


def link(url: str, page: str, workflow: str, **wanted: str) -> str:
    """The address of one of our pages; ``wanted``: what its fields show, as they show it."""
    return f"{url.rstrip('/')}/{page}?{urlencode({'workflow': workflow, **wanted})}"


def subject_of(waiting: Sequence[Waiting]) -> str:
    """The most pressing of what waits, in a line."""
    overdue, due = sum(each.overdue for each in waiting), sum(each.due_soon for each in waiting)
    other = max(sum(each.judgement for each in waiting), sum(each.assigned for each in waiting))
    other = other or sum(each.came_back + each.mentions for each in waiting)
    said = [f"{overdue:,} overdue" if overdue else "", f"{due:,} due within a day" if due else ""]
    return "Review: " + (", ".join(filter(None, said)) or f"{other:,} waiting for you")


def text_of(name: str, waiting: Sequence[Waiting], *, wanted: Preferences, url: str | None) -> str:
    """The digest's text. Nothing in it was written by others but the workflows' titles."""
    said = [f"Hello {_one_line(name)},", ""]
    for each in waiting:
        said += [_one_line(each.title), *(f"  - {line}" for line in each.lines(url)), ""]
    days = "on weekdays" if wanted.weekdays_only else "every day"
    said.append(f"You asked for this {days} from {wanted.hour}:00 ({wanted.timezone}).")
    said.append("Change it on My desk, under Reminders.")
    return "\n".join(said) + "\n"


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
