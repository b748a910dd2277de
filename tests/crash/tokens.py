"""Every kind of token and key that was ever issued, used once more, in an order that leaves nothing to chance.

The storms use old claims, colleagues' claims and old keys at random; this uses each of them for certain, so that a
version that lets one through is caught within a second.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path

from sqlalchemy import select, update

from review_queue.errors import ItemNotFound
from review_queue.items import Act, Outcome, State
from review_queue.roles import Role
from storage import people, schema
from storage.engine import Database, database_now, open_database
from storage.tables import decisions, items
from storage.tree import SEPARATOR
from tests.builders import a_workflow, bring_in
from tests.crash.checker import told_by
from tests.crash.client import Client
from tests.crash.faults import Line, Setting, fault
from tests.crash.keeper import let_run_out, pass_time
from tests.crash.log import Log
from tests.crash.processes import apart
from tests.crash.requests import Reply, Request, Reviewer, Token, token_of
from tests.crash.world import rows
from tests.invariants import Answer, Stored, commits_reach_the_disk, violations, whatever_waits_can_be_had

DRAFT = {"note": "half a thought"}
FAR_BACK = timedelta(days=400)


@fault("tokens")
def any_token_ever_issued(setting: Setting) -> list[Line]:
    return [_tried(setting, database) for database in setting.databases]


def _tried(setting: Setting, database: str) -> Line:
    url, folder = setting.fresh("tokens", database)
    tried, problems = apart(lambda: try_everything(url, folder))
    return Line(
        "tokens",
        database,
        "old, foreign and forged claims and keys change nothing",
        f"{tried} uses, {len(problems)} slips",
        not problems,
        problems=tuple(problems),
    )


def try_everything(url: str, folder: Path) -> tuple[int, list[str]]:
    """How many uses were tried on an empty database at ``url``, and what went wrong."""
    database = open_database(url)
    schema.upgrade(database)
    desk = Bench(database, folder)
    uses: list[Callable[[], Iterator[str]]] = [
        desk.own_claim_of_before_an_undo,
        desk.colleagues_claim,
        desk.claim_that_was_taken_over,
        desk.figures_that_have_changed,
        desk.item_of_another_region,
        desk.item_above_ones_step,
        desk.key_with_other_content,
        desk.key_of_last_year,
        desk.undo_of_what_somebody_took_up,
        desk.claim_that_ran_out_is_free,
    ]
    problems = [f"{use.__name__.replace('_', ' ')}: {slip}" for use in uses for slip in use()]
    problems += violations(database, told_by(folder))
    problems += whatever_waits_can_be_had(_after_a_day(database, desk.log))
    problems += commits_reach_the_disk(database)
    return len(uses), problems


@dataclass
class Bench:
    """A few reviewers and a few items, and the log of what they are told."""

    database: Database
    folder: Path
    keys: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.log = Log(self.folder / "keeper.log", 1)
        self.workflow = a_workflow(self.database, segments=("region",))
        self.ada, self.ben = self._person("Ada"), self._person("Ben")
        self.eve, self.dora = self._person("Eve", region="East"), self._person("Dora", Role.DIRECTOR)
        self._import(range(24), seed=1)

    # --- the uses --------------------------------------------------------------------------------------------------

    def own_claim_of_before_an_undo(self) -> Iterator[str]:
        token = self._take(self.ada)
        done = self.ada.send(self._accept(token))
        self.ada.send(Request(self._key(), Act.UNDO, undoes=done.decision))
        yield from self._refused(self.ada, self._accept(token), "CLAIM_NOT_HELD")
        self.ada.send(self._accept(self._take(self.ada)))

    def colleagues_claim(self) -> Iterator[str]:
        token = self._take(self.ben)
        yield from self._refused(self.ada, self._accept(token), "CLAIM_NOT_HELD")
        self.ben.send(self._accept(token))

    def claim_that_was_taken_over(self) -> Iterator[str]:
        token = self._take(self.ada)
        self.ada.reviewer.note_down(self.ada.reviewer.open(token.item), DRAFT)
        self._run_out(token)
        taken = self._take(self.ben)
        yield from self._refused(self.ada, self._accept(token), "CLAIM_NOT_HELD")
        if self.ada.reviewer.open(token.item).draft != DRAFT:
            yield "the draft is gone"
        self.ben.send(self._accept(taken))

    def figures_that_have_changed(self) -> Iterator[str]:
        token = self._take(self.ada)
        self.ada.reviewer.note_down(self.ada.reviewer.open(token.item), DRAFT)
        self._import(range(24), seed=2)
        yield from self._refused(self.ada, self._accept(token), "STALE_CONTENT")
        if self.ada.reviewer.open(token.item).draft != DRAFT:
            yield "the draft is gone"
        self.ada.send(self._accept(self._take(self.ada)))

    def item_of_another_region(self) -> Iterator[str]:
        elsewhere = self._item_in("North")
        try:
            self.eve.reviewer.open(elsewhere)
            yield f"item {elsewhere} lies elsewhere, and was opened"
        except ItemNotFound:
            pass
        claim = token_of(self.dora.reviewer.open(elsewhere))
        yield from self._refused(self.eve, self._accept(claim), "NOT_FOUND")
        self.dora.send(self._accept(claim))
        for _ in range(3):
            self.eve.send(self._accept(self._take(self.eve)))

    def item_above_ones_step(self) -> Iterator[str]:
        token = self._take(self.ada)
        up = Request(self._key(), Act.DECIDE, token, Outcome.ESCALATE, note="Too big for me.")
        self.ada.send(up)
        desk = self.ben.reviewer.open(token.item)
        if desk.mine:
            yield f"item {token.item} lies with directors, and a reviewer was given it"
        self.dora.send(self._accept(token_of(self.dora.reviewer.open(token.item))))

    def key_with_other_content(self) -> Iterator[str]:
        token = self._take(self.ada)
        request = self._accept(token)
        done = self.ada.send(request)
        other = Request(request.key, Act.DECIDE, token, Outcome.ADJUST, value=1.0, reason="CUST_RISK")
        yield from self._refused(self.ada, other, "KEY_REUSED")
        yield from self._refused(self.ben, request, "KEY_REUSED")
        yield from self._replayed(self.ada, request, done)

    def key_of_last_year(self) -> Iterator[str]:
        token = self._take(self.ada)
        request = self._accept(token)
        done = self.ada.send(request)
        with self.database.writing() as session:
            back = database_now(session) - FAR_BACK
            session.execute(update(decisions).where(decisions.c.id == done.decision).values(decided_at=back))
        yield from self._replayed(self.ada, request, done)

    def undo_of_what_somebody_took_up(self) -> Iterator[str]:
        token = self._take(self.ada)
        up = Request(self._key(), Act.DECIDE, token, Outcome.ESCALATE, note="Too big for me.")
        done = self.ada.send(up)
        taken = token_of(self.dora.reviewer.open(token.item))
        yield from self._refused(self.ada, Request(self._key(), Act.UNDO, undoes=done.decision), "UNDO_TOO_LATE")
        reply = self.dora.send(self._accept(taken))
        if reply.answer is not Answer.SAVED:
            yield f"whoever had taken it up was told {reply.sentence}"

    def claim_that_ran_out_is_free(self) -> Iterator[str]:
        token = self._take(self.ada)
        self._run_out(token)
        with self.database.reading() as session:
            free = session.execute(select(items.c.id).where(items.c.state == State.READY)).scalars().all()
        held = [token_of(desk) for item in free if (desk := self.dora.reviewer.open(item)).mine]
        desk = self.ben.reviewer.open(token.item)
        if not desk.mine:
            yield f"stuck: item {token.item}'s claim ran out, and nobody else is given it"
        for one in held[-3:]:
            self.dora.send(self._accept(one))

    # --- what they are made of -------------------------------------------------------------------------------------

    def _person(self, name: str, role: Role = Role.REVIEWER, region: str | None = None) -> Client:
        with self.database.writing() as session:
            person_id = people.add(session, issuer="test", subject=name, name=name)
            path = f"{region}{SEPARATOR}" if region else None
            people.grant(session, person_id, role, segment_path=path)
        return Client(Reviewer(self.database, self.workflow, person_id), Log(self.folder / f"{name}.log", 1))

    def _import(self, which: range, *, seed: int) -> None:
        bring_in(self.database, self.workflow, rows((number, random.Random(seed * 100 + number)) for number in which))

    def _take(self, who: Client) -> Token:
        desk = who.reviewer.take()
        assert desk is not None
        return token_of(desk)

    def _run_out(self, token: Token) -> None:
        let_run_out(self.database, self.log, [(token.item, token.fence)])

    def _item_in(self, region: str) -> int:
        stored = Stored.of(self.database)
        return next(
            item["id"]
            for item in stored.items.values()
            if item["state"] == State.READY and stored.paths[item["segment_id"]].startswith(region)
        )

    def _accept(self, token: Token) -> Request:
        return Request(self._key(), Act.DECIDE, token, Outcome.ACCEPT_AI)

    def _key(self) -> str:
        return f"key-{next(self.keys)}"

    def _refused(self, who: Client, request: Request, code: str) -> Iterator[str]:
        reply = who.send(request)
        if reply.answer is not Answer.REFUSED or reply.code != code:
            yield f"instead of {code} the answer was {reply}"

    def _replayed(self, who: Client, request: Request, first: Reply) -> Iterator[str]:
        reply = who.send(request)
        if reply.answer is not Answer.REPLAYED or reply.decision != first.decision:
            yield f"the same request was answered {first}, then {reply}"


def _after_a_day(database: Database, log: Log) -> Stored:
    pass_time(database, log, timedelta(days=1))
    return Stored.of(database)
