"""People: who may do what and where, who gave it to them, and accounts that are shut or erased."""

import streamlit as st

from review_queue.errors import NotAllowed
from workbench import people_parts
from workbench.actions import granting
from workbench.parts import plain
from workbench.session import database, require_user

user = require_user()
st.title("People")
try:
    everyone = granting.list_people(database(), person_id=user.person_id)
except NotAllowed as refusal:
    st.info(plain(str(refusal)))
    st.stop()

people_parts.said()
people_parts.requests(user, database())
people_parts.table(database(), everyone)
chosen = people_parts.choose(everyone)
if chosen is not None:
    people_parts.roles(user, database(), chosen)
    people_parts.account(user, database(), chosen)
