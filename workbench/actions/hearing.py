"""What the sources of an item say together, for one item or for many: read inside a transaction of somebody else."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy.orm import Session

from review_queue.confidence import Agreement
from review_queue.errors import SourcesInDoubt
from review_queue.items import Choice, Forecast, Item, Outcome
from review_queue.measures.reconciled import reconcile
from review_queue.source_words import doubt
from storage import exclusions, lessons, statements
from storage.engine import database_now
from storage.exclusions import LeftOut
from storage.lessons import Lessons
from storage.workflows import Workflow


@dataclass(frozen=True)
class Weighed:
    """What the sources of one item come to."""

    #: One row a source, the heaviest first: ``source``, ``value``, ``as_of``, ``by``, and what
    #: ``measures.reconciled.reconcile`` says of it.
    statements: pd.DataFrame
    left_out: tuple[LeftOut, ...]
    others: pd.DataFrame  #: what is said of other attributes: ``attribute``, ``source``, ``value``, ``as_of``
    value: float | None = None  #: in the unit; None where every source is left out, or nothing measures them
    low: float | None = None
    high: float | None = None
    median: float | None = None  #: the weighted one, where it says something else
    agreement: Agreement | None = None
    tolerance: float | None = None  #: what confidence is about, in the unit
    confidence: float | None = None  #: 0 to 1
    is_fresh: bool = True
    has_conflict: bool = False
    outcomes: int = 0  #: known actuals that corrected confidence; 0: it is uncalibrated

    @property
    def moves_it_most(self) -> tuple[str, float] | None:
        """The source without which the value would change most, and what it would be; None where there is only one."""
        if self.value is None or self.statements["without"].isna().all():
            return None
        place = int((self.statements["without"] - self.value).abs().fillna(-1.0).to_numpy().argmax())
        return str(self.statements["source"].iloc[place]), float(self.statements["without"].iloc[place])


def weigh_item(session: Session, workflow: Workflow, item: Item) -> Weighed | None:
    """What the sources of an item come to, as it is shown: where the AI's value is hidden, it does not speak.

    None where no other system has spoken of it.
    """
    attribute = workflow.policy.sources.attribute
    others = statements.other_attributes(session, item.series_id, attribute, item.period_start)
    said = _of_items(session, workflow, [item])
    if said.empty and others.empty:
        return None
    left_out = exclusions.standing(session, [item.id])
    counted = said[~said["source"].isin([one.source for one in left_out])]
    found = Weighed(counted, tuple(left_out), others)
    if counted.empty:
        return found
    learnt = lessons.standing(session, workflow.id)
    weighed, groups = weigh_said(session, workflow, counted, learnt, now=database_now(session))
    if groups.empty:
        return found
    one = groups.iloc[0]
    return Weighed(
        statements=weighed.sort_values("share", ascending=False, kind="stable"),
        left_out=tuple(left_out),
        others=others,
        value=float(one["value"]),
        low=float(one["low"]),
        high=float(one["high"]),
        median=_known(one["median"]),
        agreement=one["agreement"],
        tolerance=float(one["tolerance"]),
        confidence=_known(one["confidence"]),
        is_fresh=bool(one["is_fresh"]),
        has_conflict=bool(one["has_conflict"]),
        outcomes=learnt.outcomes if learnt.curve else 0,
    )


def weigh_said(
    session: Session, workflow: Workflow, said: pd.DataFrame, learnt: Lessons, *, now: datetime
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """``reconcile`` for what is said of items now.

    Args:
        said: ``group`` (an item's id), ``source``, ``value``, ``as_of``.
    """
    attribute = workflow.policy.sources.attribute
    own = statements.records(session, attribute, said["group"].unique().tolist())
    known = said[["group", "source"]].merge(own, how="left", on=["group", "source"]).set_axis(said.index)
    classes = learnt.classes.set_index("source")
    records = known[["squares", "count"]].fillna(0.0)
    records["class_mean_square"] = said["source"].map(classes["mean_square"]).astype("float64")
    records["class_count"] = said["source"].map(classes["n"]).fillna(0.0).astype("float64")
    ready = said.assign(at=pd.Timestamp(now), materiality=workflow.policy.materiality or np.nan)
    return reconcile(ready, records, workflow.policy, curve=learnt.curve)


def doubts(session: Session, workflow: Workflow, found: Collection[Item]) -> dict[int, str]:
    """Of these items, those whose AI value is not to be accepted at one press: id → why, in a clause.

    Empty where the policy does not ask, and for items that no other system has spoken of.
    """
    asked = workflow.policy.sources.one_key_from
    with_ai = [item for item in found if item.ai is not None]
    if asked is None or not with_ai:
        return {}
    said = _of_items(session, workflow, with_ai)
    left_out = {(one.item_id, one.source) for one in exclusions.standing(session, [item.id for item in with_ai])}
    is_counted = [pair not in left_out for pair in zip(said["group"], said["source"], strict=True)]
    said = said[pd.Series(is_counted, index=said.index, dtype="bool")]
    if said.empty:
        return {}
    learnt = lessons.standing(session, workflow.id)
    _, groups = weigh_said(session, workflow, said, learnt, now=database_now(session))
    low = groups[groups["confidence"] < asked]
    pairs = zip(low.index.tolist(), low["confidence"].tolist(), strict=True)
    return {int(item): doubt(confidence, asked) for item, confidence in pairs}


def check_doubt(session: Session, workflow: Workflow, item: Item, choice: Choice) -> str | None:
    """Refuse to accept the AI's value without a word where the sources leave too much doubt.

    With a word it is accepted all the same, and the doubt is returned to be put on record.

    Raises:
        SourcesInDoubt: confidence lies below what the policy asks, and the choice says nothing, or is one of many.
    """
    if choice.outcome is not Outcome.ACCEPT_AI:
        return None
    why, is_together = doubts(session, workflow, [item]).get(item.id), choice.mode == "bulk"
    if why is not None and (is_together or not choice.note.strip()):
        raise SourcesInDoubt(item.id, why, together=is_together)
    return why


def _of_items(session: Session, workflow: Workflow, found: Collection[Item]) -> pd.DataFrame:
    """What stands about these items: of other systems, and where one of them speaks, of the AI and of people."""
    attribute = workflow.policy.sources.attribute
    of_others = statements.of_items(session, attribute, [item.id for item in found])
    spoken_of = set(of_others["item"])
    own = [
        _own(item, forecast)
        for item in found
        if item.id in spoken_of
        for forecast in (item.ai, item.manual)
        if forecast is not None
    ]
    rows = [*own, *of_others.rename(columns={"item": "group"}).assign(by=None).to_dict("records")]
    said = pd.DataFrame(rows, columns=["group", "series", "source", "value", "as_of", "by", "record_id"])
    said["as_of"] = pd.to_datetime(said["as_of"], utc=True).astype("datetime64[us, UTC]")
    return said.astype({"value": "float64", "source": "str"})


def _own(item: Item, forecast: Forecast) -> dict[str, Any]:
    by = forecast.author or forecast.model_version
    as_of = forecast.made_at or forecast.received_at
    about = {"group": item.id, "series": item.series_id, "source": forecast.kind.value}
    return {**about, "value": forecast.value, "as_of": as_of, "by": by, "record_id": None}


def _known(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
