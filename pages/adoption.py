"""Adoption: do people use it, and where do they stop? It is about the work, and never about a person."""

import streamlit as st

from workbench.analytics_parts import filter_row, reviews_of
from workbench.screens import adoption_parts
from workbench.session import require_user

user = require_user()
st.title("Adoption")
known = reviews_of(user, key="adoption")
kept, wanted = filter_row(known, time="Came in")
watched = kept.since(wanted.days, column="created_at")

st.subheader("Do people use it, and where do they stop?")
adoption_parts.funnel(watched, wanted)
adoption_parts.people(watched)
adoption_parts.first_and_twelfth(kept)
