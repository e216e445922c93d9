"""What only the browser can do: tell its tabs apart, look after the canvas's own page elements, fetch code ahead."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

CANVAS_KEY = "canvas"  # of the container that holds the canvas
FETCHED_AHEAD = ("ArrowVegaLiteChart", "embed", "DataFrame")  # Streamlit's names for what draws charts and tables
# sessionStorage belongs to one tab and outlives a reload. crypto.randomUUID is missing on plain http, so bytes it is.
SCRIPT = """
const NAME = "digit-playground-tab";
const AWAY = "digit-playground-away";
const ANSWERED_WITHIN = 3000;  // milliseconds
const RESTS = 700;  // milliseconds after which a pen that was lifted is likely to stay away for a while
const RULE = `
  .dc-toolbar { display: none !important; }
  .dc-canvas { border-radius: 12px; touch-action: none; outline: 2px solid rgba(128, 140, 155, .55); }`;

let told = false;  // once in the life of a page
let canvas = null;  // the canvas's own element, as last seen
let canvasKey = null;  // of the container that it is in

function newName() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// A duplicated tab starts with a copy of what the first one has stored. The copy is known by this: a page that is
// reloaded, or put to sleep on a phone, was left or hidden before; the page that is copied is being looked at.
function tabName() {
  const known = sessionStorage.getItem(NAME);
  const name = known && sessionStorage.getItem(AWAY) ? known : newName();
  sessionStorage.setItem(NAME, name);
  const noteWhetherAway = () =>
    document.hidden ? sessionStorage.setItem(AWAY, "yes") : sessionStorage.removeItem(AWAY);
  noteWhetherAway();
  document.addEventListener("visibilitychange", noteWhetherAway);
  window.addEventListener("pageshow", noteWhetherAway);
  window.addEventListener("pagehide", () => sessionStorage.setItem(AWAY, "yes"));
  return name;
}

// The canvas's toolbar is invisible until hovered, but takes every tap in its corner.
function hideToolbar(root) {
  if (!root.querySelector("style[data-digit-playground]")) {
    const style = document.createElement("style");
    style.dataset.digitPlayground = "";
    style.textContent = RULE;
    root.append(style);
  }
}

// When a component's data change twice within a moment, Streamlit may clean up after the first change only when the
// second is in place; the canvas is then gone, or a new one without its strokes. True when that has happened.
function noticeLoss(found) {
  const lost = canvas !== null && found !== canvas;
  canvas = found;
  return lost;
}

// What a stroke was answered with gets lost when Streamlit begins another run of the script while the last words of the
// one before are still on their way. The picture of what the network sees then stays as it was.
let stroke = null;  // when the last one that is not answered ended, and what picture there was
const film = () => document.querySelector(".film img")?.src;

function noteStroke(event) {
  noteLift();
  const [touched] = event.composedPath();
  const inCanvas = event.composedPath().some((one) => one.classList?.contains(`st-key-${canvasKey}`));
  if (touched.tagName === "CANVAS" && inCanvas) stroke = { endedAt: Date.now(), film: film() };
}

// True when a stroke has waited for too long, once for each.
function noticeSilence() {
  if (stroke === null || (film() === stroke.film && Date.now() - stroke.endedAt < ANSWERED_WITHIN)) return false;
  const silent = film() === stroke.film;
  stroke = null;
  return silent;
}

// Streamlit fetches the code that draws charts and tables, more than a megabyte, when the first of them appears. That
// would be in the first second of the first run, and answers would wait for it. So it is fetched, and started, before,
// one file after the other, when nobody is drawing.
let penIsDown = false;
let liftedAt = null;  // or when the canvas came
let ahead = [];  // files that are still to be fetched
let fetching = false;

function noteLift() {
  penIsDown = false;
  liftedAt = Date.now();
}

async function fetchAhead() {
  liftedAt ??= Date.now();
  if (fetching || penIsDown || ahead.length === 0 || Date.now() - liftedAt < RESTS) return;
  fetching = true;
  const file = ahead.shift();
  try {
    const { src } = document.querySelector('script[type="module"][src]');  // Streamlit's own, in the same folder
    await import(new URL(file, src));
  } catch {}  // Streamlit asks for it when it is needed
  fetching = false;
}

// The address follows every setting. Streamlit would make each change one more step for the browser's Back.
history.pushState = (state, title, address) => history.replaceState(state, title, address);

export default function ({ data, setStateValue }) {
  canvasKey = data.canvas;
  if (!told) {
    setStateValue("name", tabName());
    document.addEventListener("pointerdown", () => (penIsDown = true), true);
    document.addEventListener("pointerup", noteStroke, true);
    document.addEventListener("pointercancel", noteLift, true);
    ahead = [...data.ahead];
  }
  told = true;
  const lookAfterCanvas = () => {
    const roots = Array.from(document.querySelectorAll(`.st-key-${data.canvas} *`), (one) => one.shadowRoot);
    const root = roots.find((one) => one);
    if (!root) return;
    hideToolbar(root);
    if (noticeLoss(root.querySelector(".dc-root"))) setStateValue("canvas_lost_at", Date.now());
    if (noticeSilence()) setStateValue("unanswered_at", Date.now());
    fetchAhead();
  };
  lookAfterCanvas();
  const timer = setInterval(lookAfterCanvas, 100);
  return () => clearInterval(timer);
}
"""

_watch = st.components.v2.component("digit_playground_tab", js=SCRIPT)


@dataclass(frozen=True)
class Tab:
    """What a browser tab tells of itself.

    Attributes:
        name: outlives a reload; None until the browser has told it. The browser draws its 32 hexadecimal digits at
            random, so nobody can guess another's.
        canvas_lost_at: when the canvas last lost its strokes, by the browser's clock; None when it never has.
    """

    name: str | None = None
    canvas_lost_at: int | None = None


@functools.cache
def files_ahead() -> list[str]:
    """The files of Streamlit's page that are fetched ahead, in this order; a name that it no longer has is left out."""
    folder = Path(st.__file__).parent / "static" / "static" / "js"
    return [file.name for name in FETCHED_AHEAD for file in sorted(folder.glob(f"{name}.*.js"))]


def tab() -> Tab:
    """What is known of this browser tab."""
    with st.container(key="browser_tab"):
        told = _watch(
            key="tab",
            data={"canvas": CANVAS_KEY, "ahead": files_ahead()},
            height=1,
            on_name_change=lambda: None,
            on_canvas_lost_at_change=lambda: None,
            on_unanswered_at_change=lambda: None,  # the whole page is drawn anew, and with it the answer
        )
    name, lost_at = told.get("name"), told.get("canvas_lost_at")
    return Tab(
        name if isinstance(name, str) and re.fullmatch("[0-9a-f]{32}", name) else None,
        lost_at if isinstance(lost_at, int) else None,
    )
