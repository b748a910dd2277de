"""What ``/metrics`` answers, and to whom: whoever shows the token, else this machine itself; nobody from elsewhere."""

from __future__ import annotations

import hmac
import logging
import math
from collections.abc import Iterator
from contextlib import suppress
from threading import Lock
from time import monotonic, time

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from review_queue.checkpoints import Signed
from review_queue.errors import ReviewError
from storage import gauges
from storage.engine import Database
from storage.gauges import Ahead, Standing
from workbench import metrics
from workbench.checkpoints import Folder
from workbench.settings import LOOPBACK

#: Seconds for which what the database said is told again: two that scrape ask it once.
KEPT = 5.0
#: Headers by which a proxy shows: behind one, everybody seems to be on this machine.
OF_A_PROXY = frozenset({"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"})

log = logging.getLogger("workbench")


class OfTheDatabase(Collector):
    """The gauges that are read from a database when somebody scrapes."""

    def __init__(self, database: Database, checkpoints: Folder | None) -> None:
        self.database = database
        self.checkpoints = checkpoints
        self._last: Signed | None = None  #: the newest checkpoint that could be read
        self._lock = Lock()
        self._found: Standing | None = None
        self._read_at = -math.inf

    def describe(self) -> list[Metric]:
        return []  # so that nothing is read when this is registered

    def collect(self) -> Iterator[Metric]:
        pool = GaugeMetricFamily("workbench_db_pool_in_use", "Connections to the database in use by this process")
        pool.add_metric([], gauges.in_use(self.database))
        yield pool
        found = self._standing()
        up = GaugeMetricFamily("workbench_database_up", "1 where the database answered this scrape, 0 otherwise")
        up.add_metric([], float(found is not None))
        yield up
        if found is None:
            return
        depth = GaugeMetricFamily("workbench_queue_depth", "Open items", labels=["workflow", "lane"])
        oldest = GaugeMetricFamily(
            "workbench_oldest_item_age_seconds", "Since the oldest open item came in", labels=["workflow", "lane"]
        )
        for each in found.queue:
            depth.add_metric([each.workflow, each.lane.name.lower()], each.open)
            oldest.add_metric([each.workflow, each.lane.name.lower()], each.oldest_seconds)
        yield depth
        yield oldest
        pending = GaugeMetricFamily("workbench_outbox_pending", "Events and deliveries that are still to be sent")
        pending.add_metric([], found.outbox_pending)
        yield pending
        age = GaugeMetricFamily(
            "workbench_outbox_oldest_age_seconds", "Since the oldest of them happened, 0 where none"
        )
        age.add_metric([], found.outbox_oldest_seconds)
        yield age
        yield from self._of_the_record(found.ahead)

    def _of_the_record(self, ahead: Ahead | None) -> Iterator[Metric]:
        if ahead is None:
            return
        events = GaugeMetricFamily(
            "workbench_audit_tip_lag_events", "Audit events for which no checkpoint vouches, 0 where none"
        )
        events.add_metric([], ahead.events)
        yield events
        seconds = GaugeMetricFamily("workbench_audit_tip_lag_seconds", "Since the first of them happened, 0 where none")
        seconds.add_metric([], ahead.seconds)
        yield seconds
        age = GaugeMetricFamily("workbench_checkpoint_age_seconds", "Since the last checkpoint; NaN without one")
        made = math.nan if self._last is None else self._last.checkpoint.at.timestamp()
        age.add_metric([], time() - made)
        yield age

    def _vouched(self) -> int | None:
        """How many events the last checkpoint vouches for; None where none are kept."""
        if self.checkpoints is None:
            return None
        with suppress(ReviewError, OSError):  # it cannot be read, so what was read before goes on growing older
            self._last = self.checkpoints.last()
        return 0 if self._last is None else self._last.checkpoint.seq

    def _standing(self) -> Standing | None:
        with self._lock:
            if monotonic() - self._read_at < KEPT:
                return self._found
            try:
                vouched = self._vouched()
                with self.database.reading() as session:
                    self._found = gauges.standing(session, vouched=vouched)
            except SQLAlchemyError:
                log.exception("The database could not be asked for the metrics")
                self._found = None
            self._read_at = monotonic()
            return self._found


_of_the_database: OfTheDatabase | None = None


def watch(database: Database, checkpoints: Folder | None = None) -> None:
    """Have the scrapes tell of ``database`` and of its ``checkpoints``, in place of the one before."""
    global _of_the_database
    if _of_the_database is not None:
        metrics.REGISTRY.unregister(_of_the_database)
    _of_the_database = OfTheDatabase(database, checkpoints)
    metrics.REGISTRY.register(_of_the_database)
    gauges.on_sqlite_busy(database, metrics.sqlite_busy.inc)


def answer(request: Request, token: SecretStr | None) -> Response:
    """The metrics in Prometheus' text form, or a refusal. It runs in a thread, since the database is asked."""
    if token is not None and not _shows(request, token):
        refused = {"error": "show the token of WORKBENCH_METRICS_TOKEN"}
        return JSONResponse(refused, status_code=401, headers={"WWW-Authenticate": "Bearer"})
    if token is None and not _is_from_here(request):
        refused = {"error": "without WORKBENCH_METRICS_TOKEN, metrics are for this machine only"}
        return JSONResponse(refused, status_code=403)
    return Response(generate_latest(metrics.REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _shows(request: Request, token: SecretStr) -> bool:
    shown = request.headers.get("authorization", "").encode()
    return hmac.compare_digest(shown, f"Bearer {token.get_secret_value()}".encode())


def _is_from_here(request: Request) -> bool:
    is_direct = OF_A_PROXY.isdisjoint(request.headers.keys())
    caller = request.client.host if request.client is not None else ""
    return is_direct and caller in LOOPBACK and (request.url.hostname or "") in LOOPBACK
