"""Oversight: whether review is real, in five questions about the team, and what the tests of review say. No Streamlit.

Nobody is named here, and no figure is a score.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import pandas as pd

from review_queue.measures import agreement, attention, batching, catching, following, reliance, wording
from review_queue.measures import overrides as overriding
from review_queue.measures.capacity import in_words
from review_queue.measures.facts import numbers, truths
from review_queue.measures.overrides import judged, overrides, wilson
from review_queue.measures.shares import shares
from workbench import analytics
from workbench.actions.looking import Compared, Own, Person
from workbench.known_reviews import Reviews
from workbench.screens.overrides import DEADLINE_TITLES, Funnel, funnel_of, time_left

#: METHODS 4.1, as they are asked of a team.
ASKED = {
    "look": "Do people look?",
    "discriminate": "Do decisions follow the gap?",
    "differ": "Do people differ from the AI?",
    "explain": "Do reasons explain?",
    "catch": "Are bad forecasts caught?",
}
ABOUT = {
    "engagement": ("Flagged items accepted after more than a few seconds", "share"),
    "evidence_opened": ("Flagged items decided after evidence was opened", "share"),
    "fast_decisions": ("Decisions much faster than usual for the same person", "share"),
    "in_bursts": ("Flagged items decided in bursts", "share"),
    "in_last_tenth": ("Flagged items decided in the last tenth of their time", "share"),
    "follows_gap": ("Chance that the overridden of two items had the larger gap", "share"),
    "large_gaps_accepted": ("Large gaps accepted unchanged", "share"),
    "override_ratio": ("Overrides, as a multiple of what such items let expect", "ratio"),
    "repeated_reasons": ("Reason texts used again and again", "share"),
    "specific_reasons": ("Reasons that name a date, an amount or a document", "share"),
    "missed_catches": ("Bad AI forecasts accepted although the manual one was nearer", "share"),
    "helpful_overrides": ("Overrides that came nearer to what happened", "share"),
}
GAP_EDGES = (0.0, 0.5, 1.28, following.LARGE_GAP, 3.29, float("inf"))
GAP_TITLES = ("under 0.5", "0.5–1.28", "1.28–1.96", "1.96–3.29", "from 3.29")
CANT_TELL = "can't tell yet"


@dataclass(frozen=True)
class Line:
    """One figure of the team, in a sentence, with what it rests on."""

    topic: str
    sentence: str  #: without the topic
    n: int
    needed: int  #: for a figure; below it there is none
    value: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")

    @property
    def state(self) -> str:
        return f"{CANT_TELL}, {self.n:,} of {self.needed}" if self.n < self.needed else "known"


# --- the five questions ----------------------------------------------------------------------------------------------


def five_lines(decided: Reviews, row: Reviews | None = None) -> list[Line]:
    """One line for each question, in their order. ``row``: decisions of which none between two is left out."""
    explained = _explain(decided if row is None else row)
    return [_look(decided), _discriminate(decided), _differ(decided), explained, _catch(decided)]


def answer(decided: Reviews) -> str:
    """Whether decisions follow the gap: the one sign that a rubber stamp cannot give (METHODS 4.5)."""
    row = following.follows_gap(decided.table, tolerance=decided.tolerance).iloc[0]
    n = int(row["overridden"] + row["kept"])
    if n < following.FOLLOWS_FROM:
        return f"Can't tell yet: {n} of {following.FOLLOWS_FROM} decisions with a known gap needed."
    if min(row["overridden"], row["kept"]) < following.SHOWN_FROM:
        which, count = ("overridden", row["overridden"]) if row["overridden"] < row["kept"] else ("kept", row["kept"])
        return f"Can't tell yet: {count} of {following.SHOWN_FROM} {which} items needed."
    figure = (
        f"of an overridden and an accepted item, the overridden one had the larger gap in {row['auc']:.1%} of pairs "
        f"(95 % interval {row['low']:.1%} to {row['high']:.1%}); a rubber stamp gives 50%."
    )
    unclear = "Can't tell yet whether decisions follow the gap"
    said = {
        following.FOLLOWS: "Decisions follow the gap, as no rubber stamp does",
        following.DOES_NOT: "Decisions do not follow the gap, as with a rubber stamp",
    }
    return f"{said.get(row['verdict'], unclear)}: {figure}"


def _look(decided: Reviews) -> Line:
    found = shares(attention.evidence_opened(decided.table)).iloc[0]
    said = f"Evidence was opened before {_spread(found, 'share')} of decisions on flagged items: {_half(found)}."
    return _line("look", said, found, 20, of="flagged items whose opening was noted")


def _discriminate(decided: Reviews) -> Line:
    found = shares(following.large_gaps_accepted(decided.table, tolerance=decided.tolerance)).iloc[0]
    said = f"Gaps of {following.LARGE_GAP} × usual miss and more were accepted unchanged in {_spread(found, 'share')}."
    return _line("discriminate", said, found, 20, of="large gaps")


def _differ(decided: Reviews) -> Line:
    row = analytics.overrides_overall(decided)
    said = f"The AI's value was overridden in {_spread(row, 'rate')} of decisions. {_drawn(decided)}"
    counts = row.rename({"rate": "share"})
    return _line("differ", said, counts, overriding.ENOUGH, of="decisions")


def _drawn(decided: Reviews) -> str:
    """The override rate of routine items drawn at random: the figure that the queue did not choose (METHODS 2.4)."""
    routine = decided.table[~truths(decided.table, "flagged")]
    is_drawn = truths(routine, "audit_sample")
    names = is_drawn.map({True: "drawn", False: "other"})
    table = overrides(routine, tolerance=decided.tolerance, groups=names).set_index("group")
    n = int(table["n"].get("drawn", 0))
    if n < overriding.ENOUGH:
        return f"Of unflagged items drawn at random: {CANT_TELL}, {n} of {overriding.ENOUGH}."
    beside = f"; of the other unflagged ones, {table['rate']['other']:.1%}" if "other" in table.index else ""
    return f"Of unflagged items drawn at random, so without bias: {_spread(table.loc['drawn'], 'rate')}{beside}."


def _explain(decided: Reviews) -> Line:
    written = wording.reasons_written(decided.table, tolerance=decided.tolerance)
    found, again = shares(written["specific"]).iloc[0], shares(written["repeated"]).iloc[0]
    said = (
        f"{_spread(found, 'share')} of reasons name a date, an amount or a document: {_half(found)}. "
        f"{again['share']:.1%} repeat the same person's words."
    )
    return _line("explain", said, found, 20, of="reasons in words")


def _catch(decided: Reviews) -> Line:
    found = shares(catching.missed_catches(decided.table, tolerance=decided.tolerance)).iloc[0]
    said = (
        f"{_spread(found, 'share')} of accepted AI forecasts turned out bad "
        f"(off by {catching.BAD_MISS:g} × usual miss and more) with the manual one nearer."
    )
    return _line("catch", said, found, catching.SHOWN_FROM, of="accepted items with a known actual")


def _line(question: str, said: str, found: pd.Series, needed: int, *, of: str) -> Line:
    n = int(found["n"])
    if n < needed:
        return Line(ASKED[question], f"Can't tell yet, {n} of {needed} {of}.", n, needed)
    return Line(ASKED[question], said, n, needed, float(found["share"]), float(found["low"]), float(found["high"]))


def _spread(row: pd.Series, name: str) -> str:
    return f"{row[name]:.1%} ({row['low']:.1%} to {row['high']:.1%})"


def _half(row: pd.Series) -> str:
    return "most" if row["low"] > 0.5 else "fewer than half" if row["high"] < 0.5 else "about half"


def told(lines: list[Line], *, gather: bool) -> list[str]:
    """The lines as Markdown, each with its topic; ``gather`` puts all that cannot be told yet into the last."""
    shown = [line for line in lines if not gather or line.n >= line.needed]
    rest = [f"{line.topic} ({line.n:,} of {line.needed})" for line in lines if line not in shown]
    said = [f"**{line.topic}**{'' if line.topic.endswith('?') else ':'} {line.sentence}" for line in shown]
    return [*said, *([f"**Can't tell yet**, with so many of the items needed: {', '.join(rest)}."] if rest else [])]


def table_of(lines: list[Line]) -> pd.DataFrame:
    """The lines with their figures: ``topic, sentence, n, value, low, high, state``."""
    shown = ("topic", "sentence", "n", "value", "low", "high", "state")
    return pd.DataFrame([[getattr(line, name) for name in shown] for line in lines], columns=list(shown))


# --- speed, bursts and capacity --------------------------------------------------------------------------------------


def pace(decided: Reviews) -> str:
    """Decisions in bursts and just before deadlines, with what there was to do.

    A finding about capacity first."""
    bursts = shares(batching.in_bursts(decided.table)).iloc[0]
    if bursts["n"] < 20:
        return f"Bursts: can't tell yet, {bursts['n']} of 20 flagged items."
    last = shares(batching.in_last_tenth(decided.table)).iloc[0]
    late = f", {last['share']:.1%} in the last tenth of their time" if last["n"] >= 20 else ""
    return f"{bursts['share']:.1%} of flagged items were decided in bursts{late}. {_load(decided)}"


def _load(decided: Reviews) -> str:
    """How full the queue was, and that utilisation needs hours that nobody has stated."""
    done = judged(decided.table)
    queue, left = numbers(done, "queue_length").dropna(), numbers(done, "hours_to_deadline").dropna()
    waiting = f"{queue.median():,.0f} items waited when the typical one was opened" if len(queue) else ""
    overdue = f"{(left < 0).mean():.1%} were decided after the deadline" if len(left) else ""
    capacity = " and ".join(part for part in (waiting, overdue) if part)
    return f"Capacity beside it: {capacity or 'nothing is known of the queue'}. {in_words(float('nan'))}"


def rates_by_gap(decided: Reviews) -> pd.DataFrame:
    """Override rates by the size of the gap in usual misses, in its order; below 20 decisions only the counts."""
    distance = numbers(decided.table, "u").abs()
    groups = pd.cut(distance, list(GAP_EDGES), labels=list(GAP_TITLES), right=False).astype("object")
    known = decided.only(groups.notna()).table.drop(columns="band")
    return _in_order(known, groups, GAP_TITLES, decided.tolerance)


def rates_by_time_left(decided: Reviews) -> pd.DataFrame:
    """Override rates by the time left, with what the gaps alone let expect; below 20 decisions only the counts."""
    groups = time_left(decided.table)
    known = decided.only(groups.notna()).table.drop(columns="hours_to_deadline")
    return _in_order(known, groups, DEADLINE_TITLES, decided.tolerance)


def _in_order(table: pd.DataFrame, groups: pd.Series, titles: tuple[str, ...], tolerance: float) -> pd.DataFrame:
    found = overrides(table, tolerance=tolerance, groups=groups)
    found.loc[found["n"] < overriding.ENOUGH, ["rate", "low", "high"]] = float("nan")
    ordered = found.sort_values("group", key=lambda names: names.map(titles.index), ignore_index=True)
    return ordered.drop(columns="state")  # steps are there to differ


# --- what tests of review say ----------------------------------------------------------------------------------------


def tested_lines(decided: Reviews, caught: pd.Series, twice: pd.DataFrame) -> list[Line]:
    """Check items, second reviews, and what items decided before the AI's value was shown say of its weight.

    ``caught``: as ``analytics.checks_caught``; ``twice``: as ``analytics.second_looks``.
    """
    agreed = _agreement(twice, tolerance=decided.tolerance)
    return [_checks(caught), agreed, _advice(decided), _knowing_more(decided), *_reliance(decided)]


def _agreement(twice: pd.DataFrame, *, tolerance: float) -> Line:
    found = agreement.agreement(twice, tolerance=tolerance)
    topic, needed = "Second reviews", agreement.SHOWN_FROM
    if found.n < needed:
        return Line(topic, f"Can't tell yet, {found.n} of {needed} items reviewed twice.", found.n, needed)
    apart = "" if pd.isna(found.difference) else f", and their values lay {found.difference:.1f} × usual miss apart"
    said = f"In {found.same:.0%} of {found.n:,} items reviewed twice both went the same way{apart}"
    chance = "" if pd.isna(found.alpha) else f"; {found.alpha:.2f} beyond chance (Krippendorff's alpha)"
    early = "" if found.n >= agreement.CONCLUDED_FROM else f"; to conclude takes {agreement.CONCLUDED_FROM}"
    low = " Where it is low, the items or the guideline are ambiguous." if found.verdict == "low" else ""
    return Line(topic, f"{said}{chance}{early}.{low}", found.n, needed, found.alpha)


def _checks(caught: pd.Series) -> Line:
    found = catching.team_detection(caught)
    topic, needed = "Check items", catching.SHOWN_FROM
    if found.n == 0:
        return Line(topic, "No check items yet.", 0, needed)
    if found.n < needed:
        return Line(topic, f"Can't tell yet, {found.n} of {needed} check items met.", found.n, needed)
    said = f"The team caught {found.rate:.1%} ({found.low:.1%} to {found.high:.1%}) of {found.n:,}"
    early = "" if found.n >= catching.CONCLUDED_FROM else f"; to conclude takes {catching.CONCLUDED_FROM}"
    return Line(topic, f"{said}{early}.", found.n, needed, found.rate, found.low, found.high)


def _advice(decided: Reviews) -> Line:
    row = reliance.advice(decided.table).iloc[0]
    topic, n, needed = "Weight of the AI's value", int(row["n"]), reliance.SHOWN_FROM
    if n < needed:
        return Line(topic, f"Can't tell yet, {n} of {needed} items decided before the AI's value was shown.", n, needed)
    early = "" if n >= reliance.CONCLUDED_FROM else f" To conclude takes {reliance.CONCLUDED_FROM} items."
    said = (
        f"After naming a value of their own, people typically move {row['median']:.0%} of the way to the AI's ({n:,} "
        f"items; {row['away']:.0%} moved away from it, {row['beyond']:.0%} beyond it).{early}"
    )
    return Line(topic, said, n, needed, float(row["median"]))


def _knowing_more(decided: Reviews) -> Line:
    gap = reliance.advice_gap(decided.table)
    topic, n, needed = "Knowing more than the AI", min(gap.n_with, gap.n_without), reliance.COMPARED_FROM
    if n < needed:
        return Line(
            topic, f"Can't tell yet, {n} of {needed} items with something that the AI does not know.", n, needed
        )
    less = "give it less weight than otherwise" if gap.difference > 0 else "weigh it no less than otherwise"
    said = f"Where people know something that the AI does not, they {less} (difference {gap.difference:.2f})."
    return Line(topic, said, n, needed, gap.difference)


def _reliance(decided: Reviews) -> list[Line]:
    row = reliance.reliance(decided.table).iloc[0]
    sides = (
        ("AI right", "ai_better", "rair", "followed it", "where the AI turned out nearer"),
        ("Own value right", "own_better", "rsr", "kept their own value", "where that turned out nearer"),
    )
    lines, needed = [], reliance.SHOWN_FROM
    for topic, count, name, did, where in sides:
        n, share = int(row[count]), float(row[name])
        if n < needed:
            lines.append(Line(topic, f"Can't tell yet, {n} of {needed} items {where}.", n, needed))
            continue
        low, high = wilson(pd.Series([round(share * n)]), pd.Series([n])).iloc[0]
        early = "" if n >= reliance.CONCLUDED_FROM else f" To conclude takes {reliance.CONCLUDED_FROM}."
        said = f"People {did} in {share:.1%} ({low:.1%} to {high:.1%}) of {n:,} items {where}.{early}"
        lines.append(Line(topic, said, n, needed, share, float(low), float(high)))
    return lines


# --- people ----------------------------------------------------------------------------------------------------------


def people_answer(compared: Compared) -> str:
    """How many people's decisions are worth a conversation: a count, and no name. Who has not had their seven days yet
    does not count."""
    several = sum(person.decisions >= overriding.ENOUGH for person in compared.everybody)
    if several < 2:
        return f"Can't tell yet: {several} of 2 people with {overriding.ENOUGH} decisions needed to compare."
    worth = len(compared.stand_out)
    if not worth:
        return f"Nobody's decisions are worth a conversation now, of {several} people."
    return f"{worth} {'person' if worth == 1 else 'people'}'s decisions are worth a conversation, of {several} people."


def own_answer(own: Own, *, until: str) -> str:
    """What somebody's own figures say, and who sees that. ``until``: when their days alone end, in their own zone."""
    if not own.person.may_be_named:
        return "Nothing stands out in two different questions. Nobody else sees your figures under your name."
    asked = " ".join(ASKED[question] for question in own.person.questions)
    said = f"Your figures stand out in {len(own.person.questions)} of the five questions: {asked}"
    later = "who assigns the work here may look closer, and each look is recorded."
    if own.notice is None:
        return f"{said} Nobody else sees that under your name. You will be told before anybody can."
    if own.is_alone:
        return f"{said} Nobody else sees that under your name before {until}. From then on, {later}"
    return f"{said} Since {until}, {later}"


