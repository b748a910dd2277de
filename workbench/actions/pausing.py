"""Pausing the AI's values, going back to an earlier model version, and showing the newest again: the owner's choice.

Every choice is shown before it is made: which open items would read differently, what stands in, and who has one in
hand. Forecasts go on coming in, and none is edited.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy.orm import Session

from review_queue.errors import ShowingRefused
from review_queue.feeds import Fallback
from review_queue.items import Lane, State
from review_queue.roles import Task
from review_queue.showing import LONGEST_NOTE, AiValues, Showing
from review_queue.withholding import HIDDEN, NOT_OF_TODAY
from storage import audit, effects, people, placing, showings, versions, workflows
from storage.engine import Database, database_now
from storage.showings import Chosen
from storage.workflows import Workflow
from workbench.actions.again import again
from workbench.actions.seeing import as_seen


@dataclass(frozen=True, slots=True)
class Effect:
    """What a choice does to the open items. Each count is of items."""

    open: int
    changed: int  #: read differently afterwards
    by_lane_and_state: tuple[tuple[str, str, int], ...]  #: of the changed: lane afterwards, state now, items
    hidden: int  #: show no value of the AI's afterwards, and do now
    stood_in: int  #: of those, with a naive forecast in its place
    earlier: int  #: show the value of an earlier model version afterwards
    shown_again: int  #: show the AI's value of today afterwards, and do not now
    in_hand: int  #: of the changed, under somebody's claim: their next press is asked to look again

    @property
    def sentence(self) -> str:
        """What happens, in words."""
        if not self.changed:
            return f"None of the {_items(self.open, 'open item')} would read differently."
        parts = [f"{self.changed:,} of {_items(self.open, 'open item')} would read differently."]
        if self.hidden:
            left = self.hidden - self.stood_in
            stand_in = f"the naive forecast stands in on {self.stood_in:,}" if self.stood_in else ""
            without = f"{left:,} go on without a number of the AI's" if left else ""
            how = "; ".join(each for each in (stand_in, without) if each)
            parts.append(f"{self.hidden:,} would no longer show the AI's value: {how}.")
        if self.earlier:
            parts.append(f"{self.earlier:,} would show the value of the earlier version.")
        if self.shown_again:
            parts.append(f"{self.shown_again:,} would show the AI's value of today again.")
        if self.in_hand:
            parts.append(f"{self.in_hand:,} in somebody's hands: they are asked to look again before they save.")
        return " ".join(parts)


@again(in_doubt=True)
def preview_showing(
    database: Database, *, person_id: int, workflow_key: str, values: AiValues, version: str | None = None
) -> Effect:
    """What the choice would do to the open items; nothing is changed.

    Raises:
        WorkflowInvalid: there is no such workflow.
        NotAllowed: the person may not change it.
        ShowingRefused: the workflow has no such model version, or none is named to go back to.
    """
    with database.reading() as session:
        workflow = _governed(session, person_id, workflow_key)
        wanted, _ = _wanted(session, workflow, values, version)
        return effect_of(session, workflow, workflow, showings.of(session, workflow.id), wanted)


@again(in_doubt=False)
def choose_showing(
    database: Database, *, person_id: int, workflow_key: str, values: AiValues, version: str | None = None, note: str
) -> int:
    """Let the workflow show these of the AI's values from now on; how many open items read differently.

    Raises:
        WorkflowInvalid: there is no such workflow.
        WorkflowBusy: an import into the workflow is running.
        NotAllowed: the person may not change it.
        ShowingRefused: it is so already, no note says why, or there is no such model version.
    """
    with database.writing() as session:
        workflow = _governed(session, person_id, workflow_key)
        workflows.lock(session, workflow.id)
        workflow = workflows.by_id(session, workflow.id)
        wanted, version_id = _wanted(session, workflow, values, version)
        before = showings.of(session, workflow.id)
        if wanted == before:
            raise ShowingRefused(f"{workflow.title} is so already. Nothing was changed.")
        text = note_of(note)
        showing_id = showings.add(session, workflow.id, values, version_id=version_id, note=text, person_id=person_id)
        shown = placing.content_hashes(session, workflow.id)
        placing.place_items(session, workflow, now=database_now(session), forecasts_changed=True)
        now_shown = placing.content_hashes(session, workflow.id)
        changed = sum(now_shown.get(item_id, was) != was for item_id, was in shown.items())  # less what was decided
        details = {"showing": showing_id, "values": values, "model_version": version_id, "items": changed}
        audit.record(session, _ACTIONS[values], actor_id=person_id, workflow_id=workflow.id, details=details)
        return changed


_ACTIONS = {AiValues.PAUSED: "ai.paused", AiValues.ROLLED_BACK: "ai.rolled_back", AiValues.SHOWN: "ai.resumed"}


@again(in_doubt=True)
def showing_history(database: Database, *, person_id: int, workflow: Workflow) -> list[Chosen]:
    """Every choice of which values are shown, the newest first, for whoever may see the workflow's queue."""
    with database.reading() as session:
        who = people.principal(session, person_id)
        who.require(Task.SEE_QUEUE, workflow.id)
        return as_seen(session, who, workflow, showings.history(session, workflow.id))


