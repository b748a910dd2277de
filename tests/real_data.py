"""The real data sets with known answers, which lie beside a checkout and are not part of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
#: They are not ours to publish with the project: where they are missing, a new user's tests pass without them.
real_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the real data sets are not beside this checkout")