def unlabelled(counts: pd.DataFrame) -> Funnel:
    """The funnel of people without their names, in an order that says nothing.

    ``counts``: as ``measures.overrides.override_funnel`` gives it.
    """
    named = counts[counts["group"].notna()]
    order = named["group"].map(lambda name: zlib.crc32(str(name).encode())).sort_values().index
    found = funnel_of(named.loc[order])
    return replace(found, table=found.table.drop(columns="group"))


def signals_table(person: Person) -> pd.DataFrame:
    """One person's signals in words: ``question, about, value, usual, state``; as text, ``value`` with its interval."""
    rows = [
        {
            "question": ASKED[row.question],
            "about": ABOUT[row.signal][0],
            "value": _with_interval(row.value, row.low, row.high, ABOUT[row.signal][1]),
            "usual": _figure(row.usual, ABOUT[row.signal][1]),
            "state": f"{row.state}, {row.n:,} items",
        }
        for row in person.signals.rename(columns={"name": "signal"}).itertuples(index=False)
    ]
    return pd.DataFrame(rows)


def _with_interval(value: float, low: float, high: float, kind: str) -> str:
    if pd.isna(value) or pd.isna(low):
        return _figure(value, kind)
    return f"{_figure(value, kind)} ({_figure(low, kind)} to {_figure(high, kind)})"


def _figure(value: float, kind: str) -> str:
    if pd.isna(value):
        return "—"
    return f"{value:.0%}" if kind == "share" else f"{value:.2f} ×"
