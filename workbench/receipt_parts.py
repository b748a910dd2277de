"""The receipt of one decision, and the list in which to find one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import streamlit as st

from review_queue.errors import ReviewError
from review_queue.items import Act, Decision, Outcome, Stage
from review_queue.reasons import REASONS
from review_queue.roles import Principal
from storage.engine import Database
from storage.workflows import Workflow
from workbench import reads
from workbench.choice_form import DIRECTIONS, IN_MODEL, SOURCES
from workbench.figures import BAND_WORDS
from workbench.lists import open_receipt, open_review, selected_row
from workbench.parts import amount, counted, heading, local_time, plain, reader_zone, time_column, untrusted_text
from workbench.press_words import OUTCOME_WORDS
from workbench.reads import Receipt

LONGEST_ID = 18  #: digits
SHOWN = 200  #: decisions in the list
MODES = {"ai_first": "AI shown first", "human_first": "Own number named first", "bulk": "Confirmed with others"}
#: Why the AI's value was not on the screen, or not as one of today.
NOT_OF_TODAY = {
    "absent": "none had come",
    "too_wide": "not shown: its range was too wide",
    "too_old": "not shown: it was too old",
    "feed_out": "not shown: its feed was late or failing",
    "last_version": "the last that had come; its feed was late or failing",
    "paused": "not shown: the workflow's owner had paused it",
    "rolled_back": "of an earlier model version; the workflow was rolled back to it",
    "other_version": "not shown: the workflow was rolled back to an earlier model version",
}
PANELS = {
    "model": "What the AI says",
    "sources": "Sources",
    "earlier": "Earlier decisions here",
    "comments": "Comments",
}
_number = st.column_config.NumberColumn


def wanted_receipt(user: Principal, database: Database) -> Receipt | None:
    """The receipt that the link names; a refusal is said, and then, as without a link, there is none."""
    text = st.query_params.get("decision", "")
    if not text:
        return None
    if not (text.isdecimal() and len(text) <= LONGEST_ID):
        st.warning("The link names no decision. Choose one from the list.")
        return None
    try:
        return reads.receipt(database, person_id=user.person_id, decision_id=int(text))
    except ReviewError as refusal:
        st.warning(plain(str(refusal)))
        return None


def decision_search(user: Principal, database: Database, workflow: Workflow) -> None:
    """The last decisions in scope, by part of a series' name and by outcome; selecting a row opens its receipt."""
    find, kind = st.columns([2, 3], vertical_alignment="bottom")
    with find:
        search = st.text_input("Search", key="search", type="search", live="300ms", bind="query-params")
    with kind:
        names = [outcome.value for outcome in Outcome]
        kept = st.multiselect(
            "Outcome", names, format_func=_outcome, key="outcome", placeholder="Any", bind="query-params"
        )
    found = reads.past_decisions(
        database,
        person_id=user.person_id,
        workflow_id=workflow.id,
        search=search or "",
        outcomes=tuple(Outcome(name) for name in kept),
    )
    if found.empty:
        st.caption("No decision matches. Clear the search to see them all." if search or kept else "None yet.")
        return
    which = f"The last {counted(SHOWN, 'decision')}" if len(found) == SHOWN else counted(len(found), "decision")
    st.caption(f"{which}, the newest first. Select one to see its receipt.")
    _found(found)


@st.fragment
def _found(found: pd.DataFrame) -> None:
    columns = {
        "decided_at": time_column("Decided"),
        "decided_by": "By whom",
        "series": "Series",
        "period": "Period",
        "outcome": "Outcome",
        "ai": _number("AI", format="localized"),
        "manual": _number("Manual", format="localized"),
        "final": _number("Final", format="localized"),
        "reason": st.column_config.TextColumn("Reason", width=105),
        "stands": st.column_config.TextColumn("Stands", width=95),
    }
    shown = found.assign(
        stands=found["stands"].map({True: "", False: "no longer"}),
        outcome=found["outcome"].map(_outcome),
        reason=found["reason"].map(_code),
    )
    row = selected_row(shown, columns, key="decisions", alt="The last decisions", ids=found["id"])
    if row is not None:
        open_receipt(int(found.iloc[row]["id"]))


