"""What the server does beside answering, and `workbench worker` does alone.

It keeps the queue in order as the clock moves on, has the escalation ladders act, watches, learns of the sources, asks
other databases, keeps what analytics read, signs checkpoints of the audit record, reminds, sends webhooks, and removes
what was kept long enough.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from datetime import datetime
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from review_queue.errors import ReviewError, ServerStopping
from review_queue.retention import rules_of
from storage.engine import CommitInDoubt, Database
from storage.placing import Surroundings
from workbench import metrics, watching
from workbench.actions import escalating, feeding, pulling, releasing, reminding, retaining, reviewing, sourcing
from workbench.checkpoints import witness_of
from workbench.known_reviews import keep_reviews
from workbench.mailing import post_of
from workbench.relaying import Relay
from workbench.sending import Sender, reach_of
from workbench.settings import settings

EVERY = 60  #: seconds
LOOKS_EVERY = 5  #: seconds between two looks whether a checkpoint is due, or the record behind the last one

log = logging.getLogger("workbench")


async def keep(database: Database, *, relays: bool = False) -> None:
    """Do all of that until cancelled; remind where mail is set up, and send webhooks if it ``relays``.

    Each goes on by itself: a mail server that is slow holds up no order.
    """
    known: dict[int, Surroundings] = {}
    work = [_again_and_again(partial(reviewing.keep_order, database, known), "The queue could not be put in order")]
    work.append(_again_and_again(partial(escalating.climb, database), "The escalation ladders could not act"))
    seen: dict[int, datetime] = {}
    work.append(_again_and_again(partial(watching.watch, database, seen), "The thresholds could not be looked at"))
    work.append(
        _again_and_again(partial(keep_reviews, database), "What analytics read could not be brought up to date")
    )
    work.append(_again_and_again(partial(sourcing.learn, database), "Nothing could be learnt of the sources"))
    work.append(_again_and_again(partial(releasing.free_claims, database), "Claims could not be freed"))
    chosen = settings()
    work.append(_again_and_again(partial(feeding.watch_feeds, database), "The AI's feeds could not be looked at"))
    work.append(_again_and_again(partial(pulling.pull_due, database), "Other databases could not be asked"))
    witness = witness_of(chosen)
    if witness is not None:
        keep_checkpoint = partial(witness.keep, database)
        work.append(_again_and_again(keep_checkpoint, "No checkpoint of the audit record was added", every=LOOKS_EVERY))
    looked: dict[str, datetime] = {}
    remove = partial(retaining.remove_old_daily, database, looked, rules=rules_of(chosen.retention))
    work.append(_again_and_again(remove, "What was kept long enough could not be removed"))
    post = post_of(chosen)
    if post is not None:
        sender = chosen.mail_from or ""
        remind = partial(reminding.send_digests, database, post, sender=sender, url=chosen.public_url)
        work.append(_again_and_again(remind, "Reminders could not be sent"))
    if relays:
        work.append(_relay(database))
    await asyncio.gather(*work)


async def _relay(database: Database) -> None:
    async with Sender(reach_of(settings())) as sender:
        await Relay(database, sender).run()


async def _again_and_again(act: Callable[[], object], failed: str, *, every: int = EVERY) -> None:
    """Do it once a minute or as often as said, in a thread. Whatever goes wrong in one round, there is a next one."""
    metrics.upkeep_begins(_name_of(act))
    while True:
        try:
            await asyncio.to_thread(act)
            metrics.upkeep_went_well(_name_of(act))
        except ServerStopping:
            return
        except (SQLAlchemyError, CommitInDoubt, ReviewError):
            log.exception("%s; it is tried again in %d s", failed, every)
        except Exception:  # one row that nobody foresaw must not end this work until somebody starts the server anew
            about = {"error_id": secrets.token_hex(4)}
            log.exception("%s, which is a fault here; it is tried again in %d s", failed, every, extra=about)
        await asyncio.sleep(every)


def _name_of(act: Callable[[], object]) -> str:
    """What the counters call a work of upkeep: the name of its function."""
    return str(getattr(act.func if isinstance(act, partial) else act, "__name__", act))
