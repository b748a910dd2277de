"""The reason as it stands half written in a draft, whose dates are texts and whose fields may be missing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from review_queue.items import Reason

REASON_FIELDS = (
    "code", "text", "direction", "effect_low", "effect_mid", "effect_high", "confidence", "valid_from", "valid_until",
    "source_type", "source_ref", "already_in_model", "controllable", "paired_period",
)  # fmt: skip
#: The code whose value moves to another period, which is asked for with it only.
TIMING = "DEAL_TIMING"


def reason_in(draft: Mapping[str, Any]) -> Reason | None:
    """The reason as the draft has it; None while no code is chosen."""
    fields = {name: draft.get(name) for name in REASON_FIELDS}
    if not fields["code"]:
        return None
    if fields["code"] != TIMING:
        fields["paired_period"] = None
    dates = {name: date.fromisoformat(text) for name in ("valid_from", "valid_until") if (text := fields[name])}
    texts = {name: (fields[name] or "").strip() for name in ("text", "source_ref")}
    return Reason(**{**fields, **dates, **texts, "secondary": tuple(draft.get("secondary") or ())})
