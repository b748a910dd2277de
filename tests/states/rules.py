"""What may happen to a queue, in any order: reviewers, imports, administrators, time and deaths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError

from review_queue.errors import OutcomeUnknown, ReviewError
from review_queue.items import FINAL_OUTCOMES, Decision, Outcome, SkipReason, Stage
from review_queue.roles import Role
from storage import people as people_
from storage.engine import database_time
from storage.placing import Surroundings
from storage.tables import audit_chain, audit_events, decisions, imports, items, people
from tests.builders import BECAUSE, bring_in, choose
from tests.invariants import Row, violations_of
from tests.states import checks
from tests.states.faults import IN_DOUBT, Died, Fault
from tests.states.model import Clients, Form, Token
from tests.states.oracle import Oracle
from tests.states.world import FIRST_FILE, HEADER, NORTH, SERIES, SOUTH, TTL, UNDO, World, row
from workbench.actions import assigning, granting, releasing, reviewing
from workbench.actions.granting import GrantRefused
from workbench.actions.reviewing import Desk

T = TypeVar("T")
PEOPLE = st.sampled_from(["ada", "ada", "ada", "ben", "cem", "olga"])
ITEMS = st.integers(0, len(SERIES) - 1)
#: Most of the time nothing goes wrong.
FAULTS = st.sampled_from([None] * 30 + list(Fault))
#: A decision is where they matter most.
WHILE_DECIDING = st.sampled_from([None] * 12 + list(Fault))
SECONDS = st.sampled_from([0, 1, UNDO, TTL - 1, TTL, TTL + 1, 10 * TTL])
#: What changes for somebody. Olga keeps her role, so that somebody can always finish the day.
ACCESS = st.sampled_from([Role.REVIEWER, Role.DIRECTOR, NORTH, SOUTH, "account"])
MOSTLY = st.sampled_from([True, True, True, False])
SELDOM = st.sampled_from([False, False, False, False, False, True])
#: Half of them final.
OUTCOMES = st.sampled_from([*FINAL_OUTCOMES, Outcome.ESCALATE, Outcome.DEFER, Outcome.SEND_BACK])
#: A large value wants a second review.
FILLED_IN = st.sampled_from(["as it should be", "as it should be", "with a large value", "poorly"])


class Queue(RuleBasedStateMachine):
    """One queue, its people, and everything that may happen to them."""

    tokens: Bundle[Token] = Bundle("tokens")
    forms: Bundle[Form] = Bundle("forms")

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.clients = Clients()
        self.imports_left = 0
        self.ends_the_day = False
        self.last_file = FIRST_FILE
        self.is_unanswered = False
        self.surroundings: dict[int, Surroundings] = {}
        world.reset()
        self.before = world.read()
        self.is_sound = True

    @initialize(imports_left=st.sampled_from([0, 0, 0, 1]), ends_the_day=SELDOM)
    def begin(self, imports_left: int, ends_the_day: bool) -> None:
        """Imports are slow, and so is the end of a day: not every example has them."""
        self.imports_left, self.ends_the_day = imports_left, ends_the_day

    # --- taking items ---

    @rule(target=tokens, who=PEOPLE, fault=FAULTS)
    def take_next(self, who: str, fault: Fault | None) -> Token | MultipleResults[Token]:
        person, oracle = self.world.people[who], self._oracle()
        expected = oracle.next_for(person)
        allowed = not oracle.is_disabled(person) and any(True for _ in oracle.review_grants(person))

        answer = self._act(
            fault,
            lambda: reviewing.take_next(self.world.database, person_id=person, workflow=self.world.workflow),
        )

        if self.is_unanswered:
            return multiple()
        if not allowed:
            assert _code(answer) == "NotAllowed", f"{who} may not review, and was answered {answer}"
            return multiple()
        assert not isinstance(answer, ReviewError), f"{who} was refused: {answer}"
        assert (answer and answer.item.id) == expected, f"{who} got {answer and answer.item.id}, not {expected}"
        return self._token(person, answer) if answer else multiple()

    @rule(target=tokens, who=PEOPLE, place=ITEMS, fault=FAULTS)
    def open_item(self, who: str, place: int, fault: Fault | None) -> Token | MultipleResults[Token]:
        return self._open(self.world.people[who], self._item(place), fault)

    @rule(target=tokens, token=tokens, fault=FAULTS)
    def open_it_again(self, token: Token, fault: Fault | None) -> Token | MultipleResults[Token]:
        """In another tab, after a reload, after it was given back."""
        return self._open(token.person, self._now(token.desk.item.id), fault)

    def _open(self, person: int, item: Row, fault: Fault | None) -> Token | MultipleResults[Token]:
        oracle = self._oracle()
        mine = oracle.is_available(person, item)

        answer = self._act(
            fault,
            lambda: reviewing.open_item(
                self.world.database, person_id=person, workflow=self.world.workflow, item_id=item["id"]
            ),
        )

        if self.is_unanswered:
            return multiple()
        if not oracle.sees(person, item):
            assert _code(answer) in ("NotAllowed", "ItemNotFound"), f"person {person} was answered {answer}"
            return multiple()
        assert isinstance(answer, Desk), f"person {person} was refused: {answer}"
        assert answer.mine == mine, f"person {person} has item {item['id']}: {answer.mine}, expected {mine}"
        return self._token(person, answer)

    @rule(token=tokens, fault=FAULTS)
    def renew(self, token: Token, fault: Fault | None) -> None:
        item, oracle = self._now(token.desk.item.id), self._oracle()
        held = self._is_held(token) and oracle.reaches(token.person, item)

        answer = self._act(
            fault,
            lambda: reviewing.renew_claim(
                self.world.database,
                person_id=token.person,
                workflow=self.world.workflow,
                item_id=item["id"],
                fence=token.desk.item.fence,
            ),
        )

        if not self.is_unanswered and not oracle.is_disabled(token.person):
            assert answer is held, f"renewing was answered {answer}, expected {held}"
            assert held or not self._changed()

    @rule(token=tokens, reason=st.sampled_from([SkipReason.LATER, SkipReason.NOT_MINE]), fault=FAULTS)
    def skip(self, token: Token, reason: SkipReason, fault: Fault | None) -> None:
        oracle = self._oracle()
        is_seen = oracle.sees(token.person, self._now(token.desk.item.id))
        is_repeated = is_seen and oracle.has_skipped(token.person, token.desk.item.id, token.desk.item.fence)
        held = is_seen and self._is_held(token)

        answer = self._act(
            fault,
            lambda: reviewing.skip_item(
                self.world.database,
                person_id=token.person,
                item_id=token.desk.item.id,
                fence=token.desk.item.fence,
                reason=reason,
            ),
        )

        if not self.is_unanswered and not oracle.is_disabled(token.person):
            assert held == bool(self._changed()), f"skipping changed {self._changed()}, though held is {held}"
            is_refused = not held and not is_repeated
            assert isinstance(answer, ReviewError) == is_refused, f"skipping was answered {answer}, held is {held}"

    # --- sending forms ---

    @rule(target=forms, token=tokens, outcome=OUTCOMES, filled_in=FILLED_IN, fault=WHILE_DECIDING)
    def decide(self, token: Token, outcome: Outcome, filled_in: str, fault: Fault | None) -> Form:
        """With any token ever issued: fresh, stale, of another tab, of somebody else's claim."""
        return self._decide(token, outcome, filled_in, fault)

    @rule(target=forms, who=PEOPLE, outcome=OUTCOMES, fault=WHILE_DECIDING)
    def take_and_decide(self, who: str, outcome: Outcome, fault: Fault | None) -> Form | MultipleResults[Form]:
        """A reviewer's ordinary work, in one step."""
        taken = self.take_next(who, None)
        if not isinstance(taken, Token):
            return multiple()
        self.promises_hold()
        return self._decide(taken, outcome, "as it should be", fault)

    @rule(who=PEOPLE, outcome=OUTCOMES)
    def take_and_decide_in_two_tabs(self, who: str, outcome: Outcome) -> None:
        """What one tab decided, the other decides once more under a key of its own."""
        taken = self.take_next(who, None)
        if isinstance(taken, Token):
            for _ in range(2):
                self.promises_hold()
                self._decide(taken, outcome, "as it should be", None)

    @rule(form=forms, fault=WHILE_DECIDING)
    def send_the_same_again(self, form: Form, fault: Fault | None) -> None:
        self._send(form, fault)

    @rule(form=forms, change=st.sampled_from(["note", "outcome", "person", "fence", "item"]))
    def send_it_changed(self, form: Form, change: str) -> None:
        """The same key, and another request."""
        if form.choice is None or change == "person":
            other = next(person for person in self.world.people.values() if person != form.person)
            self._send(replace(form, person=other), None)
            return
        changes: dict[str, Any] = {
            "note": {"note": form.choice.note + "!"},
            "outcome": {
                "outcome": Outcome.SEND_BACK if form.choice.outcome is Outcome.ACCEPT_AI else Outcome.ACCEPT_AI
            },
            "fence": {"fence": form.choice.fence + 1},
            "item": {"item_id": self._item(form.choice.item_id)["id"]},
        }
        self._send(replace(form, choice=replace(form.choice, **changes[change])), None)

    @rule(target=forms, form=forms, own=MOSTLY, fault=WHILE_DECIDING)
    def undo(self, form: Form, own: bool, fault: Fault | None) -> Form | MultipleResults[Form]:
        done = self._stored_under(form.key)
        if done is None:
            return multiple()
        person = form.person if own else self.world.people["olga"]
        undoing = Form(person, self.clients.new_key(), undoes=done["id"])
        self._send(undoing, fault)
        return undoing

    # --- what others do meanwhile ---

    @rule(seconds=SECONDS, in_order=SELDOM)
    def tick(self, seconds: int, in_order: bool) -> None:
        """Time passes; now and then the server puts the queue in order, which it does beside its work."""
        self.world.clock.move(seconds)
        if in_order:
            reviewing.keep_order(self.world.database, self.surroundings)
            told = set(self._changed()) - {items.name}
            assert not told, f"keeping order changed {told}"

    @rule(who=st.sampled_from(["ada", "cem"]), change=ACCESS)
    def change_access(self, who: str, change: str | Role) -> None:
        """Give what is missing and take what is there: a role, the account; or move to another segment."""
        person, database = self.world.people[who], self.world.database
        if isinstance(change, Role):
            arguments = {"person_id": self.world.people["root"], "to": person, "role": change}
            try:
                granting.revoke_role(database, **arguments)
            except GrantRefused:
                granting.grant_role(database, **arguments)
            return
        with database.writing() as session:
            if change == "account":
                is_open = self.before.of(people)[person]["disabled_at"] is None
                ended = update(people).where(people.c.id == person)
                session.execute(ended.values(disabled_at=database_time() if is_open else None))
            else:
                people_.revoke(session, person, Role.REVIEWER)
                people_.grant(session, person, Role.REVIEWER, segment_path=change)

    @rule(who=PEOPLE)
    def sign_out(self, who: str) -> None:
        person = self.world.people[who]
        with self.world.database.writing() as session:
            releasing.release_all(session, person)
        held = [row["id"] for row in self.world.read().rows(items) if self._oracle().holds(person, row)]
        assert not held, f"{who} has signed out and holds {held}"

    @rule(place=ITEMS, to=st.sampled_from([None, "ada", "ben", "cem"]), says_why=MOSTLY, fault=FAULTS)
    def assign(self, place: int, to: str | None, says_why: bool, fault: Fault | None) -> None:
        item, taker = self._item(place), self.world.people[to] if to else None
        expected = self._oracle().taker_of(item, taker, says_why=says_why)

        answer = self._act(
            fault,
            lambda: assigning.assign_items(
                self.world.database,
                person_id=self.world.people["olga"],
                workflow=self.world.workflow,
                item_ids=[item["id"]],
                to=taker,
                note="Why." if says_why else "",
            ),
        )

        if self.is_unanswered:
            return
        if isinstance(answer, ReviewError):
            assert expected == "refused", f"assigning was refused: {answer}"
            return
        assert answer is not None
        assert (expected == "left out") == (answer.item_ids == ()), f"expected {expected}, got {answer}"
        whose = self.world.read().of(items)[item["id"]]["assigned_to"]
        assert whose == (item["assigned_to"] if expected == "left out" else expected)

    @rule(place=ITEMS, fault=FAULTS)
    def reopen(self, place: int, fault: Fault | None) -> None:
        item, olga = self._item(place), self.world.people["olga"]
        answer = self._act(
            fault,
            lambda: assigning.reopen_item(
                self.world.database, person_id=olga, workflow=self.world.workflow, item_id=item["id"], note="Why."
            ),
        )
        if not self.is_unanswered:
            expected = item["round"] + 1 if item["state"] == "decided" else "CHOICE_INVALID"
            assert (answer.code if isinstance(answer, ReviewError) else answer) == expected

    @rule(who=st.sampled_from(["ada", "ben"]), deputy=st.sampled_from([None, "ben", "cem"]), seconds=SECONDS)
    def go_away_or_return(self, who: str, deputy: str | None, seconds: int) -> None:
        """For whoever is away already it is the way back; some absences make no sense and are refused."""
        person, now = self.world.people[who], self.before.now
        known = assigning.list_absences(self.world.database, person_id=self.world.people["olga"])
        for absence in known:
            if absence.person_id == person:
                end = {"person_id": self.world.people["olga"], "absence_id": absence.id}
                assigning.end_absence(self.world.database, **end)
                return
        self._act(
            None,
            lambda: assigning.note_absence(
                self.world.database,
                person_id=self.world.people["olga"],
                whose=person,
                from_at=now,
                until_at=now + timedelta(seconds=seconds),
                deputy_id=self.world.people[deputy] if deputy else None,
            ),
        )

    @precondition(lambda self: self.imports_left > 0)
    @rule(target=forms, token=tokens, outcome=OUTCOMES, fault=FAULTS)
    def a_number_changes_under_the_reader(self, token: Token, outcome: Outcome, fault: Fault | None) -> Form:
        """Or one that was decided, sent back or put off meanwhile; and the reader decides by what they saw."""
        item = self._now(token.desk.item.id)
        self._import(HEADER + row(token.desk.item.series, (self._oracle().value_on(item, "ai") or 0) + 400), fault)
        self.promises_hold()
        return self._decide(token, outcome, "as it should be", None)

    @precondition(lambda self: self.imports_left > 0)
    @rule(who=PEOPLE, outcome=OUTCOMES)
    def take_what_changes_and_decide(self, who: str, outcome: Outcome) -> None:
        taken = self.take_next(who, None)
        if isinstance(taken, Token):
            self.promises_hold()
            self.a_number_changes_under_the_reader(taken, outcome, None)

    @precondition(lambda self: self.imports_left > 0)
    @rule(new=st.booleans(), fault=FAULTS)
    def import_a_file(self, new: bool, fault: Fault | None) -> None:
        """One with a new item, or the last one again, which changes nothing."""
        self._import(HEADER + row("s9", 1000, 1500) if new else self.last_file, fault)
        if not new:
            assert set(self._changed()) <= {imports.name, audit_events.name, audit_chain.name}, (
                f"again, and changed {self._changed()}"
            )

    # --- what must hold ---

    @invariant()
    def promises_hold(self) -> None:
        self.is_sound = False
        after = self.world.read()
        slips = violations_of(after.stored(), self.clients.told()) + checks.of_a_step(self.before, after)
        assert not slips, "\n".join(slips)
        self.before, self.is_sound = after, True

    def teardown(self) -> None:
        if not self.is_sound or not self.ends_the_day:
            return
        self.world.clock.move(TTL + 5)
        stuck = [row["id"] for row in self.world.read().rows(items) if self._is_stuck(row)]
        assert not stuck, f"I6: nobody can have {stuck}"
        self._finish_everything()
        self.world.clock.move(2 * TTL)
        self._finish_everything()
        self.world.reader.distrust()
        after = self.world.read()
        left = {row["id"]: row["state"] for row in after.rows(items) if row["state"] not in ("decided", "sent_back")}
        assert not left, f"I6: left over: {left}"
        slips = checks.the_reports_agree(self.world, after) + violations_of(after.stored(), self.clients.told())
        assert not slips, "\n".join(slips)

    def _is_stuck(self, item: Row) -> bool:
        return item["state"] in ("ready", "claimed") and item["available_at"] > self.world.clock.now

    def _finish_everything(self) -> None:
        """By somebody who has had no part in it so far, once every item is anybody's again."""
        database, workflow, omar = self.world.database, self.world.workflow, self.world.people["omar"]
        named = [row["id"] for row in self.world.read().rows(items) if row["assigned_to"] is not None]
        if named:
            giving = {"item_ids": named, "to": None, "note": "The day ends."}
            assigning.assign_items(database, person_id=omar, workflow=workflow, **giving)
        for _ in range(4 * len(SERIES)):
            desk = reviewing.take_next(database, person_id=omar, workflow=workflow)
            if desk is None:
                return
            self.before = self.world.read()
            self._decide(Token(omar, desk), Outcome.ADJUST, "as it should be", None)

    # --- how ---

    def _oracle(self) -> Oracle:
        return Oracle(self.before)

    def _item(self, place: int) -> Row:
        found = list(self.before.rows(items))
        return found[place % len(found)]

    def _now(self, item_id: int) -> Row:
        return self.before.of(items)[item_id]

    def _is_held(self, token: Token) -> bool:
        item = self._now(token.desk.item.id)
        return self._oracle().holds(token.person, item) and item["fence"] == token.desk.item.fence

    def _stored_under(self, key: str) -> Row | None:
        return next((row for row in self.before.rows(decisions) if row["idempotency_key"] == key), None)

    def _changed(self) -> list[str]:
        return checks.differences(self.before, self.world.read())

    def _token(self, person: int, desk: Desk) -> Token:
        """Once it is checked that what is on the desk is what is stored."""
        after = self.world.read()
        item, token = after.of(items)[desk.item.id], Token(person, desk)
        shown = (desk.item.fence, desk.item.state, desk.item.holder_id, desk.item.content_hash)
        assert shown == (item["fence"], item["state"], item["claimed_by"], item["content_hash"])
        values = (Oracle(after).value_on(item, "ai"), Oracle(after).value_on(item, "manual"))
        assert token.shown == (None if desk.item.stage is Stage.SECOND else values)
        assert desk.item.ai is None or desk.item.stage is not Stage.SECOND, "a second review is blind"
        return token

    def _act(self, fault: Fault | None, action: Callable[[], T]) -> T | ReviewError | None:
        """The answer of an action or its refusal; None where it died. What left no answer left no trace either."""
        faults, answer = self.world.faults, None
        try:
            with faults.during(fault):
                answer = action()
        except ReviewError as refusal:
            answer = refusal
        except (Died, SQLAlchemyError):
            if not faults.happened:
                raise
        if faults.happened and fault is not None:
            self.world.seen[fault] += 1
        is_unknown = isinstance(answer, OutcomeUnknown)
        self.is_unanswered = is_unknown or (faults.happened and fault not in IN_DOUBT)
        is_lost = self.is_unanswered and fault not in (Fault.AFTER_COMMIT, Fault.ANSWER_LOST)
        if is_lost or (isinstance(answer, ReviewError) and not is_unknown):
            # That somebody tried what they may not do is on record by itself.
            on_record = {audit_events.name, audit_chain.name} if _code(answer) == "NotAllowed" else set()
            assert set(self._changed()) <= on_record, f"I10: nothing was to be saved, but {self._changed()} changed"
        return answer

    def _submit(self, form: Form) -> Decision:
        world = self.world
        if form.choice is not None:
            return reviewing.submit_decision(
                world.database, person_id=form.person, workflow=world.workflow, choice=form.choice
            )
        assert form.undoes is not None
        return reviewing.undo(
            world.database, person_id=form.person, workflow=world.workflow, decision_id=form.undoes, key=form.key
        )

    def _decide(self, token: Token, outcome: Outcome, filled_in: str, fault: Fault | None) -> Form:
        key = self.clients.new_key()
        choice = choose(token.desk, outcome, key=key)
        if filled_in != "poorly":
            value = 2000.0 if filled_in == "with a large value" else 1450.0
            until = self.before.now + timedelta(seconds=2 * TTL)
            choice = replace(choice, value=value, reason=BECAUSE, note="Why.", until=until)
        form = Form(token.person, key, choice, token.shown)
        self._send(form, fault)
        return form

    def _send(self, form: Form, fault: Fault | None) -> None:
        expected = self._expected(form)
        self.world.seen[expected] += 1
        answer = self._act(fault, lambda: self._submit(form))
        if expected == "stored" and fault in IN_DOUBT and isinstance(answer, Decision):
            answer = replace(answer, replayed=False)  # asked again under its key, it found itself stored, or not
        self.clients.note(form, answer)
        stored = self._stored_now(form.key)
        if expected == "stored" and stored is not None:
            self.clients.kept[form.key] = form
        if self.is_unanswered:
            assert (stored is not None) == (fault is Fault.AFTER_COMMIT or expected == "replayed"), "half a commit"
            return
        told = _code(answer) or ("replayed" if answer.replayed else "stored")
        if expected == "refused":
            assert isinstance(answer, ReviewError), f"{told}, but it was to be refused: {answer}"
            return
        assert told == expected, f"expected {expected}, got {told}: {answer}"
        if expected in ("stored", "replayed"):
            assert stored is not None
            assert answer.id == stored["id"]
            assert self._as_told(answer) == self._as_told_by(stored)

    def _expected(self, form: Form) -> str:
        oracle = self._oracle()
        if form.choice is not None:
            expected = oracle.answer_to(form.person, form.choice)
        else:
            expected = oracle.answer_to_undo(form.person, form.undoes or 0, form.key)
        if expected != "known key":
            return expected
        return "replayed" if form.asks_the_same_as(self.clients.kept[form.key]) else "KeyReused"

    def _stored_now(self, key: str) -> Row | None:
        found = self.world.read().rows(decisions)
        return next((row for row in found if row["idempotency_key"] == key), None)

    @staticmethod
    def _as_told(answer: Decision) -> tuple[object, ...]:
        return (answer.item_id, answer.round, answer.outcome, answer.final_value, answer.actor_id, answer.note)

    @staticmethod
    def _as_told_by(stored: Row) -> tuple[object, ...]:
        return tuple(stored[name] for name in ("item_id", "round", "outcome", "final_value", "actor_id", "note"))

    def _import(self, text: str, fault: Fault | None) -> None:
        self.imports_left -= 1
        self._act(fault, lambda: bring_in(self.world.database, self.world.workflow, text))
        self.world.reader.distrust()
        if not self.is_unanswered or fault in (Fault.AFTER_COMMIT, Fault.ANSWER_LOST):
            self.last_file = text


def _code(answer: object) -> str | None:
    return type(answer).__name__ if isinstance(answer, ReviewError) else None
