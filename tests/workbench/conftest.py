"""Opening a page as somebody, without a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from streamlit.testing.v1 import AppTest

from workbench.settings import settings


@pytest.fixture
def open_as(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    """Open a page as somebody."""
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", database_url)
    settings.cache_clear()

    def opened(page: Callable[[], None], person_id: int = 0, **link: str) -> AppTest:
        at = AppTest.from_function(page, default_timeout=60)
        at.session_state["person_id"] = person_id
        for name, value in link.items():
            at.query_params[name] = value
        return at.run()

    yield opened
    settings.cache_clear()
