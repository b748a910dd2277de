"""``make defects`` breaks the product by replacing text; each commit sees here that the text is still there."""

from __future__ import annotations

import pytest

from tests.crash.defects import DEFECTS, ROOT, Change


@pytest.mark.parametrize(
    "change", [change for defect in DEFECTS for change in defect.changes], ids=lambda one: one.path
)
def test_what_a_defect_replaces_is_there_once(change: Change):
    assert (ROOT / change.path).read_text().count(change.find) == 1
