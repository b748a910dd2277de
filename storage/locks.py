"""The advisory locks of PostgreSQL that are ours: what only one at a time does, whichever server it is on."""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class Lock(IntEnum):
    """Numbers of which each means one thing. Any will do, but none is ever given another meaning."""

    MIGRATING = 7_269_301
    CHAINING = 7_269_302  #: held from an event's place in the audit record to COMMIT; ``audit_seal`` names it too
    LOADING = 7_269_303  #: the simulated organisation
    ROUTING = 7_269_304  #: events to their receivers, so that none overtakes an earlier one
