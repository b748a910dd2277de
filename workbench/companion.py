"""The one element of our own in the browser: it hears "?", notices a new connection, and keeps focus with the eye.

The script travels as a file of ours, so that the policy lets it run without letting any other script run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2.component_manager import BidiComponentManager
from streamlit.components.v2.get_bidi_component_manager import get_bidi_component_manager
from streamlit.components.v2.manifest_scanner import ComponentConfig, ComponentManifest

NAME, ASSETS = "workbench", "companion_assets"


def companion(on_keys: Callable[[], None]) -> None:
    """Mount it, outside of every fragment; ``on_keys`` is called on the run that follows a "?"."""
    mount = _registered(get_bidi_component_manager())
    found = mount(key="companion", height=1, on_sheet_change=_nothing, on_back_change=_nothing)
    if found.sheet:
        on_keys()


@lru_cache(maxsize=4)
def _registered(manager: BidiComponentManager) -> Any:
    """The mounting command; told to Streamlit by hand, since it looks for components in distributions by their name."""
    manifest = ComponentManifest(name=NAME, version="1", components=[ComponentConfig("companion", ASSETS)])
    manager.register_from_manifest(manifest, Path(__file__).parent)
    return st.components.v2.component(f"{NAME}.companion", js="companion.js")


def _nothing() -> None:
    """A trigger has a value only where somebody listens."""
