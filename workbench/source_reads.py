"""What is shown of sources that disagree, read inside the person's scope: of one item, and of a workflow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sqlalchemy.orm import Session

from review_queue.confidence import Agreement
from review_queue.items import Item, SourceKind
from review_queue.measures.source_records import half_life
from review_queue.roles import Principal, Task
from storage import (
    crosswalk,
    exclusions,
    lessons,
    one_item,
    people,
    placing,
    showings,
    spoken_of,
    statements,
    workflows,
)
from storage.crosswalk import Identifier as Identifier
from storage.engine import Database, database_now
from storage.lessons import Lessons as Lessons
from storage.spoken_of import MOST as MOST
from storage.workflows import Workflow
from workbench.actions.again import again
from workbench.actions.hearing import Weighed as Weighed
from workbench.actions.hearing import weigh_item, weigh_said
from workbench.actions.refusing import notes_refusals
from workbench.actions.seeing import as_seen

DISPUTED = (
    "id", "name", "period", "segment", "lane", "due_at", "sources", "value", "low", "high", "apart", "agreement",
    "confidence", "far_off", "is_fresh",
)  # fmt: skip
#: From most to least in conflict.
_ORDER = [Agreement.CONFLICT, Agreement.STRONG, Agreement.SOME, Agreement.AGREE, Agreement.SINGLE]
_OWN = (SourceKind.AI, SourceKind.MANUAL)


@dataclass(frozen=True)
class Heard:
    """What is known of the sources of a workflow."""

    systems: pd.DataFrame  #: ``source``, ``n``, ``newest``: the other systems that have spoken
    learnt: Lessons
    identifiers: int


@again(in_doubt=True)
def weighed(database: Database, *, person_id: int, item: Item) -> Weighed | None:
    """What the sources of an item come to, as it is shown to this person; None where no other system has spoken."""
    with database.reading() as session:
        who = people.principal(session, person_id)
        one_item.require_visible(session, who, item.id)
        workflow = workflows.by_id(session, item.workflow_id)
        return as_seen(session, who, workflow, weigh_item(session, workflow, item))


@notes_refusals
def heard(database: Database, *, person_id: int, workflow: Workflow) -> Heard:
    """Which other systems have spoken in a workflow, and what was learnt of them.

    Raises:
        NotAllowed: the person may not see the queue.
    """
    with database.reading() as session:
        people.principal(session, person_id).require(Task.SEE_QUEUE, workflow.id)
        return Heard(
            systems=statements.heard(session, workflow.id),
            learnt=lessons.standing(session, workflow.id),
            identifiers=crosswalk.count(session, workflow.id),
        )


@notes_refusals
def disputed(database: Database, *, person_id: int, workflow: Workflow) -> pd.DataFrame:
    """Every open item in this person's scope that another system has spoken of, the furthest apart first: ``DISPUTED``.

    ``apart`` is the distance from the lowest to the highest source, as a share of the value; ``far_off`` names those
    that lie far from the rest. At most 5,000, the first in serving order.
    """
    with database.reading() as session:
        who = people.principal(session, person_id)
        who.require(Task.SEE_QUEUE, workflow.id)
        return _disputed(session, who, workflow)


@notes_refusals
def identifiers(database: Database, *, person_id: int, workflow: Workflow, search: str = "") -> list[Identifier]:
    """What the sources call the series, for those who may bring data in.

    Raises:
        NotAllowed: the person may not.
    """
    with database.reading() as session:
        people.principal(session, person_id).require(Task.IMPORT, workflow.id)
        return crosswalk.listed(session, workflow.id, search=search)


def records(known: Heard, workflow: Workflow) -> pd.DataFrame:
    """The record of each source, other systems first.

    Columns ``source``, ``n`` (periods whose actual is known), ``typical`` (miss as a share of the value), ``bias``
    (above 0 is too high), ``half_life`` (days), ``copies`` (from whom, by the policy), ``statements``, ``newest``.
    """
    names = [*known.systems["source"], *_OWN]
    rows = pd.DataFrame({"source": [str(name) for name in names]})
    rows = rows.merge(known.learnt.classes[["source", "n", "typical", "bias"]], how="left", on="source")
    rows = rows.merge(known.systems.rename(columns={"n": "statements"}), how="left", on="source")
    copied: dict[str, list[str]] = {}
    for each in workflow.policy.sources.overlaps:
        copied.setdefault(each.source, []).append(f"{each.copies} ({each.share:.0%})")
    return rows.assign(
        n=rows["n"].fillna(0),
        half_life=[half_life(name, workflow.policy) for name in rows["source"]],
        copies=[", ".join(copied.get(name, [])) for name in rows["source"]],
    )


def pairs(known: Heard, workflow: Workflow) -> pd.DataFrame:
    """Which sources' errors go together: ``source``, ``other``, ``n``, ``correlation``, ``told`` (by the policy)."""
    told = {(each.source, each.copies): each.share for each in workflow.policy.sources.overlaps}
    found = known.learnt.pairs
    shares = [
        told.get((source, other), told.get((other, source), np.nan))
        for source, other in zip(found["source"], found["other"], strict=True)
    ]
    return found.assign(told=pd.Series(shares, index=found.index, dtype="float64"))


