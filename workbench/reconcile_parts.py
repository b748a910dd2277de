"""The pieces of the Reconcile screen: totals up the tree, numbers changed at the leaf, the closing of the period."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from review_queue.items import State
from review_queue.reasons import REASONS
from review_queue.reconciling import Kind, Take, planned, waterfall
from review_queue.roles import Principal, Task
from storage.closing import Submission
from storage.reconciling import Cycle
from workbench.actions.reconciling import Reconciliation
from workbench.actions.shifting import TIMING
from workbench.analytics_parts import chart_with_table
from workbench.parts import amount, counted, heading, local_time, plain, untrusted_text
from workbench.reconcile_charts import waterfall_chart, week_chart
from workbench.reconcile_desk import FINAL, MANUAL, ReconcileDesk, to_close

#: As many leaves as the table shows at once, the widest gaps first.
MOST_LEAVES = 500
INDENT = "\u2003"
KINDS = {
    Kind.DIRECT: "Direct",
    Kind.INDIRECT: "Indirect",
    Kind.CALCULATED: "Calculated",
}
KINDS_TOLD = (
    "Direct: somebody decided this number. Indirect: it is the other half of a timing shift decided elsewhere. "
    "Calculated: nobody decided; the AI's value stands, or the manual one where there is none."
)
METRIC_PIXELS = 132
ROW_PIXELS, MOST_ROWS = 31, 24  #: from which a table scrolls inside itself
_number = st.column_config.NumberColumn


def choose_period(cycles: list[Cycle]) -> str:
    """The period that the page is about: of the link, else the one that waits to be closed."""
    names = [cycle.period for cycle in cycles]
    return st.selectbox(
        "Period",
        names,
        index=names.index(to_close(cycles)),
        key="period",
        bind="query-params",
        width=200,
    )


def standing(seen: Reconciliation) -> None:
    """How the period stands, in a line."""
    cycle = seen.cycle
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if cycle.locked_at is not None:
            st.badge("Locked", icon=":material/lock:", color="gray")
            st.caption(
                plain(f"by {cycle.locked_by}, {local_time(cycle.locked_at)}. The numbers below are as they were.")
            )
        else:
            if any(not each.segment_path for each in seen.submissions):
                st.badge("Submitted", icon=":material/task_alt:", color="blue")
            else:
                st.badge("Open", color="gray")
            due = f" · deadline {local_time(cycle.deadline_at)}" if cycle.deadline_at else ""
            said = [f"{counted(cycle.open_items, 'item')} not decided yet{due}", *map(_whose, seen.submissions)]
            st.caption(plain(" · ".join(said)))


def headline(seen: Reconciliation, unit: str) -> None:
    """The totals of all that the reader may see."""
    whole = seen.totals.iloc[0]
    shown = (
        ("AI forecast", amount(_known(whole["ai"])), ""),
        ("Manual forecast", amount(_known(whole["manual"])), ""),
        ("Final", amount(_known(whole["plan"])), _against(whole["plan"], whole["ai"], "AI")),
        ("Last period", amount(_known(whole["last"])), ""),
        ("Net gap", amount(_known(whole["net"]), signed=True), f"gross {amount(_known(whole['gross']))}"),
        (
            "Decided",
            f"{whole['decided']:,} of {whole['items']:,}",
            f"{whole['share'] or 0:.0%}" if whole["items"] else "",
        ),
    )
    with st.container(horizontal=True):  # as many in a row as fit, on a phone two
        for label, value, below in shown:
            with st.container(border=True, width=METRIC_PIXELS, gap=None):
                st.metric(label, plain(value))
                st.caption(below or "\u00a0")
    st.caption(plain(f"All in {unit}. Where nobody decided, the plan takes {_take(seen).words}."))


def totals(seen: Reconciliation) -> str:
    """Every total of the tree; the path of the segment that is chosen in it, empty for all."""
    rows = seen.totals
    shown = rows.assign(name=[INDENT * depth + name for depth, name in zip(rows["depth"], rows["name"], strict=True)])
    columns = {
        "name": st.column_config.TextColumn("Segment", width="medium"),
        "ai": _number("AI", format="localized"),
        "manual": _number("Manual", format="localized"),
        "plan": _number("Final", format="localized"),
        "last": _number("Last period", format="localized"),
        "net": _number(
            "Net gap", format="localized", help="Manual minus AI, summed: what is too high hides what is low"
        ),
        "gross": _number("Gross gap", format="localized", help="The same without signs: all that the two differ by"),
        "share": st.column_config.ProgressColumn("Decided", format="percent", min_value=0, max_value=1),
        "items": _number("Items", format="localized"),
    }
    key = f"totals-{seen.cycle.period}-{len(rows)}"
    st.dataframe(
        shown.round(dict.fromkeys(("ai", "manual", "plan", "last", "net", "gross"), 4)),
        hide_index=True,
        column_order=list(columns),
        column_config=columns,
        key=key,
        height=ROW_PIXELS * (min(len(shown), MOST_ROWS) + 1) + 3,
        on_select="rerun",
        selection_mode="single-row",
        placeholder="—",
        alt="Totals by segment",
    )
    chosen = st.session_state[key].selection.rows
    return str(rows["path"].iloc[chosen[0]]) if chosen and chosen[0] < len(rows) else ""


@st.fragment
def change(desk: ReconcileDesk, path: str, cycles: list[Cycle], *, may_change: bool) -> None:
    """The items at and below a segment, and what was typed over: drawn again by itself as somebody types."""
    if desk.is_pressed:
        desk.is_pressed = False
        st.rerun()  # the totals above have changed
    _leaves(desk, path, may_change=may_change)
    _unsaved(desk, cycles)
    _say(desk, "numbers")


def _leaves(desk: ReconcileDesk, path: str, *, may_change: bool) -> None:
    """The items at and below a segment, with the manual and the final number to type over."""
    rows = desk.leaves[desk.leaves["path"].str.startswith(path)]
    name = path.split("\x1f")[-2] if path else "all segments"
    heading(f"Items in {name}")
    if desk.drawn is None or set(desk.drawn["item"]) != set(_widest(rows)["item"]):
        desk.drawn = _widest(rows)
    if len(rows) > MOST_LEAVES:
        st.caption(
            plain(f"The {MOST_LEAVES} with the widest gaps of {len(rows):,}. Choose a segment above to see others.")
        )
    if may_change:
        st.caption("Type over *Manual* or *Final*. Nothing is saved before you say so.")
    table = st.data_editor(
        _shown(desk),
        hide_index=True,
        column_order=list(_leaf_columns(desk)),
        column_config=_leaf_columns(desk),
        disabled=True if not may_change else [name for name in _leaf_columns(desk) if name not in (FINAL, MANUAL)],
        key=desk.widget(f"leaves-{path}"),
        placeholder="—",
    )
    del table  # what was typed is in the state, row by row
    desk.type_over(st.session_state[desk.widget(f"leaves-{path}")]["edited_rows"])


def _widest(rows: pd.DataFrame) -> pd.DataFrame:
    gap = (rows["manual"] - rows["ai"]).abs().mul(rows["value_per_unit"]).fillna(-1.0)
    order = gap.sort_values(ascending=False, kind="stable").index
    return rows.loc[order].head(MOST_LEAVES).reset_index(drop=True)


def _shown(desk: ReconcileDesk) -> pd.DataFrame:
    """The leaves as drawn. A number that a second reviewer must not see is shown to nobody who could be one."""
    rows = desk.drawn
    assert rows is not None  # noqa: S101 -- drawn a moment ago
    blind = rows["is_blind"]
    masked = rows.assign(gap=rows["manual"] - rows["ai"])
    for name in ("ai", "gap", "u", FINAL):
        masked[name] = masked[name].mask(blind)
    return masked.assign(
        kind=masked["kind"].map({kind.value: words for kind, words in KINDS.items()}),
        reason=[REASONS[code].name if code in REASONS else "" for code in masked["reason"]],
        state=masked["state"].str.replace("_", " ").str.capitalize(),
        u=masked["u"].round(1) + 0.0,
    )


def _leaf_columns(desk: ReconcileDesk) -> dict[str, object]:
    unit = desk.workflow.unit
    return {
        "series": st.column_config.TextColumn("Series", pinned=True),
        "last": _number("Last period", format="localized"),
        "ai": _number("AI", format="localized"),
        "manual": _number("Manual", format="localized", help=f"Type over it, in {unit}"),
        FINAL: _number("Final", format="localized", help=f"Type over it, in {unit}"),
        "gap": _number("Gap", format="localized"),
        "u": _number("× usual miss", format="%.1f"),
        "kind": st.column_config.TextColumn("Final is", help=KINDS_TOLD),
        "reason": "Reason",
        "decided_by": "Decided by",
        "state": "State",
    }


# --- what was typed ------------------------------------------------------------------------------------------------


def _unsaved(desk: ReconcileDesk, cycles: list[Cycle]) -> None:
    """What the typed numbers do to every total, the reason for them, and *Save changes*."""
    if not desk.typed:
        return
    with st.container(border=True):
        heading(f"{counted(len(desk.typed), 'item')} changed, not saved yet")
        _effect(desk)
        if desk.values(FINAL):
            _reason(desk, cycles)
        if desk.values(MANUAL):
            st.text_input("Why does the manual forecast change?", key=desk.widget("manual-note"), max_chars=2000)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Save changes", type="primary", shortcut="Ctrl+Enter", on_click=desk.save, key=desk.widget("save")
            )
            st.button("Discard", type="tertiary", on_click=desk.discard, key=desk.widget("discard"))


def _effect(desk: ReconcileDesk) -> None:
    rows = desk.effect
    shown = pd.DataFrame(
        {
            "name": [INDENT * depth + name for depth, name in zip(rows["depth"], rows["name"], strict=True)],
            "plan": rows["plan"],
            "plan_after": rows["plan_after"],
            "change": rows["plan_after"] - rows["plan"],
            "manual_after": rows["manual_after"],
            "manual_change": rows["manual_after"] - rows["manual"],
        }
    )
    columns = {
        "name": "Total",
        "plan": _number("Final now", format="localized"),
        "plan_after": _number("Final after", format="localized"),
        "change": _number("Change", format="localized"),
    }
    if desk.values(MANUAL):
        columns |= {
            "manual_after": _number("Manual after", format="localized"),
            "manual_change": _number("Change of manual", format="localized"),
        }
    st.dataframe(
        shown.round(4), hide_index=True, column_order=list(columns), column_config=columns,
        alt="What the change does to every total, before it is saved",
    )  # fmt: skip


def _reason(desk: ReconcileDesk, cycles: list[Cycle]) -> None:
    if not desk.overrides:
        st.caption("Within the tolerance of the AI's value, so no reason is needed.")
        return
    st.markdown("**What do you know that the AI does not?**")
    names = {code: reason.name for code, reason in REASONS.items()}
    code = st.pills("Reason", list(names), format_func=names.__getitem__, key=desk.widget("code"), required=True)
    if code:
        chosen = REASONS[code]
        st.caption(f"{chosen.definition}. Evidence asked: {chosen.evidence or 'none'}.")
    note, until = st.columns([3, 1])
    note.text_input("Note", key=desk.widget("text"), max_chars=2000)
    until.date_input("Valid until", value=None, key=desk.widget("valid-until"))
    if code == TIMING:
        others = [cycle.period for cycle in cycles if cycle.locked_at is None and cycle.period != desk.period]
        st.selectbox("Other period", others, index=None, key=desk.widget("paired"), placeholder="Choose the period")
        st.caption("The opposite entry is written into that period, in the same moment.")
    for sentence in desk.doubts:
        st.caption(f":material/info: {plain(sentence)}")


# --- how it came about ---------------------------------------------------------------------------------------------


def breakdowns(seen: Reconciliation, path: str, unit: str) -> None:
    """From the AI's total to the plan's by reason, and what moved in a week."""
    rows = seen.leaves[seen.leaves["path"].str.startswith(path)]
    steps = waterfall(rows, _take(seen))
    chart = waterfall_chart(steps, unit=unit)
    said = ", ".join(f"{row.label} {row.amount:+,.0f}" for row in steps.itertuples() if row.step == "change")
    chart_with_table(chart, steps, key="from-ai-to-final", alt_text=f"From the AI's total to the final one: {said}")
    week = seen.week(path)
    if week.empty:
        st.caption("Nothing moved the plan in the last seven days.")
        return
    chart = week_chart(week, unit=unit)
    moved = ", ".join(f"{row.label} {row.amount:+,.0f}" for row in week.itertuples())
    chart_with_table(chart, week, key="change-in-a-week", alt_text=f"What moved the plan in seven days: {moved}")


# --- closing -------------------------------------------------------------------------------------------------------


def closing(desk: ReconcileDesk, user: Principal, path: str) -> None:
    """*Submit*, *Withdraw* and *Lock period*, each with what it does said beforehand."""
    seen = desk.seen
    assert seen is not None  # noqa: S101 -- drawn before
    if seen.cycle.locked_at is not None:
        _locked(seen)
        _say(desk, "closing")
        return
    heading("Close the period")
    for submission in seen.submissions:
        _submission(desk, submission)
    where = path.split("\x1f")[-2] if path else "everything you see"
    mine = [grant.segment_path or "" for grant in user.grants_for(Task.RECONCILE, desk.workflow.id)]
    target = path or min(mine, key=len, default="")
    waiting = len(desk.open_items[desk.open_items["path"].str.startswith(target)])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Note for the submission", key=f"submit-note-{desk.period}", max_chars=2000, width=420)
        _button(desk, "Submit", lambda: desk.submit(target), key=f"submit-{target}", type="primary")
        if user.may(Task.LOCK, desk.workflow.id):
            _button(desk, "Lock period", lambda: desk.consider_lock(True), key="lock")
    left = f"{counted(waiting, 'item')} in it {'is' if waiting == 1 else 'are'} still open." if waiting else ""
    st.caption(
        plain(
            f"Submit says that you stand by {where}. {left} Numbers can still change afterwards, and you can withdraw."
        )
    )
    _say(desk, "closing")
    if desk.is_locking:
        _lock(desk)


def _submission(desk: ReconcileDesk, submission: Submission) -> None:
    now = _sum_below(desk.leaves, submission.segment_path, _take(desk.seen))
    moved = now - float(submission.totals["plan"] or 0.0)
    since = f" It has moved by {amount(moved, signed=True)} since." if abs(moved) > 1e-9 else ""
    with st.container(border=True):
        st.markdown(plain(f"{_whose(submission)}: final {amount(submission.totals['plan'])}.{since}"))
        if submission.note:
            untrusted_text(submission.note)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input("Why withdraw it?", key=f"withdraw-note-{submission.id}", max_chars=2000, width=420)
            _button(desk, "Withdraw", lambda: desk.withdraw(submission.id), key=f"withdraw-{submission.id}")


def _lock(desk: ReconcileDesk) -> None:
    waiting, unit = desk.open_items, desk.workflow.unit
    held = waiting[waiting["state"] == State.CLAIMED]["holder"].dropna().unique()
    with st.container(border=True):
        heading(f"What locking {desk.period} does")
        if len(waiting):
            st.markdown(
                plain(
                    f"{counted(len(waiting), 'item')} nobody has decided. They go into the plan undecided, and count "
                    "as nobody's decision."
                )
            )
            sums = {each: _sum_below(desk.leaves, "", each) for each in Take}
            st.radio(
                "With which value?",
                list(Take),
                format_func=lambda each: f"{each.words}: the plan comes to {amount(sums[each], unit)}",
                key=f"take-{desk.period}",
            )
        if len(held):
            st.markdown(plain(f"In hand now, and refused when they save: {', '.join(held)}. Their drafts are kept."))
        missing = _not_submitted(desk)
        if missing:
            st.markdown(plain(f"Not submitted by anybody: {', '.join(missing)}."))
        if desk.typed:
            st.markdown("**You have changes that are not saved. Save or discard them first.**")
        st.markdown("Nothing in it can be decided, undone or reopened afterwards. There is no way back.")
        st.text_input("Note for the record", key=f"lock-note-{desk.period}", max_chars=2000)
        with st.container(horizontal=True):
            _button(
                desk, f"Lock {desk.period} for good", lambda: desk.lock(len(waiting)), key="lock-now",
                type="primary", disabled=bool(desk.typed),
            )  # fmt: skip
            _button(desk, "Cancel", lambda: desk.consider_lock(False), key="lock-cancel", type="tertiary")


def _not_submitted(desk: ReconcileDesk) -> list[str]:
    assert desk.seen is not None  # noqa: S101 -- drawn before
    covered = [each.segment_path for each in desk.seen.submissions]
    top = desk.seen.totals[desk.seen.totals["depth"] == 1]
    return [
        row.name
        for row in top[["path", "name"]].itertuples(index=False)
        if not any(row.path.startswith(c) for c in covered)
    ]


def _locked(seen: Reconciliation) -> None:
    snapshot = seen.snapshot
    if snapshot is None:
        return
    heading("What the lock kept")
    taken = f"{snapshot.totals['open']:,} undecided items went in with {snapshot.take.words}."
    st.markdown(plain(f"Final {amount(snapshot.totals['plan'])}, {snapshot.totals['decided']:,} of "
                      f"{snapshot.totals['items']:,} items decided. {taken}"))  # fmt: skip
    if snapshot.note:
        untrusted_text(snapshot.note)


def _say(desk: ReconcileDesk, about: str) -> None:
    """What came of the last press, beside what was pressed."""
    show = {"saved": st.success, "warning": st.warning, "error": st.error}
    with st.container():  # keeps its place while there is nothing to say
        if desk.said is not None and desk.said.about == about:
            show[desk.said.kind](plain(desk.said.sentence))


def _button(desk: ReconcileDesk, name: str, press: Callable[[], None], *, key: str, **settings: object) -> None:
    st.button(name, key=f"{key}-{desk.form}", on_click=press, **settings)  # type: ignore[arg-type]


def _whose(submission: Submission) -> str:
    where = " › ".join(submission.segment_path.split("\x1f")[:-1]) or "all of it"
    return f"{submission.submitted_by} submitted {where}, {local_time(submission.submitted_at)}"


def _sum_below(rows: pd.DataFrame, path: str, take: Take) -> float:
    inside = planned(rows[rows["path"].str.startswith(path)], take)
    return float((inside["plan"] * inside["value_per_unit"]).sum())


def _take(seen: Reconciliation | None) -> Take:
    return seen.snapshot.take if seen is not None and seen.snapshot is not None else Take.AI


def _against(value: float, other: float, whom: str) -> str:
    if pd.isna(value) or pd.isna(other) or value == other:
        return ""
    return f"{amount(value - other, signed=True)} vs {whom}"


def _known(value: float) -> float | None:
    return None if pd.isna(value) else float(value)
