"""Whatever happens to a queue, in whatever order: its promises hold after every step."""

from __future__ import annotations

import pytest

from tests.states.conftest import try_everything


@pytest.mark.storm
@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_promises_hold_in_whatever_order_things_happen(world):
    try_everything(world, steps=20)
