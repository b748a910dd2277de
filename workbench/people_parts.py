"""The parts of the People page: requests, the table, one person's roles, and their account."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from review_queue.errors import ReviewError
from review_queue.roles import Principal, Role
from storage import workflows
from storage.engine import Database
from storage.people import Person
from workbench import reads
from workbench.actions import granting
from workbench.parts import local_time, plain, told_apart, untrusted_text, visible
from workbench.people_words import in_words, place_of
from workbench.settings import settings

SAID = "people-said"  #: what came of the last press: whether it was done, and a sentence
EVERYWHERE, WHOLE = "Every workflow", "The whole workflow"


def said() -> None:
    """What came of the last press."""
    told = st.session_state.pop(SAID, None)
    if told is not None:
        (st.success if told[0] else st.warning)(plain(told[1]))


def requests(user: Principal, database: Database) -> None:
    """Roles that wait for a second administrator, each with what can be done about it."""
    waiting = granting.list_requests(database, person_id=user.person_id)
    if not waiting:
        return
    st.subheader("Waiting for a second administrator", anchor=False)
    for each in waiting:
        is_own = user.person_id == each.asked_by
        answer = {"person_id": user.person_id, "request_id": each.id}
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.text(f"{visible(each.person)} as {each.role.value}, asked for by {visible(each.asker)}")
            if not is_own and st.button("Agree", key=f"agree-{each.id}", type="primary"):
                _do(
                    lambda answer=answer: granting.answer_request(database, **answer, give=True),
                    f"{each.person} is {each.role.value} now.",
                )
            if st.button("Take back" if is_own else "Refuse", key=f"refuse-{each.id}"):
                _do(
                    lambda answer=answer: granting.answer_request(database, **answer, give=False),
                    f"{each.person} does not become {each.role.value}.",
                )


def table(database: Database, everyone: list[Person]) -> None:
    """Everybody who ever signed in."""
    titles = _titles(database)
    rows = [
        {
            "person": person.id,
            "name": visible(person.name),
            "email": visible(person.email or ""),
            "roles": "; ".join(f"{held.grant.role.value} in {place_of(held.grant, titles)}" for held in person.held),
            "account": "erased" if person.is_erased else "disabled" if person.is_disabled else "open",
        }
        for person in everyone
    ]
    columns = {
        "person": st.column_config.NumberColumn("Number", width=70, format="%d"),
        "name": "Name",
        "email": "E-mail",
        "roles": "Roles",
        "account": st.column_config.TextColumn("Account", width=90),
    }
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=columns, alt="People, with their roles")


def choose(everyone: list[Person]) -> Person | None:
    """The person that the rest of the page is about; erased ones are not to be chosen."""
    living = {person.id: person for person in everyone if not person.is_erased}
    names = told_apart({key: person.name for key, person in living.items()})
    chosen = st.selectbox(
        "Person", list(living), index=None, format_func=lambda key: visible(names[key]), key="people-person",
        placeholder="Choose somebody to see and change what they may do",
    )  # fmt: skip
    return None if chosen is None else living[chosen]


def roles(user: Principal, database: Database, person: Person) -> None:
    """The roles that somebody holds, since when, and one more."""
    st.subheader("Roles", anchor=False)
    titles = _titles(database)
    if not person.held:
        st.caption("None yet. Without a role somebody can sign in, and sees nothing.")
    for place, held in enumerate(person.held):
        where = {"workflow": _keys(database).get(held.grant.workflow_id), "segment": held.grant.segment_path}
        given = f"by {held.granted_by}, " if held.granted_by else ""
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.text(f"{held.grant.role.value.capitalize()} in {visible(place_of(held.grant, titles))}")
            st.caption(plain(f"given {given}{local_time(held.granted_at)}"))
            if st.button("Take back", key=f"revoke-{person.id}-{place}"):
                _do(
                    lambda held=held, where=where: granting.revoke_role(
                        database, person_id=user.person_id, to=person.id, role=held.grant.role, **where
                    ),
                    f"{person.name} is no longer {held.grant.role.value} there, from the next step on.",
                )
    _one_more(user, database, person)


def _one_more(user: Principal, database: Database, person: Person) -> None:
    keys, titles = _keys(database), _titles(database)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            role = st.selectbox("Role", list(Role), format_func=lambda role: role.value.capitalize(), key="people-role")
            workflow_id = st.selectbox(
                "Where", [None, *keys], format_func=lambda key: titles.get(key, EVERYWHERE), key="people-workflow"
            )
            segment = None
            if workflow_id is not None and role is not Role.ADMINISTRATOR:
                parts = reads.segment_choices(database, person_id=user.person_id, workflow_id=workflow_id)
                segment = st.selectbox(
                    "Part", [None, *parts], format_func=lambda path: parts.get(path, WHOLE), key="people-segment"
                )
        if st.button("Give this role", key="people-grant", type="primary"):
            _give(user, database, person, role, keys.get(workflow_id), segment)


def _give(
    user: Principal, database: Database, person: Person, role: Role, workflow: str | None, segment: str | None
) -> None:
    try:
        given = granting.grant_role(
            database,
            person_id=user.person_id,
            to=person.id,
            role=role,
            workflow=workflow,
            segment=segment,
            needs_second=settings().two_administrators,
        )
    except ReviewError as refusal:
        st.session_state[SAID] = (False, str(refusal))
    else:
        waits = f"Another administrator has to agree before {person.name} is administrator."
        st.session_state[SAID] = (True, waits if given.is_waiting else f"{person.name} is {role.value} now.")
    st.rerun()


def account(user: Principal, database: Database, person: Person) -> None:
    """Shutting an account, opening it again, and erasing the person, with the effect shown first."""
    st.subheader("Account", anchor=False)
    if person.id == user.person_id:
        st.caption("This is your own account. Another administrator can shut or erase it.")
        return
    whom = {"person_id": user.person_id, "whom": person.id}
    if person.is_disabled:
        st.caption("Shut: nobody can work with it. Its roles are kept.")
        if st.button("Open it again", key=f"enable-{person.id}"):
            _do(lambda: granting.set_disabled(database, **whom, disabled=False), f"{person.name} can work here again.")
    else:
        st.caption("Open. Shutting it takes effect at the next step; what they hold goes back into the queue.")
        if st.button("Shut this account", key=f"disable-{person.id}"):
            _do(
                lambda: granting.set_disabled(database, **whom, disabled=True), f"The account of {person.name} is shut."
            )
    with st.expander("Erase this person", key=f"erase-panel-{person.id}", on_change="rerun") as panel:
        if panel.open:
            _erase(user, database, person)


def _erase(user: Principal, database: Database, person: Person) -> None:
    try:
        effect = granting.erasing_would(database, person_id=user.person_id, whom=person.id)
    except ReviewError as refusal:
        untrusted_text(str(refusal))
        return
    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in in_words(effect)))
    with st.form(f"erase-{person.id}", border=False):
        reason = st.text_input("Why, without naming them", key=f"erase-reason-{person.id}", max_chars=400)
        sure = st.checkbox("I know that nobody can take this back", key=f"erase-sure-{person.id}")
        if not st.form_submit_button("Erase for good"):
            return
    if not sure:
        st.warning("Nothing was changed. Say that you know that it cannot be taken back.")
        return
    _do(
        lambda: granting.erase_person(
            database,
            person_id=user.person_id,
            whom=person.id,
            reason=reason or "",
            bootstrapped=settings().administrators,
        ),
        f"Person {person.id} is erased. Backups from before still hold the name, until they are thrown away.",
    )


def _do(act: Callable[[], object], sentence: str) -> None:
    """Do it, and say what came of it in the next run."""
    try:
        act()
    except ReviewError as refusal:
        st.session_state[SAID] = (False, str(refusal))
    else:
        st.session_state[SAID] = (True, sentence)
    st.rerun()


def _titles(database: Database) -> dict[int | None, str]:
    with database.reading() as session:
        return {workflow.id: workflow.title for workflow in workflows.all(session)}


def _keys(database: Database) -> dict[int | None, str]:
    with database.reading() as session:
        return {workflow.id: workflow.key for workflow in workflows.all(session)}
