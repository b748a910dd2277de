"""What ought to happen, worked out from the rows alone: a second, naive telling of the rules of the queue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from review_queue.items import Choice, Outcome
from storage.tables import absences, decisions, forecasts, grants, items, people, segments, skips, sources
from tests.invariants import Row
from tests.states.records import Records
from tests.states.world import UNDO

#: How far up the ladder each role that reviews may reach.
REACH = {"reviewer": 0, "director": 1, "workflow owner": 2}
SEES = (*REACH, "manager", "auditor", "administrator")
FINAL = ("accept_ai", "keep_manual", "adjust")
TOLERANCE = 0.01
TOP = 2
#: The promise says five; the test world says two, so that it happens within an example.
EXPIRIES = 2
SKIPPED_FOR = timedelta(hours=8)


@dataclass(frozen=True)
class Oracle:
    """The rows before an action, and what that action must come to."""

    records: Records

    @property
    def now(self) -> datetime:
        return self.records.now

    # --- who may what ---

    def is_disabled(self, person: int) -> bool:
        return self.records.of(people)[person]["disabled_at"] is not None

    def review_grants(self, person: int) -> Iterator[Row]:
        """The grants by which a person reviews now."""
        for grant in self.records.rows(grants):
            if grant["person_id"] == person and grant["revoked_at"] is None and grant["role"] in REACH:
                yield grant

    def in_scope(self, person: int, item: Row) -> bool:
        """Whether a person may review in the item's segment, whatever its level."""
        return any(self._covers(grant, item) for grant in self.review_grants(person))

    def reaches(self, person: int, item: Row, *, level: int | None = None) -> bool:
        """Whether a person may hold and decide the item, at its step of the ladder or at ``level``."""
        height = item["level"] if level is None else level
        return any(self._covers(grant, item) and height <= REACH[grant["role"]] for grant in self.review_grants(person))

    def _covers(self, grant: Row, item: Row) -> bool:
        if grant["workflow_id"] not in (None, item["workflow_id"]):
            return False
        if grant["segment_path"] is None:
            return True
        segment = self.records.of(segments).get(item["segment_id"])
        return segment is not None and segment["path"].startswith(grant["segment_path"])

    def sees(self, person: int, item: Row) -> bool:
        """Whether a person may look at the item at all."""
        return not self.is_disabled(person) and any(
            self._covers(grant, item)
            for grant in self.records.rows(grants)
            if grant["person_id"] == person and grant["revoked_at"] is None and grant["role"] in SEES
        )

    # --- what is served ---

    def next_for(self, person: int) -> int | None:
        """The item that the person is to get: the one in hand, else the first that waits for them."""
        in_hand = sorted(
            (item for item in self.records.rows(items) if self.holds(person, item) and self.in_scope(person, item)),
            key=lambda item: (item["claimed_at"], item["id"]),
        )
        return in_hand[0]["id"] if in_hand else self._first_waiting(person)

    def _first_waiting(self, person: int) -> int | None:
        """The first in serving order; one whose claims ran out too often goes up, perhaps to this very person."""
        stand = {item["id"]: dict(item) for item in self.records.rows(items)}
        for again in (False, True):
            while waiting := [
                item
                for item in stand.values()
                if self.is_available(person, item) and not self._was_skipped(person, item, again=again)
            ]:
                first = min(waiting, key=lambda item: self._serving_order(person, item))
                if first["expiries"] + (first["state"] == "claimed") < EXPIRIES or first["level"] == TOP:
                    return int(first["id"])
                stand[first["id"]] |= {"state": "ready", "level": first["level"] + 1, "expiries": 0}
        return None

    def is_available(self, person: int, item: Row) -> bool:
        """Whether a person may claim the item now."""
        is_free = item["state"] in ("ready", "claimed", "deferred") and (
            item["available_at"] <= self.now or item["state"] == "ready"
        )
        return (is_free or self.holds(person, item)) and self._is_for(person, item) and self.reaches(person, item)

    def _is_for(self, person: int, item: Row) -> bool:
        return item["assigned_to"] in (None, *self._served(person)) and person not in (item["not_for"], item["nor_for"])

    def _served(self, person: int) -> set[int]:
        """The person, and those in whose place they decide: whoever is away, or reviews nothing any more."""
        away = {row["person_id"]: row["deputy_id"] for row in self.records.rows(absences) if self._is_on(row)}
        gone = {who for who in self.records.of(people) if not self._reviews(who)}
        covered = {who for who, deputy in away.items() if deputy is not None and deputy not in away.keys() | gone}
        return {person} | gone | {who for who in away if who not in covered or away[who] == person}

    def _is_on(self, absence: Row) -> bool:
        return absence["from_at"] <= self.now < absence["until_at"] and absence["ended_at"] is None

    def has_skipped(self, person: int, item_id: int, fence: int) -> bool:
        """Whether that claim was ended by a skip."""
        same = {"person_id": person, "item_id": item_id, "fence": fence}
        return any(same.items() <= row.items() for row in self.records.rows(skips))

    def _was_skipped(self, person: int, item: Row, *, again: bool) -> bool:
        """Whether the person passed it by for good, or (unless ``again``) lately."""
        return any(
            row["reason"] in ("not_mine", "interest") or (not again and row["skipped_at"] > self.now - SKIPPED_FOR)
            for row in self.records.rows(skips)
            if (row["item_id"], row["person_id"], row["round"]) == (item["id"], person, item["round"])
        )

    def _serving_order(self, person: int, item: Row) -> tuple[Any, ...]:
        is_own = item["assigned_to"] in self._served(person) and item["state"] != "deferred"
        due = (item["due_at"] is None, item["due_at"])
        return (item["lane"], not is_own, -item["score"], *due, item["id"])

    def holds(self, person: int, item: Row) -> bool:
        return item["state"] == "claimed" and item["claimed_by"] == person

    # --- what assigning comes to ---

    def taker_of(self, item: Row, to: int | None, *, says_why: bool) -> int | str | None:
        """Who has the item in their name after it is assigned; ``left out`` or ``refused`` where nothing changes."""
        taker = to
        if to is not None:
            away = {row["person_id"]: row for row in self.records.rows(absences) if self._is_on(row)}
            taker = away[to]["deputy_id"] if to in away else to
            if not self._reviews(to) or taker is None or taker in away or not self._reviews(taker):
                return "refused"
        if item["state"] not in ("ready", "claimed", "deferred", "sent_back") or item["assigned_to"] == taker:
            return "left out"
        if taker is not None and (taker in (item["not_for"], item["nor_for"]) or not self.reaches(taker, item)):
            return "left out"
        from_hand = item["state"] == "claimed" and item["claimed_by"] != taker
        from_name = item["assigned_to"] is not None
        return "refused" if (from_hand or from_name) and not says_why else taker

    def _reviews(self, person: int) -> bool:
        return not self.is_disabled(person) and any(True for _ in self.review_grants(person))

    # --- what a form meets ---

    def answer_to(self, person: int, choice: Choice) -> str:
        """``stored``, ``known key``, the name of the refusal, or ``refused`` where any will do."""
        item = self.records.of(items)[choice.item_id]
        if self.is_disabled(person):
            return "NotAllowed"
        if not self.in_scope(person, item):
            return "ItemNotFound"
        if any(row["idempotency_key"] == choice.idempotency_key for row in self.records.rows(decisions)):
            return "known key"
        if item["state"] == "decided" or self._was_own_first(person, item):
            return "ItemAlreadyDecided"
        if item["state"] in ("withdrawn", "locked"):
            return "ItemNotOpen"
        if not self.holds(person, item) or (item["fence"], item["round"]) != (choice.fence, choice.round):
            return "ClaimNotHeld"
        if not self.reaches(person, item):
            return "refused"
        if item["content_hash"] != choice.content_hash:
            return "StaleContent"
        return self._fault_of(item, choice) or "stored"

    def _was_own_first(self, person: int, item: Row) -> bool:
        """Whether the person has done their part, and the item waits for a second one."""
        last = self.standing(item)
        own = last is not None and last["is_provisional"] and last["actor_id"] == person
        return own and item["claimed_by"] == person and item["state"] != "claimed"

    def _fault_of(self, item: Row, choice: Choice) -> str | None:
        if choice.outcome in (Outcome.SEND_BACK, Outcome.ESCALATE) and not choice.note:
            return "ChoiceInvalid"
        if choice.outcome is Outcome.ESCALATE and item["level"] >= TOP:
            return "ChoiceInvalid"
        if choice.outcome is Outcome.DEFER and (choice.until is None or choice.until <= self.now):
            return "ChoiceInvalid"
        if choice.outcome.value not in FINAL:
            return None
        ai, final, is_blind = self.value_on(item, "ai"), self.final_value(item, choice), item["stage"] == 2
        if final is None or (choice.outcome is Outcome.ADJUST and final == ai and not is_blind):
            return "ChoiceInvalid"
        if choice.outcome is Outcome.ACCEPT_AI and is_blind:
            return "ChoiceInvalid"
        is_override = ai is not None and abs(final - ai) > TOLERANCE * abs(ai)
        return "ReasonRequired" if (is_override or is_blind) and choice.reason is None else None

    def final_value(self, item: Row, choice: Choice) -> float | None:
        """The value that a final choice would make the item's own."""
        if choice.outcome is Outcome.ADJUST:
            return choice.value
        return self.value_on(item, "ai" if choice.outcome is Outcome.ACCEPT_AI else "manual")

    def value_on(self, item: Row, kind: str) -> float | None:
        """The newest forecast of a kind on the item."""
        kinds = {source["id"]: source["kind"] for source in self.records.rows(sources)}
        values = [
            row["value"]
            for row in self.records.rows(forecasts)
            if row["item_id"] == item["id"] and kinds[row["source_id"]] == kind
        ]
        return values[-1] if values else None

    def answer_to_undo(self, person: int, decision_id: int, key: str) -> str:
        """As ``answer_to``."""
        done = self.records.of(decisions).get(decision_id)
        if self.is_disabled(person):
            return "NotAllowed"
        if done is None:
            return "UndoTooLate"
        item = self.records.of(items)[done["item_id"]]
        if not self.in_scope(person, item):
            return "ItemNotFound"
        if any(row["idempotency_key"] == key for row in self.records.rows(decisions)):
            return "known key"
        went_up = done["outcome"] == "escalate" or (item["stage"] == 3 and done["stage"] == 2)
        level = item["level"] - went_up
        if not self.reaches(person, item, level=level):
            return "refused"
        may = (
            self.standing(item) == done
            and done["actor_id"] == person
            and self.now <= done["decided_at"] + timedelta(seconds=UNDO)
            and item["state"] not in ("withdrawn", "locked")
            and (item["fence"], item["round"]) == (done["fence"], done["round"])
        )
        return "stored" if may else "UndoTooLate"

    def standing(self, item: Row) -> Row | None:
        """The choice that stands on the item in its present round."""
        of_round = [
            row for row in self.records.rows(decisions) if (row["item_id"], row["round"]) == (item["id"], item["round"])
        ]
        return of_round[-1] if of_round and of_round[-1]["act"] == "decide" else None