def receipt(told: Receipt) -> None:
    """One decision, whole."""
    done, item = told.decision, told.item
    heading(f"{item.series} · {item.period}")
    st.caption(plain(" · ".join((*item.segments, f"item {item.id}", f"decision {done.id}", f"round {done.round}"))))
    with st.container(horizontal=True):
        if st.button("Open the item", icon=":material/rate_review:"):
            open_review(item.id)
        if st.button("All decisions", type="tertiary"):
            open_receipt(None)
    st.info("  \n".join(plain(line) for line in _standing(told)))
    _figures(told)
    why, when = st.columns(2)
    with why:
        _why(told)
    with when:
        _when(told)
    _screen(told)
    _since(told)


# --- what was decided ----------------------------------------------------------------------------------------------


def _standing(told: Receipt) -> Iterator[str]:
    """Who decided what, and whether it still holds."""
    done = told.decision
    yield f"{done.actor_name}, {_at(done.decided_at)}: {_what(done, told.item.unit)}."
    if done.stage is Stage.SECOND:
        yield "A second review, given blind: the AI's figures and the first decision were not shown."
    if done.stage is Stage.SETTLING:
        yield "It settled what two reviewers had decided differently."
    if done.is_provisional:
        yield "It was to count only after another person's."
    if told.supersedes is not None:
        how = "took back" if done.act is Act.UNDO else "followed" if told.supersedes.act is Act.UNDO else "replaced"
        yield f"It {how}: {_named(told.supersedes, told.item.unit)}."
    if told.superseded_by is not None:
        how = "was taken back" if told.superseded_by.act is Act.UNDO else "no longer stands; it was replaced"
        yield f"It {how}: {_named(told.superseded_by, told.item.unit)}."
    elif done.round < told.item.round:
        yield f"The item was reopened since, and is in round {told.item.round}."


def _figures(told: Receipt) -> None:
    unit, shown = plain(told.item.unit), told.screen
    ai, gap, manual, final = st.columns([4, 3, 4, 4], border=True)
    with ai:
        st.metric("AI forecast", amount(shown.ai, unit))
        level = f"{shown.level:.0%} range" if shown.level else "Range"
        spread = f"{level} {amount(shown.low)} to {amount(shown.high)}" if shown.low is not None else "No range given"
        usual = f"Usual miss {amount(shown.scale)}" if shown.scale else "Usual miss not known then"
        _small(spread, usual, shown.model_version)
    with gap:
        money = told.item.unit if told.item.value_per_unit == 1 else told.item.currency or ""
        st.metric("Gap", amount(shown.money, plain(money), signed=True))
        apart = f"{abs(shown.u):.1f} × usual miss" if shown.u is not None else None
        _small(apart, BAND_WORDS[shown.band].capitalize(), "Flagged" if shown.flagged else "Not flagged")
    with manual:
        st.metric("Manual forecast", amount(shown.manual, unit))
        _small(
            shown.manual_by,
            _at(shown.manual_made_at) if shown.manual_made_at is not None else None,
            f"Naive forecast {amount(shown.naive)}" if shown.naive is not None else None,
        )
    with final:
        st.metric("Final", amount(told.decision.final_value, unit))
        against = told.decision.final_value is not None and shown.ai
        share = told.decision.final_value / shown.ai - 1 if against and told.decision.final_value is not None else None
        _small(f"{share:+.1%} against the AI" if share is not None else None)


def _why(told: Receipt) -> None:
    st.subheader("Why", anchor=False)
    if told.reason is None and not told.decision.note:
        st.caption("No reason was needed, and none was given.")
    for name, text in _reason_lines(told):
        st.markdown(f"**{name}**  \n{plain(text)}")
    for name, text in (
        ("What was known", told.reason.text if told.reason else ""),
        ("Where it is from", told.reason.source_ref if told.reason else ""),
        ("Note", told.decision.note),
    ):
        if text:
            st.caption(name)
            untrusted_text(text)


