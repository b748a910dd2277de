"""Whether review is real, in five questions and never one score (METHODS 4.1, 4.10).

Does a reviewer look, discriminate, differ, explain, catch? Signals of different questions together are a reason for a
conversation, about the system first. Nothing here ranks people.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from review_queue.measures import attention, batching, catching, following
from review_queue.measures import overrides as overriding
from review_queue.measures.funnel import FEWEST_GROUPS
from review_queue.measures.groups import split
from review_queue.measures.overrides import NOT_ENOUGH, OUTSIDE, WORTH_A_LOOK, state_of
from review_queue.measures.shares import shares
from review_queue.measures.wording import reasons_written

COLUMNS = ("group", "n", "signals")
SIGNAL_COLUMNS = ("group", "question", "name", "value", "n", "usual", "low", "high", "beyond", "enough", "state")
REVEALED_FROM = 60  #: decisions from which a name may be shown to a manager who looks closer
QUESTIONS = ("look", "discriminate", "differ", "explain", "catch")

#: METHODS 4.10: what may well be behind a signal, in the order in which it is said.
BENIGN = (
    "Easy mix: the items may have been unlike other people's in a way that band, place and deadline do not show.",
    "Good AI: where it is right, there is little to change and little to look for.",
    "Overload: more work than time makes anyone quick; see how full the queue was.",
    "Missing evidence: the panels may not have had what was needed, or it was known already.",
    "Unclear guideline: it may not say when to leave the AI's value, or which reason to give.",
)


@dataclass(frozen=True, slots=True)
class Signal:
    """One figure that is compared with other people's."""

    name: str
    question: str
    show: int  #: items from which it is shown
    conclude: int  #: items from which it may be worth a look (METHODS 9)
    worry: tuple[int, ...]  #: sides of the usual range that are: -1 below, +1 above
    words: str  #: what was noticed, when it is worth a look


ENGAGEMENT = Signal("engagement", "look", 20, 40, (-1,), "Flagged items were often accepted within seconds.")
EVIDENCE = Signal("evidence_opened", "look", 20, 40, (-1,), "Evidence of flagged items was seldom opened.")
FAST = Signal("fast_decisions", "look", 20, 40, (1,), "Many decisions were much faster than usual for the same person.")
BURSTS = Signal("in_bursts", "look", 20, 40, (1,), "Flagged items were often decided in bursts.")
LAST_TENTH = Signal("in_last_tenth", "look", 20, 40, (1,), "Flagged items were often decided just before the deadline.")
FOLLOWS = Signal("follows_gap", "discriminate", 10, 100, (-1,), "Decisions do not follow the size of the gap.")
LARGE_GAPS = Signal("large_gaps_accepted", "discriminate", 20, 40, (1,), "Large gaps were often accepted unchanged.")
OVERRIDES = Signal("override_ratio", "differ", 20, 60, (-1, 1), "Overrides were {} than such items usually have.")
REPEATED = Signal("repeated_reasons", "explain", 20, 40, (1,), "The same reason text was often used again.")
SPECIFIC = Signal("specific_reasons", "explain", 20, 40, (-1,), "Reasons seldom name a customer, date or amount.")
MISSED = Signal("missed_catches", "catch", 30, 30, (1,), "Bad AI forecasts were often let through.")
HELPED = Signal("helpful_overrides", "catch", 100, 100, (-1,), "Overrides seldom came nearer to what happened.")
SIGNALS = (
    *(ENGAGEMENT, EVIDENCE, FAST, BURSTS, LAST_TENTH),
    *(FOLLOWS, LARGE_GAPS),
    *(OVERRIDES,),
    *(REPEATED, SPECIFIC),
    *(MISSED, HELPED),
)
_BY_NAME = {signal.name: signal for signal in SIGNALS}


