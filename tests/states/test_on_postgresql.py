"""The same on PostgreSQL, in a file of its own, so that the two run side by side."""

from __future__ import annotations

import pytest

from tests.states.conftest import try_everything


@pytest.mark.storm
@pytest.mark.parametrize("world", ["postgresql"], indirect=True)
def test_promises_hold_in_whatever_order_things_happen(world):
    try_everything(world, steps=14)  # each step costs more round trips than SQLite takes
