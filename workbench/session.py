"""What a page asks first: who is here, on which database, in which workflow."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from functools import cache

import streamlit as st
from sqlalchemy.exc import SQLAlchemyError

from review_queue.errors import DatabaseAway, DatabaseBusy, NotAllowed
from review_queue.roles import Principal
from storage import workflows
from storage.engine import Database, open_database
from storage.failures import Failure, failure_of
from storage.workflows import Workflow
from workbench import auth, sign_in, sockets
from workbench.actions import granting
from workbench.parts import plain
from workbench.settings import settings

#: The cookie by which a browser is known again; the server sets it, and no script can read it.
BROWSER_COOKIE = "workbench_browser"

DEMO_BANNER = "Demo mode: anyone can sign in as anyone. Do not put real data here."


def database() -> Database:
    """The process's one database."""
    return _opened(settings().database_url)


@cache
def _opened(url: str) -> Database:
    return open_database(url)


def require_user() -> Principal:
    """The person on this page, with at least one role; anybody else gets the sign-in screen and nothing more."""
    if settings().auth == "demo":
        st.markdown(f":orange-background[{DEMO_BANNER}]")
    try:
        user = signed_in()
    except NotAllowed as refusal:
        st.error(plain(str(refusal)))
        st.button("Sign out", on_click=sign_out)
        st.stop()
    if user is None:
        sign_in.show(database(), token=browser())
        st.stop()
    if not user.grants:
        sign_in.show_no_role(user)
        st.stop()
    return user


def signed_in() -> Principal | None:
    """Who is signed in, if anybody, as the database knows them now.

    The page's socket remembers whom it was drawn for, so that nobody presses on a page of somebody who has left.

    Raises:
        NotAllowed: the account is disabled, or vouched for by an issuer that is not ours.
    """
    try:
        who = _signed_in()
    except NotAllowed:
        drawn_for(None)
        raise
    drawn_for(who.person_id if who else None)
    return who


def drawn_for(person_id: int | None) -> None:
    """Tell the gate whom this page was drawn for."""
    sockets.drawn_for(st.context.headers.get(sockets.HEADER), person_id)


def _signed_in() -> Principal | None:
    if settings().auth == "demo":
        token = browser()
        return auth.person_of_browser(database(), token) if token else None
    if not st.user.get("is_logged_in"):
        return None
    chosen = settings()
    identity = auth.vouched(
        st.user.to_dict(), issuer=chosen.oidc_issuer, client_id=chosen.oidc_client_id, now=datetime.now(UTC)
    )
    if identity is None:
        return None
    who = auth.person_of_identity(database(), identity, administrators=settings().administrators)
    token = browser()
    if token and not auth.keep(database(), token, who.person_id, vouched_at=identity.vouched_at):
        return None
    return who


def signed_in_if_known() -> Principal | None:
    """The same, but nobody where that is refused, or cannot be read at the moment."""
    try:
        return signed_in()
    except NotAllowed:
        return None
    except (SQLAlchemyError, DatabaseAway, DatabaseBusy) as error:
        if isinstance(error, SQLAlchemyError) and failure_of(error) is Failure.OTHER:
            raise
        return None


def sign_out() -> None:
    """End the sign-in of this browser; in demo mode in all its tabs."""
    token = browser()
    if token:
        auth.sign_out(database(), token)
    st.query_params.clear()  # whoever signs in next has filters and items of their own
    if settings().auth == "oidc":
        st.logout()


def sign_out_everywhere(user: Principal) -> None:
    """End this person's sessions in every browser, this one included."""
    granting.sign_out_everywhere(database(), person_id=user.person_id, whom=user.person_id)
    sign_out()


def browser() -> str | None:
    """What the random token of this browser is known by."""
    token = st.context.cookies.get(BROWSER_COOKIE)
    return keyed(token) if token else None


def keyed(token: str) -> str:
    """A browser's token under the secret that signs cookies: with another secret every session has ended."""
    secret = settings().cookie_secret
    if secret is None:
        return token
    return hmac.new(secret.get_secret_value().encode(), token.encode(), hashlib.sha256).hexdigest()


def choose_workflow(user: Principal, *, key: str) -> Workflow | None:
    """The workflow that this page is about: the only one in scope, or the one chosen in the sidebar.

    None if there is none; the page then says what to do, and has nothing else to show.
    """
    in_scope = _workflows_of(user)
    if not in_scope:
        st.info(_how_to_start())
        return None
    chosen = in_scope[0] if len(in_scope) == 1 else _choice(in_scope, key=key)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(plain(chosen.title), width="content")
        if chosen.is_simulated:
            st.badge("Simulated data", icon=":material/science:", color="gray")
    return chosen


def prefer_workflow(key: str) -> None:
    """Let ``choose_workflow`` begin with this one. Nothing new goes into the link, which would take a second *Back*."""
    st.session_state["chosen_workflow"] = key
    if "workflow" in st.query_params:
        st.query_params["workflow"] = key


def _workflows_of(user: Principal) -> list[Workflow]:
    with database().reading() as session:
        everything = workflows.all(session)
    granted = {grant.workflow_id for grant in user.grants}
    return [workflow for workflow in everything if None in granted or workflow.id in granted]


def _choice(in_scope: list[Workflow], *, key: str) -> Workflow:
    """The choice is in the address, so that it holds from page to page and in a link."""
    keys = [workflow.key for workflow in in_scope]
    titles = {workflow.key: workflow.title for workflow in in_scope}
    wanted = st.query_params.get("workflow") or st.session_state.get("chosen_workflow")
    chosen = st.sidebar.selectbox(
        "Workflow",
        keys,
        index=keys.index(wanted) if wanted in keys else 0,
        format_func=titles.__getitem__,
        key=f"{key}-workflow",
    )
    st.session_state["chosen_workflow"] = st.query_params["workflow"] = chosen
    return in_scope[keys.index(chosen)]


def _how_to_start() -> str:
    if settings().auth == "demo":
        return (
            "There is no workflow yet. Sign out and load the simulated organisation, "
            "or add your own with `workbench workflow add FILE.toml`."
        )
    return "There is no workflow for you yet. Ask an administrator to add one, or to give you a role in it."
