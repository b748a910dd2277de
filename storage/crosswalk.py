"""The crosswalk: what each source calls a series, where it does not use our name for it.

It is learnt from rows that carry both names, and from then on either will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
from sqlalchemy import Text, and_, func, select, update
from sqlalchemy.orm import Session

from review_queue.rows import Checked, Findings
from storage import bulk
from storage.tables import identifiers, series, sources

#: How many identifiers a search gives.
LISTED = 200
#: The columns in which a source may have written its own name for a series.
_COULD_BE = ("series", "record_id")


@dataclass(frozen=True, slots=True)
class Identifier:
    """One name that a source has for a series."""

    id: int
    workflow_id: int
    source: str
    record_id: str  #: untrusted text
    series: str
    learnt_at: datetime  #: UTC


def resolve(session: Session, workflow_id: int, good: pd.DataFrame) -> Checked:
    """Rows of sources with ``series`` in our words, where it or ``record_id`` says which series is meant.

    Our own name comes first, then the source's name in ``series``, then ``record_id``; what none of them says stays
    as it is. A row may teach its ``record_id`` to the rows after it. Beside a ``record_id``, ``series`` is our name
    where we have it; without one, a text that is our name for one series and the source's for another says neither.

    Args:
        good: with ``series``, ``source``, ``record_id``.

    Returns:
        The rows with ``record_id`` (its own, else what stood in ``series``, NA for none), and those set aside whose
        ``record_id`` stands for another series, or whose ``series`` could be either of two.
    """
    findings = Findings(good.index)
    ours = _our_names(session, workflow_id, good["series"].unique().tolist())
    known = _standing(session, workflow_id, good)
    stored = dict(known)
    resolved, record_ids, wrong, stands_for = [], [], [], []
    for name, source, record_id in good[["series", "source", "record_id"]].itertuples(index=False):
        has_id = pd.notna(record_id)
        by_id = known.get((source, record_id)) if has_id else None
        means = name if name in ours else known.get((source, name)) or by_id or name
        is_wrong = by_id is not None and means != by_id
        if has_id and by_id is None and (name in ours or means != name):
            known[source, record_id] = means
        wrong.append(is_wrong)
        stands_for.append(by_id or "")
        resolved.append(means)
        record_ids.append(record_id if has_id else name if means != name else None)
    rows = good.assign(
        series=pd.Series(resolved, index=good.index, dtype="str"),
        record_id=pd.Series(record_ids, index=good.index, dtype="str"),
    )
    rows["is_new_id"] = [
        pd.notna(record_id) and (source, record_id) not in stored
        for source, record_id in rows[["source", "record_id"]].itertuples(index=False)
    ]
    # With all that the rows teach, so that it does not matter which of them comes first.
    theirs = [
        known.get((source, name), name) if name in ours and pd.isna(record_id) else name
        for name, source, record_id in good[["series", "source", "record_id"]].itertuples(index=False)
    ]
    also = pd.Series(theirs, index=good.index, dtype="str")
    findings.add(
        (also != good["series"]).to_numpy(), "series", "AMBIGUOUS_SERIES",
        "is the name of one series here, and what this source calls another, {text}. If {text} is meant, write that "
        "here. If the series of this name is, put the source's own name for it into record_id. If the source never "
        "calls {text} so, forget the identifier on the Sources page.", also,
    )  # fmt: skip
    findings.add(
        pd.Series(wrong, dtype="bool").to_numpy(), "record_id", "RECORD_ID_DIFFERS",
        "stands for {text} here, and this row puts it to another series. Correct one of them, or forget the "
        "identifier on the Sources page.", pd.Series(stands_for, index=good.index, dtype="str"),
    )  # fmt: skip
    return Checked(rows[~findings.is_wrong], findings.rows())


def learn(session: Session, rows: pd.DataFrame, source_ids: dict[str, int], *, import_id: int, now: datetime) -> None:
    """Keep what the rows teach: ``source, record_id, series_id, is_new_id``."""
    taught = rows[rows["is_new_id"]].drop_duplicates(["source", "record_id"])
    new = pd.DataFrame(
        {
            "source_id": taught["source"].map(source_ids),
            "record_id": taught["record_id"],
            "series_id": taught["series_id"],
            "learnt_at": pd.Timestamp(now),
            "import_id": import_id,
        }
    )
    bulk.insert_rows(session, identifiers, new)


def listed(session: Session, workflow_id: int, *, search: str = "") -> list[Identifier]:
    """The identifiers that stand whose own text, source or series holds ``search``; at most 200, by source and text."""
    found = [series.c.key, sources.c.key, identifiers.c.record_id]
    wanted = [each.icontains(search, autoescape=True) for each in found] if search else []
    rows = session.execute(
        select(identifiers, sources.c.workflow_id, sources.c.key.label("source"), series.c.key.label("series"))
        .join(sources, sources.c.id == identifiers.c.source_id)
        .join(series, series.c.id == identifiers.c.series_id)
        .where(sources.c.workflow_id == workflow_id, identifiers.c.ended_at.is_(None))
        .where(*([wanted[0] | wanted[1] | wanted[2]] if wanted else []))
        .order_by(sources.c.key, identifiers.c.record_id, identifiers.c.id)
        .limit(LISTED)
    )
    return [_identifier(row) for row in rows]


def standing(session: Session, identifier_id: int) -> Identifier | None:
    """The identifier with this id, if it stands."""
    row = session.execute(
        select(identifiers, sources.c.workflow_id, sources.c.key.label("source"), series.c.key.label("series"))
        .join(sources, sources.c.id == identifiers.c.source_id)
        .join(series, series.c.id == identifiers.c.series_id)
        .where(identifiers.c.id == identifier_id, identifiers.c.ended_at.is_(None))
    ).one_or_none()
    return None if row is None else _identifier(row)


def forget(session: Session, identifier_id: int, *, person_id: int, now: datetime) -> None:
    """End an identifier. What came under it stays where it went."""
    session.execute(
        update(identifiers)
        .where(identifiers.c.id == identifier_id, identifiers.c.ended_at.is_(None))
        .values(ended_at=now, ended_by=person_id)
    )


def count(session: Session, workflow_id: int) -> int:
    """How many identifiers stand."""
    query = select(func.count()).select_from(identifiers).join(sources, sources.c.id == identifiers.c.source_id)
    return session.execute(
        query.where(sources.c.workflow_id == workflow_id, identifiers.c.ended_at.is_(None))
    ).scalar_one()


def _our_names(session: Session, workflow_id: int, given: Sequence[str]) -> set[str]:
    wanted = bulk.given(session, "wanted", {"key": (Text(), list(given))})
    same = and_(series.c.workflow_id == workflow_id, series.c.key == wanted.c.key)
    found = session.execute(select(series.c.key).select_from(wanted).outerjoin(series, same)).scalars()
    return {key for key in found if key is not None}


def _standing(session: Session, workflow_id: int, good: pd.DataFrame) -> dict[tuple[str, str], str]:
    """(source, record id) → series, of all that the rows could mean."""
    named = pd.concat([good[["source", name]].set_axis(["source", "record_id"], axis=1) for name in _COULD_BE])
    named = named.dropna().drop_duplicates()
    columns = {name: (Text(), named[name].tolist()) for name in ("source", "record_id")}
    wanted = bulk.given(session, "wanted", columns)
    rows = session.execute(
        select(wanted.c.source, wanted.c.record_id, series.c.key)
        .select_from(wanted)
        .outerjoin(sources, and_(sources.c.workflow_id == workflow_id, sources.c.key == wanted.c.source))
        .outerjoin(
            identifiers,
            and_(
                identifiers.c.source_id == sources.c.id,
                identifiers.c.record_id == wanted.c.record_id,
                identifiers.c.ended_at.is_(None),
            ),
        )
        .outerjoin(series, series.c.id == identifiers.c.series_id)
    )
    return {(source, record_id): key for source, record_id, key in rows if key is not None}


def _identifier(row: object) -> Identifier:
    names = ("id", "workflow_id", "source", "record_id", "series", "learnt_at")
    return Identifier(*(getattr(row, name) for name in names))
