"""Faults that people and machines cause at the page, small; ``make crash`` prints them with the others."""

from __future__ import annotations

import pytest

from tests.crash.test_crash import crash

pytestmark = [pytest.mark.browser, pytest.mark.storm]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_press_counts_once_and_the_page_tells_how_it_ended(database):
    crash("--faults", "F7,F8,F10,F11", "--database", database)