def oversight(
    reviews: pd.DataFrame,
    *,
    tolerance: float,
    groups: pd.Series | None = None,
    tiers: pd.Series | None = None,
    names: Iterable[str] = (),
) -> pd.DataFrame:
    """The signals of each group, as the report gives them. Arguments: as for ``signals``.

    Returns:
        ``group``, ``n`` (decisions) and ``signals``: a list of dicts ``name``, ``value`` (None where it is not shown),
        ``n`` and ``state``, always all of ``SIGNALS`` in their order. Groups stand by name, never by a figure.
    """
    decided = overriding.judged(reviews)
    sizes = {name: len(part) for name, part in split(decided, groups)}
    found = signals(reviews, tolerance=tolerance, groups=groups, tiers=tiers, names=names)
    told = found[["name", "value", "n", "state"]].astype({"value": "object"})
    told["value"] = told["value"].where(found["value"].notna(), None)
    told["group"] = found["group"].where(found["group"].notna(), None)
    by_group = {name: told[told["group"].isna() if name is None else told["group"] == name] for name in sizes}
    shown = ["name", "value", "n", "state"]
    rows = [{"group": name, "n": n, "signals": by_group[name][shown].to_dict("records")} for name, n in sizes.items()]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def signals(
    reviews: pd.DataFrame,
    *,
    tolerance: float,
    groups: pd.Series | None = None,
    tiers: pd.Series | None = None,
    names: Iterable[str] = (),
) -> pd.DataFrame:
    """Every signal of every group, with its limits: what the report and ``conversation`` are made from.

    Args:
        reviews: with ``state``, ``reviewer``, ``final``, ``ai``, ``manual``, ``actual``, ``u``, ``band``, ``flagged``,
            ``created_at``, ``decided_at``, ``due_at``, ``reason``, ``note`` and ``is_lower_bound``; where they are
            there, ``opened_at``, ``first_evidence_at``, ``hours_to_deadline``, ``batch`` and ``scale``.
        groups: people, or other groups to compare with each other. A single one has nobody to be compared with.
        tiers: the top level of each review's segment.
        names: customers and people, for the reasons' texts.

    Returns:
        One row per group and signal: ``question``, ``name``, ``value`` and ``usual`` (NaN below the minimum to show),
        ``n``, ``low`` and ``high`` (the 95 % interval of the value), ``beyond`` (0, 95 or 99.8: the limit that is
        passed on the side that matters), ``enough`` (n reaches the minimum to conclude), ``state``. Values are shares,
        0 to 1, but for ``override_ratio`` (observed over expected) and ``follows_gap`` (AUC).
    """
    marks = {
        ENGAGEMENT: attention.took_time(reviews, tolerance=tolerance),
        EVIDENCE: attention.evidence_opened(reviews),
        FAST: attention.fast_for_both(reviews),
        BURSTS: batching.in_bursts(reviews),
        LAST_TENTH: batching.in_last_tenth(reviews),
        LARGE_GAPS: following.large_gaps_accepted(reviews, tolerance=tolerance),
        MISSED: catching.missed_catches(reviews, tolerance=tolerance),
        HELPED: catching.helpful_overrides(reviews, tolerance=tolerance),
    }
    written = reasons_written(reviews, tolerance=tolerance, names=names)
    marks |= {REPEATED: written["repeated"], SPECIFIC: written["specific"]}
    groups_of = [name for name, _ in split(overriding.judged(reviews), groups)]
    tables = {signal: _shares(signal, marked, groups) for signal, marked in marks.items()}
    tables[OVERRIDES] = _overrides(overriding.override_funnel(reviews, tolerance=tolerance, groups=groups, tiers=tiers))
    tables[FOLLOWS] = _following(following.follows_gap(reviews, tolerance=tolerance, groups=groups))
    whole = [_filled(tables[signal], signal, groups_of) for signal in SIGNALS]
    return pd.concat(whole, ignore_index=True)[list(SIGNAL_COLUMNS)]


def conversation(found: pd.DataFrame) -> bool:
    """Whether one group's signals are a reason for a conversation.

    At least two different questions must speak, with signals that have enough items to conclude from. A question
    speaks with one signal past its 99.8 % limit, or with two past 95 %.

    Args:
        found: the rows of one group from ``signals``.

    Source: METHODS 4.1; that the two past 95 % belong to one question is our reading: over twelve signals, any two
    past 95 % would be common by chance.
    """
    return len(speaking(found)) >= 2


def speaking(found: pd.DataFrame) -> tuple[str, ...]:
    """The questions that speak, in their order. ``found``: as for ``conversation``."""
    heard = found[found["enough"].astype(bool)]
    return tuple(
        question
        for question in QUESTIONS
        if (heard.loc[heard["question"] == question, "beyond"] >= OUTSIDE).any()
        or (heard.loc[heard["question"] == question, "beyond"] > 0).sum() >= 2
    )


