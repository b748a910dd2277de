from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import Workbench, serving, settled, sign_in
from workbench.auth import PERSONAS
from workbench.navigation import SCREENS
from workbench.session import DEMO_BANNER

pytestmark = pytest.mark.browser

ROLES = [role.value for role in PERSONAS]
PATHS = ["/", *(f"/{screen.path}" for screen in SCREENS[1:])]
SECRET, CLIENT_SECRET = "7d1f9a3c5e8b2046" * 2, "0123456789abcdef" * 2
SIGN_IN = "Sign in to the review workbench"


@pytest.mark.parametrize("role", [ROLES[0], *(pytest.param(role, marks=pytest.mark.long) for role in ROLES[1:])])
def test_each_role_signs_in_by_its_own_button(page: Page, shared_workbench: Workbench, role: str) -> None:
    sign_in(page, shared_workbench, role)

    expect(page.get_by_text(f"({role})")).to_be_visible()
    expect(page.get_by_role("heading", name=SIGN_IN)).to_be_hidden()


def test_signing_out_shuts_every_page_again(page: Page, shared_workbench: Workbench) -> None:
    sign_in(page, shared_workbench, "manager")

    page.get_by_role("button", name="Sign out").click()

    expect(page.get_by_role("heading", name=SIGN_IN)).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name=SIGN_IN)).to_be_visible()


def test_every_page_is_shut_before_sign_in(page: Page, shared_workbench: Workbench) -> None:
    for path in PATHS:
        page.goto(f"{shared_workbench.url}{path}")

        expect(page.get_by_role("heading", name=SIGN_IN)).to_be_visible()
        settled(page)
        expect(page.get_by_role("heading")).to_have_count(1)
        expect(page.get_by_test_id("stSidebar")).to_have_count(0)
        expect(page.get_by_role("table")).to_have_count(0)


@pytest.mark.long
def test_demo_mode_says_so_before_the_sign_in_and_on_every_page(page: Page, shared_workbench: Workbench) -> None:
    page.goto(shared_workbench.url)
    expect(page.get_by_text(DEMO_BANNER)).to_be_visible()

    sign_in(page, shared_workbench, "director")

    for path in PATHS:
        page.goto(f"{shared_workbench.url}{path}")
        expect(page.get_by_text(DEMO_BANNER)).to_be_visible()


def test_a_deep_link_is_kept_through_the_sign_in(page: Page, shared_workbench: Workbench) -> None:
    sign_in(page, shared_workbench, "reviewer", "/queue?lane=due")

    assert page.url == f"{shared_workbench.url}/queue?lane=due"
    expect(page).to_have_title("Queue · Review workbench")


@pytest.mark.long
def test_a_reload_and_another_tab_keep_the_sign_in(page: Page, shared_workbench: Workbench) -> None:
    sign_in(page, shared_workbench, "auditor")

    page.reload()
    expect(page.get_by_text("(auditor)")).to_be_visible()
    tab = page.context.new_page()
    tab.goto(f"{shared_workbench.url}/ageing")

    expect(tab.get_by_text("(auditor)")).to_be_visible()


def test_another_browser_is_not_signed_in(new_page: Callable[[], Page], shared_workbench: Workbench) -> None:
    mine, theirs = new_page(), new_page()
    sign_in(mine, shared_workbench, "director")

    theirs.goto(shared_workbench.url)

    expect(theirs.get_by_role("heading", name=SIGN_IN)).to_be_visible()


@pytest.mark.long
def test_the_menu_leaves_out_what_a_role_can_never_use(page: Page, shared_workbench: Workbench) -> None:
    sign_in(page, shared_workbench, "manager")

    links = page.get_by_test_id("stSidebarNav").get_by_role("link")
    work = ("My desk", "Queue", "Reconcile", "Decisions")
    watch = ("Ageing", "Overrides", "Oversight", "Value added", "AI health", "Adoption", "Impact", "Alerts")
    act = ("Incidents", "Escalation")
    expect(links).to_have_text([re.compile(title) for title in (*work, *watch, *act, "Sources")])


def test_the_policy_of_the_server_refuses_nothing_that_the_pages_need(page: Page, shared_workbench: Workbench) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None)

    sign_in(page, shared_workbench, "director")
    for path in PATHS:
        page.goto(f"{shared_workbench.url}{path}")
        expect(page.get_by_text("(director)").first).to_be_visible()
        settled(page)

    assert complaints == []


@pytest.mark.long
def test_the_server_does_not_say_what_it_is_made_of(page: Page, shared_workbench: Workbench) -> None:
    for path in ("/", "/healthz", "/api/v1", "/_stcore/health"):
        assert "server" not in page.request.get(shared_workbench.url + path).headers


@pytest.mark.long
def test_an_empty_database_offers_the_simulated_organisation(page: Page, workbench: Workbench) -> None:
    page.goto(workbench.url)
    page.get_by_role("button", name="Load the simulated organisation").click()

    expect(page.get_by_role("button", name="Load the simulated organisation")).to_have_count(0)
    sign_in(page, workbench, "reviewer")

    expect(page.get_by_text("Simulated data").first).to_be_visible()


@pytest.fixture
def provider() -> Iterator[str]:
    """The address of a real identity provider on this machine, who knows one person."""
    from oidc_provider_mock import User, run_server_in_thread

    known = User(sub="u-17", claims={"name": "Noor Example", "email": "noor@example.com"})
    with run_server_in_thread(port=0, user_claims=[known]) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.mark.long
def test_an_unknown_person_has_no_role_until_an_administrator_grants_one(
    page: Page, sqlite_url: str, tmp_path: Path, provider: str
) -> None:
    # The provider's sign-in page dresses itself from elsewhere, and tests stay on this machine.
    page.route(re.compile(r"https://"), lambda route: route.abort())
    with serving(  # on SQLite: the tests' PostgreSQL is asked as a superuser, with whom no such server starts
        sqlite_url,
        tmp_path,
        auth="oidc",
        oidc_name="Example",
        oidc_issuer=provider,
        oidc_client_id="workbench",
        oidc_client_secret=CLIENT_SECRET,
        oidc_redirect_uri="http://127.0.0.1:{port}/oauth2callback",
        cookie_secret=SECRET,
    ) as workbench:
        page.goto(f"{workbench.url}/ageing?workflow=retail")
        expect(page.get_by_role("heading", name=SIGN_IN)).to_be_visible()
        page.get_by_role("button", name="Sign in with Example", exact=True).click()
        page.locator("input[name=sub]").fill("u-17")
        page.get_by_role("button", name=re.compile("authori[sz]e|log in|sign in", re.IGNORECASE)).first.click()

        expect(
            page.get_by_text("You are signed in as Noor Example but have no role yet. Ask an administrator.")
        ).to_be_visible()
        people = json.loads(workbench.command("people", "list", "--json"))
        (noor,) = [person for person in people if person["subject"] == "u-17"]
        assert noor["issuer"] == provider
        workbench.command("people", "grant", str(noor["person"]), "manager")
        page.reload()

        expect(page.get_by_role("link", name="Ageing")).to_be_visible()
        assert page.url == f"{workbench.url}/ageing?workflow=retail"
        names = {cookie["name"] for cookie in page.context.cookies()}
        assert not any(name.startswith("_streamlit_user_tokens") for name in names)
        assert page.request.get(f"{workbench.url}/media/none.csv").status == 404, "past the gate, which would say 403"
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("button", name="End session").click()  # the provider's own page asks
        expect(page.get_by_role("heading", name=SIGN_IN)).to_be_visible()
