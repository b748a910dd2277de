"""How long what is kept: the rules, their defaults, and how somebody writes others.

Decisions with their reasons, forecasts, actuals, the audit log, the outbox and the keys of decisions have no rule here:
promises rest on them, so they are never removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

NEVER = "never"
LONGEST = 36_500  #: days


class Kept(StrEnum):
    """What a rule is about."""

    DRAFTS = "drafts"
    EVIDENCE_VIEWS = "evidence_views"
    SIGN_INS = "sign_ins"
    NOTIFICATIONS = "notifications"
    DIGESTS = "digests"
    API_ANSWERS = "api_answers"
    DELIVERY_ATTEMPTS = "delivery_attempts"
    SET_ASIDE = "set_aside"
    IMPORT_FILES = "import_files"
    COMMENTS = "comments"


@dataclass(frozen=True, slots=True)
class Rule:
    """How long something is kept, in days; None: for ever."""

    what: str  #: in words
    days: int | None
    least: int = 1  #: fewer days would break something that people rely on


RULES: dict[Kept, Rule] = {
    Kept.DRAFTS: Rule("half-written decisions, since they were last saved", 90),
    Kept.EVIDENCE_VIEWS: Rule("who opened which evidence when; decisions keep the first time", 400, least=90),
    Kept.SIGN_INS: Rule("which browser was signed in as whom", 30),
    Kept.NOTIFICATIONS: Rule("notifications, read or not", 180, least=7),
    Kept.DIGESTS: Rule("that a reminder was mailed, and to which address", 90, least=7),
    Kept.API_ANSWERS: Rule("answers to programs under their idempotency keys", None, least=7),
    Kept.DELIVERY_ATTEMPTS: Rule("attempts of webhooks that arrived or were left out", 90, least=7),
    Kept.SET_ASIDE: Rule("the contents of rows set aside that were fixed or dismissed", 180),
    Kept.IMPORT_FILES: Rule("files of forecasts as they were written, but for the newest of each workflow", 400),
    Kept.COMMENTS: Rule("comments on items that are decided, locked or withdrawn", None),
}


def rules_of(text: str) -> dict[Kept, int | None]:
    """The rules in force: the defaults, and what ``text`` says instead, like ``drafts=30, comments=never``.

    Raises:
        ValueError: a rule that there is not, or a time that cannot be; says which.
    """
    found: dict[Kept, int | None] = {kept: rule.days for kept, rule in RULES.items()}
    for part in filter(None, (word.strip() for word in text.split(","))):
        name, _, written = (word.strip() for word in part.partition("="))
        if name not in set(Kept):
            raise ValueError(f"there is no rule for {name!r}; there are {', '.join(Kept)}")
        found[Kept(name)] = _days(Kept(name), written)
    return found


def _days(kept: Kept, written: str) -> int | None:
    if written == NEVER:
        return None
    least = RULES[kept].least
    if not (written.isascii() and written.isdecimal() and least <= int(written) <= LONGEST):
        raise ValueError(f"{kept}: write days from {least} to {LONGEST:,}, or {NEVER}")
    return int(written)


def in_words(counts: Mapping[Kept, int]) -> list[str]:
    """What a run removed, a sentence each; nothing where there was nothing."""
    return [f"{RULES[kept].what}: {count:,}" for kept, count in counts.items() if count]
