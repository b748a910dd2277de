"""What differs between two versions of a policy, setting by setting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tomlkit

from review_queue.workflows import Policy

UNSET = "not set"


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that differs."""

    setting: str  #: as in the file: ``tolerance``, ``calendar.country``
    before: str  #: untrusted text
    after: str  #: untrusted text


def changes(before: Policy, after: Policy) -> list[Change]:
    """The settings that differ, in the order of the file."""
    was, then = (dict(_flat(policy.model_dump(mode="json"))) for policy in (before, after))
    names = [*was, *(name for name in then if name not in was)]
    return [
        Change(name, _in_words(was.get(name)), _in_words(then.get(name)))
        for name in names
        if was.get(name) != then.get(name)
    ]


def as_toml(policy: Policy) -> str:
    """The policy as a workflow file holds it: every setting that differs from its default, and the required ones."""
    fields = policy.model_dump(mode="json", exclude_defaults=True)
    tables = {name: value for name, value in fields.items() if isinstance(value, dict) or _are_tables(value)}
    plain = {name: value for name, value in fields.items() if name not in tables}
    return tomlkit.dumps(_without_none({**plain, **tables}))


def _are_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(each) for name, each in value.items() if each is not None}
    return [_without_none(each) for each in value] if isinstance(value, list) else value


def _flat(fields: dict[str, Any], above: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in fields.items():
        found += _flat(value, f"{above}{name}.") if isinstance(value, dict) else [(f"{above}{name}", value)]
    return found


def _in_words(value: Any) -> str:
    if value is None or value in ("", []):
        return UNSET
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "; ".join(_in_words(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_in_words(each)}" for name, each in value.items() if each is not None)
    return f"{value:g}" if isinstance(value, float) else str(value)
