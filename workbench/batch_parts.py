"""Confirming Routine items together: the preview, the items that chance chose for a look, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from review_queue.errors import ReviewError
from review_queue.items import Item
from review_queue.roles import Principal
from storage.engine import Database
from storage.workflows import Workflow
from workbench import reads
from workbench.actions import confirming
from workbench.actions.confirming import Confirmed, Preview
from workbench.figures import ai_figure, gap_figure, gap_scale, manual_figure
from workbench.filled_charts import draw
from workbench.item_chart import in_words, item_chart
from workbench.parts import counted, left_out, plain, untrusted_text

OPEN = "batch"  #: what the link says while a batch is open
SAID = "batch-said"  #: what came of the last press
LEAVE_OUT = "Leave out"
ROWS, ROW_PIXELS = 12, 35  #: from which a table scrolls inside itself

_number = st.column_config.NumberColumn


@dataclass(frozen=True)
class _Said:
    sentence: str
    done: Confirmed | None = None


@dataclass(frozen=True)
class _Here:
    """Who confirms what, for the presses."""

    person_id: int
    database: Database
    workflow: Workflow

    def asking(self) -> dict[str, object]:
        return {"database": self.database, "person_id": self.person_id, "workflow": self.workflow}


def confirm_button(user: Principal, database: Database, workflow: Workflow, segment_path: str | None) -> None:
    """*Confirm Routine items*: opens the batch that is drawn already, or draws one in the segment that is shown."""
    here = _Here(user.person_id, database, workflow)
    st.button("Confirm Routine items", on_click=_open, args=(here, segment_path))


def open_batch(user: Principal, database: Database, workflow: Workflow) -> bool:
    """Draw the batch that is open, if there is one, and say what came of the last; whether one is open."""
    here = _Here(user.person_id, database, workflow)
    preview = None
    if st.query_params.get(OPEN):
        try:
            preview = confirming.open_batch(**here.asking())  # type: ignore[arg-type]
        except ReviewError as refusal:
            st.session_state[SAID] = _Said(str(refusal))
    if preview is None:
        st.query_params.pop(OPEN, None)
        _say(st.session_state.pop(SAID, None))
        return False
    _batch(here, preview)
    return True


@st.fragment
def _batch(here: _Here, preview: Preview) -> None:
    if not st.query_params.get(OPEN):
        st.rerun()  # confirmed or closed: back to the queue
    batch = preview.batch
    st.subheader("Confirm Routine items", anchor=False)
    st.caption(
        "Every item gets the AI's value, in a decision of its own. Chance chose some for a real look: open those first."
    )
    if batch.confirmed_at is not None:
        st.info("This was confirmed, and cut off in the middle. Confirm once more what is left.")
    leave_out = _preview(preview)
    names = {item.id: f"{item.series} · {item.period}" for item in preview.items}
    to_look_at = [row.item_id for row in batch.items if row.to_look_at and row.item_id in names]
    seen = _seen(preview)
    st.markdown(f"**Chosen for a look** ({sum(item_id in seen for item_id in to_look_at)} of {len(to_look_at)} opened)")
    for item in preview.items:
        if item.id in to_look_at:
            _look(here, preview, item, is_seen=item.id in seen)
    wanted = [item_id for item_id in names if item_id not in leave_out]
    with st.form(f"confirm-{batch.id}", border=False):
        st.text_input("Why can these be confirmed together?", key=f"batch-note-{batch.id}", max_chars=2000)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.form_submit_button(
                f"Confirm {counted(len(wanted), 'item')}",
                key=f"confirm-button-{batch.id}",
                type="primary",
                disabled=not wanted,
                on_click=_confirm,
                args=(here, batch.id, tuple(sorted(leave_out))),
            )
            st.form_submit_button("Not now", key=f"close-{batch.id}", type="tertiary", on_click=_close)
            st.caption("It stays as it is for an hour.", width="content")
    _say(st.session_state.pop(SAID, None))


def _preview(preview: Preview) -> set[int]:
    """The items in a table with both forecasts; the ids of those whose *Leave out* is ticked."""
    marks = {row.item_id: row.to_look_at for row in preview.batch.items}
    seen = _seen(preview)
    rows = pd.DataFrame(
        [
            {
                LEAVE_OUT: False,
                "series": item.series,
                "period": item.period,
                "segment": " › ".join(item.segments),
                "ai": item.ai.value if item.ai else None,
                "manual": item.manual.value if item.manual else None,
                "gap": item.divergence.gap,
                "u": item.divergence.u,
                "look": ("Looked at" if item.id in seen else "Look at it") if marks.get(item.id) else "",
            }
            for item in preview.items
        ],
        index=[item.id for item in preview.items],
    ).astype(dict.fromkeys(("ai", "manual", "gap", "u"), float))
    columns = {
        LEAVE_OUT: st.column_config.CheckboxColumn(LEAVE_OUT, width=80),
        "series": "Series",
        "period": st.column_config.TextColumn("Period", width=75),
        "segment": "Segment",
        "ai": _number("AI", format="localized"),
        "manual": _number("Manual", format="localized"),
        "gap": _number("Gap", format="localized"),
        "u": _number("× usual miss", format="%.1f"),
        "look": st.column_config.TextColumn("Chosen for a look"),
    }
    edited = st.data_editor(
        rows,
        hide_index=True,
        height=(ROWS + 1) * ROW_PIXELS if len(rows) > ROWS else "auto",
        column_config=columns,
        disabled=[name for name in columns if name != LEAVE_OUT],
        key=f"leave-out-{preview.batch.id}-{len(rows)}",
        placeholder="",
        alt="The items of the batch with both forecasts",
    )
    return {int(item_id) for item_id in edited.index[edited[LEAVE_OUT]]}


def _look(here: _Here, preview: Preview, item: Item, *, is_seen: bool) -> None:
    """One item that chance chose: closed until opened, and its opening is noted."""
    key = f"look-{preview.batch.id}-{item.id}"
    if st.session_state.get(key):
        st.session_state[key] = True  # the mark changes with the first look, and would close it again
    mark = ":material/check:" if is_seen else ":material/visibility:"
    title = plain(f"{item.series} · {item.period}")
    panel = st.expander(title, key=key, icon=mark, on_change=_looked, args=(here, preview.batch.id, item.id, key))
    if not panel.open:
        return
    with panel:
        ai, gap, manual = st.columns(3, border=True)
        around = reads.surroundings(here.database, person_id=here.person_id, item=item)
        with ai:
            ai_figure(item)
        with gap:
            gap_scale(gap_figure(item, around.misses), item, around.misses, final=None)
        with manual:
            manual_figure(item)
        draw(item_chart(item, around, final=None), alt_text=in_words(item, around, final=None))
        if item.ai and item.ai.rationale:
            untrusted_text(item.ai.rationale, limit=400)


def _seen(preview: Preview) -> set[int]:
    """What was looked at: as the batch knew when it was read, and what was opened on this page since."""
    known = {row.item_id for row in preview.batch.items if row.looked_at is not None}
    since: set[int] = st.session_state.get(f"looked-{preview.batch.id}", set())
    return known | since


# --- the presses ---------------------------------------------------------------------------------------------------


def _open(here: _Here, segment_path: str | None) -> None:
    asking: dict[str, Any] = here.asking()
    try:
        confirming.open_batch(**asking) or confirming.draw_batch(**asking, segment_path=segment_path)
    except ReviewError as refusal:
        st.session_state[SAID] = _Said(str(refusal))
    else:
        st.query_params[OPEN] = "open"


def _close() -> None:
    st.query_params.pop(OPEN, None)


def _looked(here: _Here, batch_id: int, item_id: int, key: str) -> None:
    if not st.session_state.get(key):
        return
    try:
        confirming.look_at(here.database, person_id=here.person_id, batch_id=batch_id, item_id=item_id)
    except ReviewError as refusal:
        st.session_state[SAID] = _Said(str(refusal))
    else:
        st.session_state.setdefault(f"looked-{batch_id}", set()).add(item_id)


def _confirm(here: _Here, batch_id: int, leave_out: tuple[int, ...]) -> None:
    note = st.session_state.get(f"batch-note-{batch_id}") or ""
    try:
        done = confirming.confirm_batch(
            **here.asking(),  # type: ignore[arg-type]
            batch_id=batch_id,
            note=note,
            leave_out=leave_out,
        )
    except ReviewError as refusal:
        st.session_state[SAID] = _Said(str(refusal))
        return
    st.session_state[SAID] = _Said(_sentence(done), done)
    st.query_params.pop(OPEN, None)


def _sentence(done: Confirmed) -> str:
    count, rest = len(done.decisions), len(done.left_out)
    left = f" {counted(rest, 'item')} {'was' if rest == 1 else 'were'} left out." if rest else ""
    return f"{counted(count, 'item')} confirmed, each with the AI's value.{left}"


def _say(said: _Said | None) -> None:
    if said is None:
        return
    show = st.warning if said.done is None else st.success if said.done.decisions else st.info
    show(plain(said.sentence))
    if said.done is not None:
        left_out(said.done.left_out)
