"""Every screen, once: where it is, what it is called, and who can ever use it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from review_queue.roles import Principal, Task

PAGES = Path(__file__).parents[1] / "pages"
_PAGE = "page-in-view"


@dataclass(frozen=True, slots=True)
class Screen:
    """One page of the workbench."""

    section: str
    title: str
    file: str
    icon: str
    task: Task  #: hidden from those who may never do it; the page and the action ask again

    @property
    def path(self) -> str:
        """Where it is in the address."""
        return self.file.removesuffix(".py").replace("_", "-")


SCREENS = (
    Screen("Work", "My desk", "my_desk.py", ":material/desk:", Task.SEE_QUEUE),
    Screen("Work", "Review", "review.py", ":material/rate_review:", Task.REVIEW),
    Screen("Work", "Queue", "queue.py", ":material/list:", Task.SEE_QUEUE),
    Screen("Work", "Reconcile", "reconcile.py", ":material/account_tree:", Task.SEE_QUEUE),
    Screen("Work", "Decisions", "receipt.py", ":material/receipt_long:", Task.SEE_QUEUE),
    Screen("Analytics", "Ageing", "ageing.py", ":material/hourglass:", Task.SEE_ANALYTICS),
    Screen("Analytics", "Overrides", "overrides.py", ":material/call_split:", Task.SEE_ANALYTICS),
    Screen("Analytics", "Oversight", "oversight.py", ":material/visibility:", Task.SEE_ANALYTICS),
    Screen("Analytics", "Value added", "value_added.py", ":material/stairs:", Task.SEE_ANALYTICS),
    Screen("Analytics", "AI health", "ai_health.py", ":material/monitor_heart:", Task.SEE_ANALYTICS),
    Screen("Analytics", "Adoption", "adoption.py", ":material/filter_alt:", Task.SEE_ANALYTICS),
    Screen("Analytics", "Impact", "impact.py", ":material/compare_arrows:", Task.SEE_ANALYTICS),
    Screen("Analytics", "Alerts", "alerts.py", ":material/notification_important:", Task.SEE_ANALYTICS),
    Screen("Data", "Data", "data.py", ":material/database:", Task.IMPORT),
    Screen("Data", "Sources", "sources.py", ":material/hub:", Task.SEE_QUEUE),
    Screen("Data", "Deliveries", "deliveries.py", ":material/outbox:", Task.DELIVER),
    Screen("Govern", "Workflows", "workflows.py", ":material/account_balance:", Task.SEE_QUEUE),
    Screen("Govern", "Escalation", "escalation.py", ":material/stairs_2:", Task.SEE_QUEUE),
    Screen("Govern", "Incidents", "incidents.py", ":material/emergency_home:", Task.SEE_QUEUE),
    Screen("Govern", "Audit", "audit.py", ":material/policy:", Task.AUDIT),
    Screen("Govern", "People", "people.py", ":material/group:", Task.GRANT),
)


def choose_page(user: Principal | None) -> Any:
    """The page that the address names. All are known to Streamlit always, so that a link survives the sign-in."""
    sections: dict[str, list[Any]] = {}
    for place, screen in enumerate(SCREENS):
        page = st.Page(
            PAGES / screen.file,
            title=screen.title,
            icon=screen.icon,
            url_path=screen.path,
            default=place == 0,
            visibility="visible" if user and user.may(screen.task) else "hidden",
        )
        sections.setdefault(screen.section, []).append(page)
    # All of them in sight: beyond twelve the rest would wait behind a button.
    return st.navigation(sections, position="sidebar" if user else "hidden", expanded=True)


def remember_page(page: Any) -> None:
    """Note where this session is, each time that a whole page is drawn."""
    (screen,) = (screen for screen in SCREENS if screen.title == page.title)
    asked = {name: st.query_params.get_all(name) for name in st.query_params}
    st.session_state[_PAGE] = (_page_now(), screen.file, asked)


def return_if_astray() -> None:
    """From a timed fragment: back to the page in view, if the request came from one that was just left.

    A timer in the browser names the page that it shows. Where the server switches pages at that moment, Streamlit
    (1.67) takes the late request for a change of page, and leaves the new page empty.
    """
    place, file, asked = st.session_state.get(_PAGE, (None, None, None))
    if file is not None and place != _page_now():
        st.switch_page(PAGES / file, query_params=asked)


def _page_now() -> str | None:
    context = get_script_run_ctx()
    return context.page_script_hash if context else None
