"""What only the browser can do: tell its tabs apart across reloads, and mend the canvas's own toolbar."""

import re

import streamlit as st

CANVAS_KEY = "canvas"  # of the container that holds the canvas
# sessionStorage belongs to one tab and outlives a reload. crypto.randomUUID is missing on plain http, so bytes it is.
SCRIPT = """
const NAME = "digit-playground-tab";
const RULE = ".dc-toolbar { display: none !important; } .dc-canvas { border-radius: 12px; touch-action: none; }";

let told = false;  // once in the life of a page

function tabName() {
  let name = sessionStorage.getItem(NAME);
  if (!name) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    name = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    sessionStorage.setItem(NAME, name);
  }
  return name;
}

// The canvas's toolbar is invisible until hovered, but takes every tap in its corner.
function hideToolbar(key) {
  for (const holder of document.querySelectorAll(`.st-key-${key} *`)) {
    const root = holder.shadowRoot;
    if (root && !root.querySelector("style[data-digit-playground]")) {
      const style = document.createElement("style");
      style.dataset.digitPlayground = "";
      style.textContent = RULE;
      root.append(style);
    }
  }
}

export default function ({ data, setStateValue }) {
  if (!told) setStateValue("name", tabName());
  told = true;
  hideToolbar(data.canvas);
  const timer = setInterval(() => hideToolbar(data.canvas), 100);
  return () => clearInterval(timer);
}
"""

_tab = st.components.v2.component("digit_playground_tab", js=SCRIPT)


def tab() -> str | None:
    """A name for this browser tab that outlives a reload, or None until the browser has told it.

    The browser draws its 32 hexadecimal digits at random, so nobody can guess another's.
    """
    with st.container(key="browser_tab"):
        told = _tab(key="tab", data={"canvas": CANVAS_KEY}, height=1, on_name_change=lambda: None)
    name = told.get("name")
    return name if isinstance(name, str) and re.fullmatch("[0-9a-f]{32}", name) else None
