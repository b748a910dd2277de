"""Refusals, in the reviewer's words. Pages and the command line show the message unchanged.

Anything that is not a ``ReviewError`` is a bug, and rises.
"""

from __future__ import annotations

from datetime import datetime


class ReviewError(Exception):
    """A request that the rules refuse. Nothing was changed."""

    code = "REFUSED"


class ItemNotFound(ReviewError):
    """There is no such item, or it lies outside the person's scope; the two are told apart to nobody."""

    code = "NOT_FOUND"

    def __init__(self, item_id: int) -> None:
        super().__init__(f"Item {item_id} is not in your queue. Go back to the queue and choose another.")
        self.item_id = item_id


class DecisionNotFound(ReviewError):
    """There is no such decision, or it lies outside the person's scope; the two are told apart to nobody."""

    code = "DECISION_NOT_FOUND"

    def __init__(self, decision_id: int) -> None:
        super().__init__(f"Decision {decision_id} is not among those that you may see. Choose another from the list.")
        self.decision_id = decision_id


class ReceiptSealed(ReviewError):
    """The item is under a blind second review, and the receipt would tell a second reviewer what it hides."""

    code = "RECEIPT_SEALED"

    def __init__(self, decision_id: int) -> None:
        super().__init__(
            f"Decision {decision_id}: its item is being reviewed a second time, blind. "
            "The receipt opens once that review is over."
        )
        self.decision_id = decision_id


class ItemAlreadyDecided(ReviewError):
    """The first decision stands."""

    code = "ALREADY_DECIDED"

    def __init__(self, item_id: int, *, by: str, at: datetime, decision_id: int) -> None:
        super().__init__(f"Item {item_id} was already decided by {by} at {at:%H:%M} UTC. That decision stands.")
        self.item_id, self.by, self.at, self.decision_id = item_id, by, at, decision_id


class ItemNotOpen(ReviewError):
    """The item is withdrawn, locked, or waits for something else."""

    code = "NOT_OPEN"

    def __init__(self, item_id: int, state: str) -> None:
        super().__init__(f"Item {item_id} is {state.replace('_', ' ')} and cannot be decided now.")
        self.item_id, self.state = item_id, state


class ClaimNotHeld(ReviewError):
    """Somebody else has the item now, or the claim was given back."""

    code = "CLAIM_NOT_HELD"

    def __init__(self, item_id: int, *, holder: str | None) -> None:
        who = f"{holder} has item {item_id} now" if holder else f"You no longer hold item {item_id}"
        super().__init__(f"{who}; nothing was saved. Your draft is kept. Take the next item.")
        self.item_id, self.holder = item_id, holder


class StaleContent(ReviewError):
    """The item changed after it was shown."""

    code = "STALE_CONTENT"

    def __init__(self, item_id: int) -> None:
        super().__init__(
            f"Item {item_id} changed while you were looking: a number on it is newer than what you saw. "
            "Nothing was saved. Look at the new figures, then choose again; your draft is kept."
        )
        self.item_id = item_id


class KeyReused(ReviewError):
    """The same idempotency key came with another request."""

    code = "KEY_REUSED"

    def __init__(self, item_id: int) -> None:
        super().__init__(
            f"Item {item_id}: this form was already sent with other content, and that stands. "
            "Undo it, or reload the page for a fresh form."
        )
        self.item_id = item_id


class ReasonRequired(ReviewError):
    """An override, or a blind second review, came without a reason."""

    code = "REASON_REQUIRED"

    def __init__(self, item_id: int, *, is_blind: bool = False) -> None:
        asked = (
            "a second review always gives a reason. Say what your value rests on."
            if is_blind
            else "an override needs a reason. Say what you know that the AI does not."
        )
        super().__init__(f"Item {item_id}: {asked}")
        self.item_id = item_id


class ChoiceInvalid(ReviewError):
    """The choice lacks something, or cannot be made on this item."""

    code = "CHOICE_INVALID"

    def __init__(self, item_id: int, sentence: str) -> None:
        super().__init__(f"Item {item_id}: {sentence}")
        self.item_id = item_id


class UndoTooLate(ReviewError):
    """The time to undo has passed, or the decision no longer stands."""

    code = "UNDO_TOO_LATE"

    def __init__(self, item_id: int, sentence: str) -> None:
        super().__init__(f"Item {item_id}: {sentence}")
        self.item_id = item_id


class AssignmentRefused(ReviewError):
    """An item that cannot be given to this person, or somebody who cannot be noted as away."""

    code = "ASSIGNMENT_REFUSED"


class ViewRefused(ReviewError):
    """A view that cannot be saved or deleted as asked."""

    code = "VIEW_REFUSED"


class NoteRefused(ReviewError):
    """Something that cannot be noted as it was said."""

    code = "NOTE_REFUSED"


class PeopleNotCompared(ReviewError):
    """The policy does not allow figures about single people."""

    code = "PEOPLE_NOT_COMPARED"

    def __init__(self) -> None:
        super().__init__(
            "People are not compared in this workflow. Its owner can turn that on with `person_level` in the "
            "workflow's file, once the people concerned have been told."
        )


