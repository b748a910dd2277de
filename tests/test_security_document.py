"""docs/security.md names tests, and every one of them exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", TEXT)))


def test_every_test_that_is_named_exists() -> None:
    known: dict[str, set[str]] = {}
    missing = []
    for path, test in NAMED:
        if not (ROOT / path).is_file():
            missing.append(path)
            continue
        if path not in known:
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            known[path] = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        if test and test not in known[path]:
            missing.append(f"{path}::{test}")

    assert len(NAMED) > 60
    assert missing == []


def test_every_requirement_is_answered_once() -> None:
    rows = re.findall(r"^\| (\d+\.\d+\.\d+) \| .+? \| (.+?) \| .*\|$", TEXT, re.MULTILINE)

    assert len(rows) > 170
    assert len({number for number, _ in rows}) == len(rows)
    assert {answer for _, answer in rows} == {"met", "met in part", "not met", "operator", "deviation"}