def may_be_named(found: pd.DataFrame, *, decisions: int) -> bool:
    """Whether a manager who looks closer (which is logged) may see whose signals these are: from 60 decisions.

    ``found``: as for ``conversation``; ``decisions``: n of the group in the report.
    """
    return decisions >= REVEALED_FROM and conversation(found)


def account(found: pd.DataFrame) -> tuple[str, ...]:
    """What to say of one group, in sentences: the benign explanations first, then what was noticed; else nothing.

    ``found``: as for ``conversation``.
    """
    noticed = found[found["state"] == WORTH_A_LOOK]
    if noticed.empty:
        return ()
    sides = {1: "more frequent", -1: "less frequent"}
    values = zip(noticed["name"], noticed["value"], noticed["usual"], strict=True)
    return (*BENIGN, *(_BY_NAME[name].words.format(sides[1 if value > usual else -1]) for name, value, usual in values))


def _shares(signal: Signal, marked: pd.Series, groups: pd.Series | None) -> pd.DataFrame:
    table = shares(marked, groups)
    table["beyond"] = table["beyond"].where(table["side"].isin(signal.worry), 0.0)
    return table.rename(columns={"share": "value"}).assign(usual=table["expected"] / table["n"].where(table["n"] > 0))


def _overrides(counts: pd.DataFrame) -> pd.DataFrame:
    expected = counts["expected"].where(counts["expected"] > 0)
    interval = overriding.wilson(counts["observed"], counts["n"]).mul(counts["n"] / expected, axis=0)
    return counts.assign(value=counts["observed"] / expected, usual=1.0, low=interval["low"], high=interval["high"])


def _following(found: pd.DataFrame) -> pd.DataFrame:
    """Past 95 % where "does not follow" is concluded; past 99.8 % where that limit lies below what is usual, too.

    Usual is the median AUC of the groups; with fewer than 8, the 0.65 below which the 95 % limit must lie.
    """
    is_concluded = found["verdict"] == following.DOES_NOT
    is_many = found["auc"].notna().sum() >= FEWEST_GROUPS
    usual = float(found["auc"].median()) if is_many else following.WEAK
    is_clear = is_concluded & (found["high_998"] < usual)
    beyond = is_concluded.map({True: 95.0, False: 0.0}).mask(is_clear, OUTSIDE)
    fewer, more = found[["overridden", "kept"]].min(axis=1), found[["overridden", "kept"]].max(axis=1)
    return pd.DataFrame(
        {
            "group": found["group"],
            "n": found["overridden"] + found["kept"],
            "value": found["auc"].astype(float),
            "usual": usual,
            "low": found["low"].astype(float),
            "high": found["high"].astype(float),
            "beyond": beyond,
            "enough": (fewer >= following.FEWER) & (more >= following.MORE),
            "state": found["verdict"].map(
                {following.FOLLOWS: overriding.IN_USUAL_RANGE, following.DOES_NOT: WORTH_A_LOOK}
            ),
        }
    )


def _filled(table: pd.DataFrame, signal: Signal, groups: list[str | None]) -> pd.DataFrame:
    """The rows of ``groups`` (those without any item too) with states, and without values below the minimum."""
    keys = pd.Series(groups, dtype="object")
    table = table.assign(group=table["group"].astype("object")).drop_duplicates("group")
    rows = pd.DataFrame({"group": keys}).merge(table, on="group", how="left")
    rows["n"], rows["beyond"] = rows["n"].fillna(0).astype(int), rows["beyond"].fillna(0.0)
    if "enough" not in rows:
        rows["enough"] = rows["n"] >= signal.conclude
        is_outside = rows["beyond"] >= OUTSIDE
        rows["state"] = state_of(rows["n"], is_outside, show=signal.show, conclude=signal.conclude)
    rows["enough"] = rows["enough"].eq(True)
    rows["state"] = rows["state"].fillna(NOT_ENOUGH)
    shown = ["value", "usual", "low", "high"]
    rows[shown] = rows[shown].where(rows["n"] >= signal.show)
    return rows.assign(question=signal.question, name=signal.name)