def _disputed(session: Session, who: Principal, workflow: Workflow) -> pd.DataFrame:
    attribute = workflow.policy.sources.attribute
    found = spoken_of.open_items(session, who, workflow.id, attribute)
    if found.empty:
        return pd.DataFrame(columns=list(DISPUTED))
    said = _said(session, workflow, found)
    weighed_, groups = weigh_said(
        session, workflow, said, lessons.standing(session, workflow.id), now=database_now(session)
    )
    by_item = weighed_.groupby("group")
    spread = by_item["value"].max() - by_item["value"].min()
    names = weighed_[weighed_["is_far_off"]].groupby("group")["source"].agg(", ".join)
    rows = found.rename(columns={"item": "id"}).merge(groups, left_on="id", right_index=True)
    rows["apart"] = rows["id"].map(spread) / rows["value"].abs().where(rows["value"] != 0)
    rows["far_off"] = rows["id"].map(names).fillna("").astype("str")
    rows["rank"] = rows["agreement"].map(_ORDER.index)
    rows["calm"] = ~rows["has_conflict"].astype(bool)
    return rows.sort_values(["calm", "rank", "confidence", "id"], ignore_index=True)[list(DISPUTED)]


def _said(session: Session, workflow: Workflow, found: pd.DataFrame) -> pd.DataFrame:
    """What every source says of these items, but the AI where this person is not shown it, and who is left out."""
    ids, attribute = found["item"].to_numpy(dtype="int64"), workflow.policy.sources.attribute
    own = placing.standing_on(session, ids, showings.of(session, workflow.id))
    own = own[own["kind"].isin(_OWN)].rename(columns={"item_id": "group", "kind": "source", "made_at": "as_of"})
    hidden = found.loc[found["hides_ai"], "item"]
    own = own[~((own["source"] == SourceKind.AI) & own["group"].isin(hidden))]
    others = statements.of_items(session, attribute, ids.tolist()).rename(columns={"item": "group"})
    columns = ["group", "source", "value", "as_of"]
    own["as_of"] = pd.to_datetime(own["as_of"], utc=True).astype(others["as_of"].dtype)
    said = pd.concat([own[columns].astype({"source": "str"}), others[columns]], ignore_index=True)
    left_out = {(one.item_id, one.source) for one in exclusions.standing(session, ids.tolist())}
    is_counted = [pair not in left_out for pair in zip(said["group"], said["source"], strict=True)]
    return said[pd.Series(is_counted, index=said.index, dtype="bool")].reset_index(drop=True)