def note_of(note: str) -> str:
    """A note that says why, ready to keep.

    Raises:
        ShowingRefused: it is empty, or too long.
    """
    text = note.strip()
    if not text:
        raise ShowingRefused("A note is needed. Say why, so that whoever works here tomorrow knows.")
    if len(text) > LONGEST_NOTE:
        raise ShowingRefused(f"The note has {len(text):,} characters; {LONGEST_NOTE:,} are kept. Shorten it.")
    return text


def effect_of(session: Session, before: Workflow, after: Workflow, showing: Showing, wanted: Showing) -> Effect:
    """What open items would read like with the policy of ``after`` and ``wanted``, set beside now."""
    now = database_now(session)
    was = placing.placed_as(session, before, showing, now=now)
    then = placing.placed_as(session, after, wanted, now=now)
    both = was.merge(then[["id", "lane", "withheld", "content_hash", "flagged"]], on="id", suffixes=("", "_then"))
    reads_else = (both["content_hash"] != both["content_hash_then"]) | (both["lane"] != both["lane_then"])
    changed = both[reads_else | (both["flagged"] != both["flagged_then"])]
    hidden, hidden_then = (changed[name].isin(_texts(HIDDEN)) for name in ("withheld", "withheld_then"))
    replaced = changed[~hidden & hidden_then]
    stood_in = 0
    if after.policy.fallback is Fallback.NAIVE:
        stood_in = int((replaced["naive"].notna() | effects.has_seasonal_naive(session, replaced)).sum())
    counts = Counter(zip(changed["lane_then"].tolist(), changed["state"].tolist(), strict=True))
    return Effect(
        open=len(both),
        changed=len(changed),
        by_lane_and_state=tuple(
            (Lane(lane).title, State(state).value.replace("_", " "), count)
            for (lane, state), count in sorted(counts.items())
        ),
        hidden=len(replaced),
        stood_in=stood_in,
        earlier=int(changed["withheld_then"].isin(_texts(NOT_OF_TODAY)).sum()),
        shown_again=int((changed["withheld"].notna() & changed["withheld_then"].isna()).sum()),
        in_hand=int(changed["is_held"].astype(bool).sum()),
    )


def _texts(reasons: tuple[str, ...]) -> list[str]:
    return [str(reason) for reason in reasons]


def _items(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _governed(session: Session, person_id: int, workflow_key: str) -> Workflow:
    workflow = workflows.get(session, workflow_key)
    people.principal(session, person_id).require(Task.GOVERN, workflow.id)
    return workflow


def _wanted(session: Session, workflow: Workflow, values: AiValues, version: str | None) -> tuple[Showing, int | None]:
    if values is not AiValues.ROLLED_BACK:
        return Showing(values), None
    known = versions.ids(session, workflow.id)
    if version not in known:
        names = ", ".join(sorted(known)[:10]) or "none has come yet"
        asked = f"There is no model version {version!r} in {workflow.title}." if version else "Name a model version."
        raise ShowingRefused(f"{asked} It has: {names}.")
    return Showing(values, version), known[version]


__all__ = ["Chosen", "Effect", "choose_showing", "effect_of", "note_of", "preview_showing", "showing_history"]
