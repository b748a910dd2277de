"""``pages → workbench → storage → review_queue``: each imports only what stands to its right."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("pages", "workbench", "storage", "review_queue")
MAY_IMPORT = {
    "pages": {"pages", "workbench", "review_queue"},
    "workbench": {"workbench", "storage", "review_queue"},
    "storage": {"storage", "review_queue"},
    "review_queue": {"review_queue"},
}
WITHOUT_STREAMLIT = ("review_queue", "storage", "workbench/actions")
#: What of SQLAlchemy a layer above storage may name: no statement can be written with these.
HARMLESS = {"sqlalchemy.exc", "sqlalchemy.engine.make_url", "sqlalchemy.orm.Session"}


def imports_of(source: str) -> set[str]:
    """The full dotted names that ``source`` imports, wherever in it they stand."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            found |= {"relative"}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def violations(path: str, source: str) -> list[str]:
    """What the module at ``path`` (from the root, with /) imports against the rules."""
    layer, names = path.split("/")[0], imports_of(source)
    found = [
        f"{path} imports {name}"
        for name in sorted(names)
        if name.split(".")[0] in LAYERS and name.split(".")[0] not in MAY_IMPORT[layer]
    ]
    if path.startswith(WITHOUT_STREAMLIT):
        found += [f"{path} imports {name}" for name in sorted(names) if name.split(".")[0] == "streamlit"]
    if layer != "storage":
        found += [
            f"{path} imports {name}, but only storage speaks SQL"
            for name in sorted(names)
            if name.split(".")[0] == "sqlalchemy" and not any(name.startswith(word) for word in HARMLESS)
        ]
    if "relative" in names:
        found.append(f"{path} imports by a relative name, which hides the layer")
    return found


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_point_one_way(layer: str) -> None:
    found = [
        violation
        for path in sorted((ROOT / layer).rglob("*.py"))
        for violation in violations(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    ]

    assert found == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("review_queue/rules.py", "from storage import queue"),
        ("review_queue/rules.py", "def late():\n    import workbench.session"),
        ("review_queue/rules.py", "from sqlalchemy import select"),
        ("review_queue/rules.py", "import streamlit as st"),
        ("storage/queue.py", "from workbench.settings import settings"),
        ("storage/queue.py", "import streamlit"),
        ("workbench/actions/reviewing.py", "import streamlit as st"),
        ("workbench/actions/reviewing.py", "from sqlalchemy import select"),
        ("workbench/reads.py", "import pages.review"),
        ("workbench/reads.py", "from .session import database"),
        ("pages/review.py", "from storage.engine import Database"),
    ],
)
def test_the_check_finds_a_planted_violation(path: str, source: str) -> None:
    assert len(violations(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("pages/review.py", "import streamlit as st\nfrom workbench.session import require_user"),
        ("workbench/session.py", "import streamlit as st\nfrom storage.engine import Database"),
        ("workbench/actions/reviewing.py", "from storage import queue\nfrom sqlalchemy.exc import IntegrityError"),
        ("storage/queue.py", "from sqlalchemy import select\nfrom review_queue.items import Item"),
    ],
)
def test_the_check_lets_the_right_direction_pass(path: str, source: str) -> None:
    assert violations(path, source) == []


def test_no_module_beside_the_entry_script_is_named_like_a_standard_one() -> None:
    """Streamlit puts the folder of its entry script on the path, where such a name would hide the standard one."""
    names = {path.stem for path in (ROOT / "workbench").iterdir() if path.suffix == ".py" or path.is_dir()}

    assert names & set(sys.stdlib_module_names) == set()


def test_no_pages_folder_stands_beside_the_entry_script() -> None:
    """Streamlit would serve it by its old way, past the entry script."""
    assert not (ROOT / "workbench" / "pages").exists()
