"""What somebody is told of in the app without having asked."""

from __future__ import annotations

from enum import StrEnum


class News(StrEnum):
    """Why a person is told something. Whoever did it is never told."""

    MENTIONED = "mentioned"  #: a comment names them
    ASSIGNED = "assigned"  #: items are theirs to decide now
    CAME_BACK = "came_back"  #: a new forecast came for what they had sent back
    SETTLED = "settled"  #: somebody above decided what they had escalated
    REOPENED = "reopened"  #: what they had decided is open again
    STALE = "stale"  #: a number moved after they had overridden it
    OVERTURNED = "overturned"  #: somebody above put another choice in the place of theirs
    LOCKED = "locked"  #: a period of theirs was closed
    SUBMISSION_WITHDRAWN = "submission_withdrawn"  #: what they stood by is no longer submitted
    ALERT = "alert"  #: a threshold of a workflow that is theirs was passed
    FIGURES = "figures"  #: their own figures stand out; nobody else sees it for seven days
    ESCALATED = "escalated"  #: a step of the ladder acted on what is theirs to do, or was
    INCIDENT = "incident"  #: an incident that is theirs was opened, reopened or given to them
    PATH_TEST = "path_test"  #: somebody tests whether word reaches them
