"""Webhooks: what is sent, how it is signed, what an answer means, and when to try again.

Source: the Standard Webhooks specification, 1.0: payload, headers, signatures, schedule of retries, and status codes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from standardwebhooks import Webhook

PREFIX = "whsec_"
KEY_BYTES = 32
#: From each attempt to the next: ten attempts over 75 hours.
SCHEDULE: tuple[timedelta, ...] = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
JITTER = 0.05  #: share of a wait by which it may be longer, so that what failed together does not come back together
#: The longest for which a receiver can ask us to wait.
LONGEST_HOLD = timedelta(hours=24)


class DeliveryState(StrEnum):
    """Where one event on its way to one receiver stands."""

    PENDING = "pending"  #: to be sent, or to be tried again
    DELIVERED = "delivered"
    DEAD = "dead"  #: given up; later events of its item wait until somebody replays or skips it
    SKIPPED = "skipped"  #: somebody decided to go on without it, or the receiver was removed


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back of one attempt."""

    status: int | None  #: of HTTP; None: no answer came
    problem: str = ""  #: why none came, as a clause after "Not delivered: "
    retry_after: str | None = None  #: the header as the receiver wrote it
    took: timedelta = timedelta(0)

    @property
    def is_taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """The receiver says that it wants nothing more."""
        return self.status == HTTPStatus.GONE

    @property
    def sentence(self) -> str:
        """What happened, in words of ours only: what a receiver wrote is shown to nobody."""
        if self.is_taken:
            return f"Delivered: the receiver answered {_named(self.status)}."
        if self.status is None:
            return f"Not delivered: {self.problem}."
        if 300 <= self.status < 400:
            return f"Not delivered: the receiver sent us elsewhere ({_named(self.status)}), and we follow nobody."
        return f"Not delivered: the receiver answered {_named(self.status)}."


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done after an attempt."""

    state: DeliveryState
    attempts: int  #: how many count so far
    due_at: datetime | None  #: UTC, of the next attempt; None: there is none
    hold_until: datetime | None = None  #: UTC; nothing goes to this receiver before
    pauses: bool = False  #: nothing goes to this receiver until somebody resumes it


def after(
    answer: Answer,
    *,
    attempts: int,
    now: datetime,
    chance: float,
    schedule: Sequence[timedelta] = SCHEDULE,
) -> Step:
    """What an answer means for the delivery and for its receiver.

    Args:
        attempts: how many counted before this one.
        chance: 0 to 1, drawn anew for each attempt.
        schedule: the waits between attempts; when they are used up the delivery is dead.
    """
    if answer.is_taken:
        return Step(DeliveryState.DELIVERED, attempts + 1, None)
    if answer.is_gone:
        return Step(DeliveryState.PENDING, attempts, now, pauses=True)
    asked = retry_after(answer.retry_after, now)
    hold = asked if asked and asked > now else None
    if attempts >= len(schedule):
        return Step(DeliveryState.DEAD, attempts + 1, None, hold_until=hold)
    due_at = now + schedule[attempts] * (1 + JITTER * chance)
    return Step(DeliveryState.PENDING, attempts + 1, max(due_at, hold or due_at), hold_until=hold)


def retry_after(header: str | None, now: datetime) -> datetime | None:
    """When a ``Retry-After`` header asks us to come back, UTC and within a day; None if there is none that can be read.

    Source: RFC 9110, section 10.2.3: seconds, or a date.
    """
    if header is None:
        return None
    words = header.strip()
    if words.isascii() and words.isdecimal():
        return now + min(timedelta(seconds=int(words[:9])), LONGEST_HOLD)
    try:
        named = parsedate_to_datetime(words)
        moment = named.astimezone(UTC) if named.tzinfo else named.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the latter where a date lies beyond the calendar
        return None
    return min(moment, now + LONGEST_HOLD)


def body_of(topic: str, at: datetime, data: Mapping[str, Any]) -> bytes:
    """The message, byte for byte the same in every attempt."""
    message = {"type": topic, "timestamp": at.astimezone(UTC).isoformat(), "data": dict(data)}
    return json.dumps(message, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode()


def headers_of(webhook_id: str, at: datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The headers of one attempt, signed with every key that is in force.

    Args:
        at: of the attempt; receivers refuse what is more than five minutes old.
    """
    stamp = at.astimezone(UTC).replace(microsecond=0)
    text = body.decode()
    return {
        "content-type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(stamp.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(webhook_id, stamp, text) for secret in secrets),
    }


def secret_of(key: bytes) -> str:
    """A key as receivers get it."""
    return PREFIX + base64.b64encode(key).decode()


def _named(status: int | None) -> str:
    try:
        return f"{status} {HTTPStatus(status or 0).phrase}"
    except ValueError:
        return str(status)