class PreferencesRefused(ReviewError):
    """Reminders that cannot be sent as asked."""

    code = "PREFERENCES_REFUSED"


class BatchRefused(ReviewError):
    """A batch that cannot be drawn or confirmed as it stands."""

    code = "BATCH_REFUSED"


class NotAllowed(ReviewError):
    """The person has no grant for this."""

    code = "NOT_ALLOWED"
    is_on_record = False  #: whether it was noted already

    def __init__(self, name: str, doing: str) -> None:
        super().__init__(f"{name} may not {doing}. Ask an administrator for the role that can.")
        self.name, self.doing = name, doing


class FileRefused(ReviewError):
    """A file that cannot be read at all. Nothing was imported.

    Args:
        sentence: what is wrong with it, and what to do.
        code: the kind of fault, for programs.
        row: where the fault shows, as a spreadsheet counts; None where it is no row's.
        column: its header or place in the row; None where it is no column's.
    """

    code = "FILE_REFUSED"

    def __init__(
        self, sentence: str, *, code: str = "FILE_REFUSED", row: int | None = None, column: str | None = None
    ) -> None:
        super().__init__(sentence)
        self.code, self.row, self.column = code, row, column


class WorkflowInvalid(ReviewError):
    """A workflow file that cannot be taken, or a key that names no workflow."""

    code = "WORKFLOW_INVALID"


class NotReady(ReviewError):
    """The workflow has not passed its readiness check, so nothing in it opens for review."""

    code = "NOT_READY"

    def __init__(self, workflow: str, missing: str) -> None:
        super().__init__(f"{workflow} is not open for review yet: {missing}.")
        self.workflow, self.missing = workflow, missing


class ShowingRefused(ReviewError):
    """A choice of which of the AI's values are shown that cannot be made; the message says why."""

    code = "SHOWING_REFUSED"


class HandoverRefused(ReviewError):
    """A change of a workflow's owner or deputy that cannot be made; the message says why."""

    code = "HANDOVER_REFUSED"


class DatabaseBusy(ReviewError):
    """Somebody else was in the way each time that it was tried."""

    code = "DATABASE_BUSY"

    def __init__(self) -> None:
        super().__init__(
            "The database was busy with other work each time that we tried. Nothing was saved, and what you typed is "
            "kept. Try again in a moment."
        )


class DatabaseAway(ReviewError):
    """The database cannot be reached, is full, or takes no changes."""

    code = "DATABASE_AWAY"

    def __init__(self) -> None:
        super().__init__(
            "The database takes no changes at the moment. Nothing was saved, and what you typed is kept. "
            "Try again when it is back."
        )


class OutcomeUnknown(ReviewError):
    """The database went away while it was storing something, and has not said since whether it did."""

    code = "OUTCOME_UNKNOWN"

    def __init__(self) -> None:
        super().__init__(
            "The database went away while this was being saved, so we could not learn yet whether it was saved. "
            "What you typed is kept. Look whether it is there before you do it again."
        )


class ServerStopping(ReviewError):
    """The server is about to stop, and begins nothing new."""

    code = "SERVER_STOPPING"

    def __init__(self) -> None:
        super().__init__(
            "The server is being restarted. Nothing was saved, and what you typed is kept. "
            "Go on when the page is connected again."
        )


class AlertRefused(ReviewError):
    """An alert that cannot be answered as asked."""

    code = "ALERT_REFUSED"


class IncidentRefused(ReviewError):
    """An incident that cannot be opened or changed as asked."""

    code = "INCIDENT_REFUSED"


class SourcesInDoubt(ReviewError):
    """The AI's value was accepted at a press where the sources leave too much doubt for that."""

    code = "SOURCES_IN_DOUBT"

    def __init__(self, item_id: int, doubt: str, *, together: bool) -> None:
        asked = "Look at it by itself." if together else "Say in a few words what makes you sure, then save."
        super().__init__(f"Item {item_id}: {doubt} {asked}")
        self.item_id, self.doubt = item_id, doubt


class ReceiverRefused(ReviewError):
    """A receiver that nothing may be sent to, or that cannot be changed as asked."""

    code = "RECEIVER_REFUSED"


class DeliveryRefused(ReviewError):
    """A delivery that cannot be replayed or skipped as it stands."""

    code = "DELIVERY_REFUSED"


class RecordBehind(ReviewError):
    """The audit record does not hold what its last checkpoint vouches for."""

    code = "RECORD_BEHIND"

    def __init__(self, *, size: int, vouched: int, at: datetime) -> None:
        short = f"ends at event {size}" if size < vouched else f"is another one from event {vouched} or before"
        super().__init__(
            f"The audit record {short}, and the checkpoint of {at:%Y-%m-%d %H:%M:%S} UTC vouches for {vouched} events: "
            "decisions were lost, as after restoring an old copy. Nothing is written until the right database is back, "
            'or an administrator runs `workbench audit accept-loss --reason "…"`.'
        )
        self.size = size
        self.vouched = vouched
        self.at = at
