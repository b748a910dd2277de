"""The script that Streamlit runs: frame the page, and run it. The page asks who is there; so it must, itself."""

import streamlit as st

from workbench import frame, keys, navigation, session
from workbench.banner import banner
from workbench.companion import companion

# Before the navigation: it would fetch a page's icon from elsewhere to stand in the browser's tab.
st.set_page_config(page_icon="⚖️", layout="wide")

user = session.signed_in_if_known()  # the page says why, if nobody is

page = navigation.choose_page(user)
navigation.remember_page(page)
banner()
st.set_page_config(page_title=f"{page.title} · Review workbench")
if user is not None:
    frame.sidebar(user)
    companion(keys.show_keys)
page.run()
