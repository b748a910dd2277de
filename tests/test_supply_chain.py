"""What is installed is pinned to the byte, and not older than where known holes were mended."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = {"requirements.txt": 20, "requirements-dev.txt": 20, ".ci/uv.txt": 1}  #: with how many packages at least
#: Package → the first version without a hole that would be reached from here.
FLOORS = {
    "streamlit": (1, 67),
    "starlette": (1, 1),
    "authlib": (1, 6, 6),
    "pyarrow": (23, 0, 1),
    "python-multipart": (0, 0, 22),
}
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?==(?P<version>[^ ;\\]+)[^\\]*\\?$")


def pins(text: str) -> tuple[dict[str, tuple[int, ...]], list[str]]:
    """The packages with their versions, and the lines of those without a hash or with no exact version."""
    found, slips = {}, []
    entries = re.split(r"\n(?=[^\s#])", text)
    for entry in filter(None, (each.strip() for each in entries)):
        first = entry.splitlines()[0]
        if first.startswith("#"):
            continue
        match = _PIN.match(first)
        if match is None or not re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry):
            slips.append(first)
            continue
        found[match["name"].lower()] = tuple(int(part) for part in re.findall(r"\d+", match["version"])[:4])
    return found, slips


@pytest.mark.parametrize("name", FILES)
def test_every_package_is_pinned_with_its_hash(name: str) -> None:
    found, slips = pins((ROOT / name).read_text(encoding="utf-8"))

    assert slips == []
    assert len(found) >= FILES[name]


@pytest.mark.parametrize(
    "line", ["streamlit>=1.67", "streamlit==1.67.0", "streamlit==1.67.0 \\\n    --hash=md5:abc", "git+https://x/y"]
)
def test_the_check_finds_what_is_not_pinned(line: str) -> None:
    assert pins(line)[1]


@pytest.mark.parametrize("package", FLOORS)
def test_no_package_is_older_than_where_a_known_hole_was_mended(package: str) -> None:
    installed, _ = pins((ROOT / "requirements.txt").read_text(encoding="utf-8"))

    assert installed[package] >= FLOORS[package]


@pytest.mark.parametrize("package", FLOORS)
def test_nor_may_it_become_so_when_versions_are_chosen_anew(package: str) -> None:
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (floor,) = re.findall(rf'"{package}>=([\d.]+)', declared)

    assert tuple(map(int, floor.split("."))) >= FLOORS[package]