def _reason_lines(told: Receipt) -> Iterator[tuple[str, str]]:
    """What was said of the reason, field by field, but for what was written freely."""
    reason, unit = told.reason, told.item.unit
    if reason is None:
        return
    yield "Reason", " · ".join(_code(code) for code in (reason.code, *reason.secondary))
    effects = (("low", reason.effect_low), ("expected", reason.effect_mid), ("high", reason.effect_high))
    effect = " · ".join(f"{name} {amount(value, unit, signed=True)}" for name, value in effects if value is not None)
    direction = DIRECTIONS.get(reason.direction or "", "")
    confidence = f"{reason.confidence} % sure" if reason.confidence else ""
    if any((direction, effect, confidence)):
        yield "Effect", " · ".join(filter(None, (direction, effect, confidence)))
    dates = ((word, day) for word, day in (("from", reason.valid_from), ("until", reason.valid_until)) if day)
    valid = " ".join(f"{word} {day:%-d %b %Y}" for word, day in dates)
    if valid:
        yield "Valid", valid
    about = (
        f"source: {SOURCES[reason.source_type].lower()}" if reason.source_type in SOURCES else "",
        f"in the model already: {IN_MODEL[reason.already_in_model].lower()}"
        if reason.already_in_model in IN_MODEL
        else "",
        "" if reason.controllable is None else "ours to control" if reason.controllable else "not ours to control",
    )
    if any(about):
        yield "About it", " · ".join(filter(None, about)).capitalize()


def _when(told: Receipt) -> None:
    st.subheader("When", anchor=False)
    times = told.times
    steps: list[tuple[str, Any]] = [
        ("Taken up", times.claimed),
        ("Shown", times.opened),
        *((f"Opened: {PANELS.get(panel, panel)}", at) for panel, at in told.panels),
        ("Decided", times.decided),
    ]
    known = pd.DataFrame([step for step in steps if step[1] is not None], columns=["step", "at"])
    _table(known.sort_values("at", kind="stable"), {"step": "Step", "at": _seconds("When")}, alt="When it was decided")
    if not told.panels:
        st.caption("No evidence was opened under this claim.")


def _screen(told: Receipt) -> None:
    st.subheader("What else was on the screen", anchor=False)
    shown = told.screen
    rows = [
        ("How it was shown", MODES.get(shown.mode, shown.mode)),
        ("Lane and score", f"{shown.lane.title}, {shown.score:.1f} of 100"),
        (
            "Waiting when the page was opened",
            "unknown" if shown.queue_length is None else counted(shown.queue_length, "item"),
        ),
        ("Deadline", _deadline(shown.hours_to_deadline)),
        ("Policy", f"version {shown.policy_version}, owner {shown.owner or 'nobody'}"),
    ]
    if shown.initial_value is not None:
        knew = {True: ", and they knew something more", False: ", and they knew nothing more"}.get(shown.knew_more, "")
        rows.append(("Named first", amount(shown.initial_value, told.item.unit) + knew))
    if shown.is_degraded or shown.withheld:
        rows.append(("AI's value", NOT_OF_TODAY.get(shown.withheld or "", "not shown: it was away")))
    _table(pd.DataFrame(rows, columns=["fact", "value"]), {"fact": "Fact", "value": "As it was"}, alt="The screen")


def _deadline(hours: float | None) -> str:
    if hours is None:
        return "none"
    days = f"{abs(hours) / 24:.1f} days" if abs(hours) >= 48 else f"{abs(hours):.1f} hours"
    return f"{days} ahead, by the calendar" if hours >= 0 else f"{days} overdue, by the calendar"


# --- what has happened since ---------------------------------------------------------------------------------------


def _since(told: Receipt) -> None:
    st.subheader("What happened since", anchor=False)
    lines = list(_since_lines(told))
    st.markdown("  \n".join(plain(line) for line in lines or ["Nothing yet: the actual is not known."]))
    if told.earlier or told.later:
        _chain(told)
    for remark in told.comments:
        st.caption(plain(f"{remark.author} commented, {_at(remark.created_at)}"))
        untrusted_text(remark.body)


