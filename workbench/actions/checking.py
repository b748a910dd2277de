"""Check items: planted on an item that somebody takes up, met by a choice of theirs, and told at once (METHODS 4.8)."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from review_queue.checking import Answer, as_planted, is_caught, is_due, plant
from review_queue.errors import KeyReused, StaleContent
from review_queue.items import Choice, Item
from review_queue.roles import Principal, Task
from review_queue.rules import decide
from storage import checks, decisions, notes, one_item, people
from storage.checks import Check
from storage.engine import Database, database_now
from storage.workflows import Workflow
from workbench.actions.again import again
from workbench.actions.deciding import note

#: No person meets more than one in this time.
ONE_IN = timedelta(days=1)


def plant_if_due(session: Session, who: Principal, workflow: Workflow, item_id: int) -> None:
    """Lay a check over an item that this person has just taken up, if one is drawn and can be made."""
    share = workflow.policy.check_share
    if not share:
        return
    item = one_item.get(session, item_id, who)
    if not is_due(item, person_id=who.person_id, share=share) or item.ai is None:
        return
    if checks.since(session, who.person_id, database_now(session) - ONE_IN):
        return
    if checks.of(session, item, who.person_id) is not None:
        return
    planted = plant(item, stale=checks.season_before(session, item), elsewhere=checks.elsewhere(session, item))
    if planted is not None:
        checks.plant(session, item, who.person_id, planted, true_value=item.ai.value)
        note(session, "check.planted", who, workflow, item_id, details={"flaw": planted.flaw, "value": planted.value})


def laid_over(session: Session, who: Principal, workflow: Workflow, item: Item) -> Check | None:
    """The check that was laid over the item for this person, met or not."""
    return checks.of(session, item, who.person_id) if workflow.policy.check_share else None


@again(in_doubt=True)
def answer_check(database: Database, *, person_id: int, workflow: Workflow, choice: Choice) -> Answer:
    """Store how a choice met the check that it was made on. It decides nothing: the item stays in the person's hands.

    Raises:
        KeyReused: the key came before with other content.
        StaleContent: there is no check here any more.
        ClaimNotHeld, ReasonRequired, ChoiceInvalid, ItemNotOpen: see ``rules.decide``.
    """
    with database.writing() as session:
        who = people.principal(session, person_id)
        item = one_item.get(session, choice.item_id, who, Task.REVIEW, lock=True)
        request = decisions.hash_of_choice(person_id, choice)
        before = checks.answered_before(session, choice.idempotency_key)
        if before is not None:
            if before[1] != request:
                raise KeyReused(item.id)
            return before[0]
        check = checks.of(session, item, person_id)
        if check is None or check.is_answered or item.ai is None:
            raise StaleContent(item.id)
        shown = as_planted(item, check.planted, workflow.policy)
        verdict = decide(shown, choice, reviewer_id=person_id, now=database_now(session))
        caught = is_caught(choice, shown, verdict.final_value)
        checks.answer(session, check, choice, final=verdict.final_value, caught=caught, request=request)
        notes.drop_draft(session, item.id, person_id)
        note(session, "check.answered", who, workflow, item.id, details={"flaw": check.planted.flaw, "caught": caught})
        return Answer(check.planted, item.ai.value, caught)
