"""The sign-in screen: the only thing that anybody sees before they have signed in."""

from __future__ import annotations

import streamlit as st

from review_queue.errors import ReviewError
from review_queue.roles import Principal, Role
from storage import schema
from storage.engine import Database
from workbench import auth
from workbench.parts import plain, untrusted_text
from workbench.settings import settings

PROVIDER = "oidc"  #: the name of the provider's section among Streamlit's secrets

#: What each persona is here to do, in a few words.
DOES: dict[Role, str] = {
    Role.REVIEWER: "Clears the queue, mostly by keyboard.",
    Role.DIRECTOR: "Decides what reviewers pass up.",
    Role.MANAGER: "Watches waiting times and override rates.",
    Role.OWNER: "Answers for a workflow and its policy.",
    Role.AUDITOR: "Reads everything, changes nothing.",
    Role.ADMINISTRATOR: "Brings people and data in.",
}


def show(database: Database, *, token: str | None) -> None:
    """Ask who is there. ``token``: this browser's, in demo mode."""
    _, middle, _ = st.columns([1, 3, 1])
    with middle:
        st.title("Sign in to the review workbench", anchor=False)
        if settings().auth == "oidc":
            _ask_provider()
        elif token is None:
            st.info("This browser sent no cookie. Allow cookies for this address, then reload the page.")
        else:
            _ask_persona(database, token)


def show_no_role(user: Principal) -> None:
    """What somebody sees whom nobody has given a role."""
    st.title("Almost there", anchor=False)
    untrusted_text(f"You are signed in as {user.name} but have no role yet. Ask an administrator.")


#: What to say when the way to the identity provider and back did not end in a sign-in.
TOLD = {
    "away": "The identity provider does not answer, so nobody can sign in now. Whoever is signed in works on. "
    "Try again in a minute.",
    "failed": "The identity provider's answer could not be taken, so you are not signed in. Try again; if that does "
    "not help, tell an administrator.",
}


def _ask_provider() -> None:
    told = TOLD.get(st.query_params.get("sign-in", ""))
    if told:
        st.error(told)
    st.write("Your organisation says who you are. You come back to this page afterwards.")
    st.button(f"Sign in with {plain(settings().oidc_name)}", type="primary", on_click=st.login, args=[PROVIDER])


def _ask_persona(database: Database, token: str) -> None:
    if schema.is_empty(database):
        _offer_simulation(database)
    st.write("Choose whom to be. You can sign out and be somebody else at any time.")
    everyone = list(auth.PERSONAS)
    for pair in zip(everyone[::2], everyone[1::2], strict=True):
        for place, role in zip(st.columns(2), pair, strict=True):
            with place.container(border=True, height="stretch"):
                _offer(role, database, token)


def _offer(role: Role, database: Database, token: str) -> None:
    st.button(
        f"Sign in as {role.value}",
        key=f"sign-in-{role.name}",
        width="stretch",
        on_click=auth.sign_in_as,
        args=[database, token, role],
    )
    st.caption(DOES[role])


def _offer_simulation(database: Database) -> None:
    from workbench import demo  # brings SciPy along, for this one button

    with st.container(border=True):
        st.write("**There is nothing to review yet.** Start with a made-up sales organisation, ready in seconds.")
        if not st.button("Load the simulated organisation", type="primary"):
            st.caption("Or bring your own: `workbench workflow add FILE.toml`, then `workbench import`.")
            return
        with st.spinner("Making a sales organisation: regions, forecasts, past decisions …"):
            try:
                demo.load(database)
            except ReviewError as refusal:
                st.error(plain(str(refusal)))
                return
    st.rerun()
