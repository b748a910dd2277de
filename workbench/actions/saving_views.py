"""Views of a screen: saved under a name, offered to whom they are for, deleted by whose they are."""

from __future__ import annotations

from review_queue.errors import ViewRefused
from review_queue.roles import Task
from storage import audit, people, saved_views
from storage.engine import Database
from storage.saved_views import Link, SavedView
from workbench.actions.again import again
from workbench.actions.refusing import notes_refusals
from workbench.actions.seeing import as_seen

LONGEST_NAME = 60  #: characters
LONGEST_VALUE, MOST_VALUES = 400, 40  #: of a query parameter: characters, and how many of one name


@notes_refusals
def list_views(database: Database, *, person_id: int, workflow_id: int, page: str) -> list[SavedView]:
    """This person's own views of the page and those that others share, by name."""
    with database.reading() as session:
        who = people.principal(session, person_id)
        who.require(Task.SEE_QUEUE, workflow_id)
        return as_seen(session, who, workflow_id, saved_views.known_to(session, person_id, workflow_id, page))


@again(in_doubt=True)
def save_view(
    database: Database, *, person_id: int, workflow_id: int, page: str, name: str, link: Link, is_shared: bool
) -> int:
    """Keep a page's query parameters under a name; the view's id. The same once more changes nothing.

    Raises:
        ViewRefused: the name is empty, too long or taken, or there is nothing to keep.
        NotAllowed: the person sees no queue in the workflow.
    """
    name = " ".join(name.split())
    _check(name, link)
    with database.writing() as session:
        people.principal(session, person_id).require(Task.SEE_QUEUE, workflow_id)
        for known in saved_views.known_to(session, person_id, workflow_id, page):
            if known.owner_id == person_id and (known.name, known.link, known.is_shared) == (name, link, is_shared):
                return known.id
            if known.name.casefold() == name.casefold():
                whose = "You have" if known.owner_id == person_id else f"{known.owner} shares"
                raise ViewRefused(f"{whose} a view called {known.name} already. Choose another name, or delete it.")
        view_id = saved_views.add(
            session,
            person_id=person_id,
            workflow_id=workflow_id,
            page=page,
            name=name,
            link=link,
            is_shared=is_shared,
        )
        if view_id is None:  # another tab was faster
            raise ViewRefused(f"You have a view called {name} already. Choose another name, or delete it.")
        details = {"view": view_id, "page": page, "shared": is_shared}
        audit.record(session, "view.saved", actor_id=person_id, workflow_id=workflow_id, details=details)
        return view_id


@again(in_doubt=True)
def delete_view(database: Database, *, person_id: int, view_id: int) -> None:
    """Forget a view of one's own; one that is gone already stays so.

    Raises:
        ViewRefused: it is somebody else's, which they share.
    """
    with database.writing() as session:
        people.principal(session, person_id)
        view = saved_views.get(session, view_id)
        if view is None or (view.owner_id != person_id and not view.is_shared):
            return  # what one cannot see is answered like what is not there
        if view.owner_id != person_id:
            raise ViewRefused(f"{view.name} is {view.owner}'s view, and only they can delete it.")
        saved_views.drop(session, view_id)
        audit.record(session, "view.deleted", actor_id=person_id, details={"view": view_id})


def _check(name: str, link: Link) -> None:
    if not name:
        raise ViewRefused("Give the view a name first.")
    if len(name) > LONGEST_NAME:
        raise ViewRefused(f"The name has {len(name)} characters, and {LONGEST_NAME} is the most. Choose a shorter one.")
    if not any(link.values()):
        raise ViewRefused("The queue is not filtered, so there is nothing to save. Filter it first.")
    if any(
        len(values) > MOST_VALUES or any(len(value) > LONGEST_VALUE for value in values) for values in link.values()
    ):
        raise ViewRefused("The filter is too long to be saved. Make it shorter.")
