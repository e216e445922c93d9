"""The values of the page's widgets by their keys. Nothing else reads or writes session_state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

SETTING = "setting_"
DRAWER_KEY = "drawer"  # of no widget: under it lies who drew before PyTorch was there


def setting_key(name: str, default: Any) -> str:
    """The key of a widget in the sidebar, whose value is set here: the one that it has, or its first one.

    Streamlit tells the browser a value once, in the run in which it was set. That run may have been broken off before,
    so every run sets it again.
    """
    key = SETTING + name
    st.session_state[key] = st.session_state.get(key, default)
    return key


def write_settings(values: Mapping[str, Any]) -> None:
    """Give widgets of the sidebar other values, before they are drawn."""
    for name, value in values.items():
        st.session_state[SETTING + name] = value


def widget_value(key: str) -> Any:
    """The value of the widget with this key; None when there is none, as outside of a page."""
    return None if get_script_run_ctx(suppress_warning=True) is None else st.session_state.get(key)


def set_widget_value(key: str, value: Any) -> None:
    """Give a widget another value, before it is drawn."""
    st.session_state[key] = value


def read_setting(name: str) -> Any:
    """The value of one of the sidebar's widgets; None before it has one."""
    return widget_value(SETTING + name)


def read_settings() -> dict[str, Any]:
    """The values of all the sidebar's widgets by name."""
    return {
        key.removeprefix(SETTING): value
        for key, value in st.session_state.items()
        if isinstance(key, str) and key.startswith(SETTING)
    }
