"""Human first: a number of one's own is named before the AI's is shown; both are kept (METHODS 4.9)."""

from __future__ import annotations

import streamlit as st

from review_queue.items import Item
from workbench import keys
from workbench.parts import plain
from workbench.sitting import Sitting

ASK = "Your number first: chance chose this item. Name yours, then the AI's is shown and you decide."


def number_first(here: Sitting, item: Item) -> None:
    """The form that asks for it; its press shows the AI's number."""
    with st.container(border=True, key=f"panel-first-{here.form}"):
        st.markdown(f"**{ASK}**")
        number, knows = st.columns([1, 2], vertical_alignment="bottom")
        number.number_input(f"Your forecast ({plain(item.unit)})", value=None, key=here.widget("named"), format="%.10g")
        knows.toggle("I know something that the AI does not", key=here.widget("knew-more"))
        st.button(
            "Show the AI's",
            type="primary",
            shortcut=keys.live(keys.SAVE),
            key=here.widget("show-ai"),
            on_click=here.name_number,
            args=(here.form,),
        )