def _since_lines(told: Receipt) -> Iterator[str]:
    unit = told.item.unit
    if told.actual is not None:
        at_least = "at least " if told.actual.is_lower_bound else ""
        yield f"The actual is {at_least}{amount(told.actual.value, unit)}. {_nearer(told)}".strip()
    if told.became is not None:
        by = f", says {told.became.by}" if told.became.by else ""
        effect = "" if told.became.effect is None else f", effect {amount(told.became.effect, unit, signed=True)}"
        yield f"What became of the reason: {told.became.outcome.replace('_', ' ')}{effect}{by}."
    for newer in told.newer:
        yield f"A newer forecast ({newer.source}) came in, {_at(newer.received_at)}: {amount(newer.value, unit)}."
    if told.locked_at is not None:
        yield f"{told.item.period} was locked, {_at(told.locked_at)}."


def _nearer(told: Receipt) -> str:
    """Whose number was nearer to the actual, and by how much, in a sentence; empty where that cannot be said."""
    ai, final, actual = told.screen.ai, told.decision.final_value, told.actual
    if ai is None or final is None or actual is None or actual.is_lower_bound:
        return ""
    if ai == final:
        return f"The AI's number was kept, and missed it by {amount(abs(actual.value - ai), told.item.unit)}."
    off_ai, off_final = abs(actual.value - ai), abs(actual.value - final)
    if off_ai == off_final:
        return f"The final and the AI's number missed it by the same, {amount(off_ai, told.item.unit)}."
    nearer, better = ("final", off_final) if off_final < off_ai else ("AI's", off_ai)
    by = amount(abs(off_ai - off_final), told.item.unit)
    return f"The {nearer} number was nearer by {by}: it missed by {amount(better, told.item.unit)}."


@st.fragment
def _chain(told: Receipt) -> None:
    """The other decisions on the item, each of which has a receipt of its own."""
    tied = [*told.earlier, *told.later]
    rows = pd.DataFrame(
        [(each.decided_at, each.actor_name, _what(each, told.item.unit), each.round) for each in tied],
        columns=["at", "who", "what", "round"],
    )
    columns = {"at": time_column("Decided"), "who": "By whom", "what": "What", "round": _number("Round", format="%d")}
    st.caption("Other decisions on this item. Select one to see its receipt.")
    ids = [each.id for each in tied]
    row = selected_row(rows, columns, key=f"chain-{told.decision.id}", alt="Other decisions on this item", ids=ids)
    if row is not None:
        open_receipt(ids[row])


# --- words ---------------------------------------------------------------------------------------------------------


def _what(done: Decision, unit: str) -> str:
    if done.act is Act.UNDO or done.outcome is None:
        return "Undo"
    words = OUTCOME_WORDS[done.outcome]
    words = f"Overturned: {words}" if done.act is Act.OVERTURN else words
    return f"{words}, {amount(done.final_value, unit)}" if done.final_value is not None else words


def _named(done: Decision, unit: str) -> str:
    return f"{_what(done, unit)} by {done.actor_name}, {_at(done.decided_at)} (decision {done.id})"


def _outcome(name: str | None) -> str:
    return OUTCOME_WORDS[Outcome(name)] if name else "Overturned"


def _code(code: str | None) -> str:
    return REASONS[code].name if code in REASONS else code or ""


def _at(instant: Any) -> str:
    return local_time(instant)


def _seconds(title: str) -> Any:
    return st.column_config.DatetimeColumn(title, format="D MMM YYYY, HH:mm:ss", timezone=reader_zone())


def _small(*lines: str | None) -> None:
    st.caption("  \n".join(plain(line) for line in lines if line))


def _table(rows: pd.DataFrame, columns: dict[str, Any], *, alt: str) -> None:
    st.dataframe(rows, hide_index=True, column_config=columns, placeholder="", alt=alt)
