"""What is counted and timed, in this process, for Prometheus; ``workbench.scraping`` answers with it.

A gauge of another part is one call: ``gauge("workbench_…", "what it tells", read)``; ``read`` is called at each scrape.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from weakref import WeakSet

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from review_queue.errors import NotAllowed, ReviewError

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

#: Seconds. The promises are 0.2 for a claim and 0.3 for a decision.
TIMES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

decisions = Counter(
    "workbench_decisions",
    "Decisions stored, by what was done and how it was decided",
    ["action", "outcome"],
    registry=REGISTRY,
)
decide_seconds = Histogram(
    "workbench_decide_seconds", "From the choice to its answer, refusals too", buckets=TIMES, registry=REGISTRY
)
claim_seconds = Histogram(
    "workbench_claim_seconds", "From asking for an item to having it", buckets=TIMES, registry=REGISTRY
)
refusals = Counter(
    "workbench_refusals", "Actions that were refused, by the refusal's code", ["code"], registry=REGISTRY
)
stale = Counter(
    "workbench_stale_rejected", "Choices refused for a claim, a number or a round that is no longer", registry=REGISTRY
)
replays = Counter(
    "workbench_idempotent_replay", "Requests that were answered with what came of them before", registry=REGISTRY
)
in_doubt = Counter("workbench_in_doubt", "Commits whose answer was lost", registry=REGISTRY)
unresolved = Counter(
    "workbench_in_doubt_unresolved", "Of those, how many could not be cleared up in time", registry=REGISTRY
)
denied = Counter("workbench_authz_denied", "Refused for want of a role, a scope or a token", registry=REGISTRY)
import_rows = Counter(
    "workbench_import_rows", "Rows that came in, by what became of them", ["result"], registry=REGISTRY
)
webhook_attempts = Counter(
    "workbench_webhook_attempts", "Attempts to send a webhook, by the status of the answer", ["code"], registry=REGISTRY
)
sqlite_busy = Counter(
    "workbench_sqlite_busy", "Statements for which SQLite waited in vain for another writer", registry=REGISTRY
)
active_sessions = Gauge("workbench_active_sessions", "Open pages, one for each browser tab", registry=REGISTRY)
upkeep_age = Gauge(
    "workbench_upkeep_age_seconds", "Since a work of upkeep last ended well here, or began", ["work"], registry=REGISTRY
)

#: Refusals of a choice that rests on what is no longer so.
STALE = frozenset({"STALE_CONTENT", "CLAIM_NOT_HELD", "ALREADY_DECIDED"})
DENIED = frozenset({"NOT_ALLOWED", "TOKEN_REFUSED"})

_counted: WeakSet[ReviewError] = WeakSet()


def gauge(name: str, what: str, read: Callable[[], float]) -> None:
    """Add a gauge of which ``read`` tells the value at each scrape; NaN: not known."""
    Gauge(name, what, registry=REGISTRY).set_function(read)


def refused(refusal: ReviewError) -> None:
    """Count a refusal, once however many layers it rises through."""
    if refusal in _counted:
        return
    _counted.add(refusal)
    refusals.labels(refusal.code).inc()
    if refusal.code in STALE:
        stale.inc()
    if refusal.code in DENIED or isinstance(refusal, NotAllowed):
        denied.inc()
    if refusal.code == "OUTCOME_UNKNOWN":
        unresolved.inc()


def rows_came_in(*, accepted: int, unchanged: int, updated: int, set_aside: int) -> None:
    """Count what became of an import's rows."""
    fates = {"accepted": accepted, "unchanged": unchanged, "updated": updated, "set_aside": set_aside}
    for result, count in fates.items():
        import_rows.labels(result).inc(count)


def upkeep_begins(work: str) -> None:
    """Count the age of a work of upkeep from now on, that it may grow where the work never ends well."""
    upkeep_went_well(work)


def upkeep_went_well(work: str) -> None:
    """Note that a work of upkeep has just ended well."""
    at = monotonic()
    upkeep_age.labels(work).set_function(lambda: monotonic() - at)
