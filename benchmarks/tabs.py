"""A browser tab without a browser: speaks with the server over its websocket as Streamlit's own page does.

It keeps the tree of elements by delta path, sends all widgets' states with every request, starts what refreshes itself
when the server says so, tells which large messages it still has, and remembers the tab's name and address over a
reload. So the server has the work that a browser makes for it, while a tab costs its own machine next to nothing.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from fields import STATES
from paper import Paper, Point
from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Delta_pb2 import Delta
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

PATIENCE_SECONDS = 120.0
KEPT_RUNS = 2  # of the script, for which a browser keeps a large message (global.maxCachedMessageAge)
TAB, CANVAS = "digit_playground_tab", "streamlit-drawable-canvas.streamlit_drawable_canvas"  # components


@dataclass(frozen=True)
class Shown:
    """An element or block on the page.

    Attributes:
        kind, value: which it is, "button", "alert", ..., and its message. fragment: that it belongs to, "" for none.
        run: of the script, that brought it.
    """

    kind: str
    value: Any
    fragment: str
    run: str


class Tab:
    """One browser tab.

    Attributes:
        errors: what went wrong: errors on the page, sockets that the server closed.
        film, film_at: the drawing as the server last showed it, and when, by `perf_counter`.
    """

    def __init__(self, url: str) -> None:
        self.errors: list[str] = []
        self.film, self.film_at = "", 0.0
        self.paper = Paper()
        self._url = url
        self._name = secrets.token_hex(16)
        self._query = self._page_hash = self._session = ""
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._forget_page()

    def _forget_page(self) -> None:
        """Begin as a page does that has just been loaded."""
        self._tree: dict[tuple[int, ...], Shown] = {}
        self._states: dict[str, WidgetState] = {}
        self._timers: dict[str, asyncio.Task[None]] = {}
        self._kept: dict[str, tuple[Delta, int]] = {}  # large messages by their hash, and when last used
        self._runs, self._run, self._fragments = 0, "", ()
        self._is_running, self._is_named = False, False
        self._awaited: str | None = None  # the fragment that was last asked for, "" for the whole page; None: it came

    # Coming and going

    async def load(self) -> None:
        """Ask for the page as a browser does that loads it; what comes, comes later."""
        self._forget_page()
        self.paper.is_touched = False
        await self._connect([])
        self._session = ""
        await self._send()

    async def open(self) -> None:
        """Load the page, and wait until it is whole."""
        await self.load()
        await self.wait(lambda: self.is_whole, "the page")

    async def _connect(self, session: list[str]) -> None:
        address = self._url.replace("http", "ws", 1) + "/_stcore/stream"
        protocols: Any = ["streamlit", "PLACEHOLDER_AUTH_TOKEN", *session]
        self._socket = await connect(
            address, subprotocols=protocols, origin=self._url, max_size=None, open_timeout=PATIENCE_SECONDS
        )
        self._reader = asyncio.create_task(self._read(self._socket))

    async def drop(self) -> None:
        """Lose the connection, as a phone does that is locked."""
        for timer in self._timers.values():
            timer.cancel()
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()
        if self._reader is not None:
            await self._reader

    async def come_back(self) -> None:
        """Connect to the same session again; what refreshed itself, or was going on, asks for the whole page."""
        was_ticking, self._timers = bool(self._timers) or self._is_running, {}
        await self._connect([self._session])
        if was_ticking:
            await self._send()

    async def reload(self) -> None:
        """Load the page again; it keeps its name and address."""
        await self.drop()
        await self.open()

    async def close(self) -> None:
        """Close the tab."""
        await self.drop()

    # Listening

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for frame in socket:
                message = ForwardMsg()
                message.ParseFromString(frame)  # type: ignore[arg-type]
                await self._take_in(message)
        except ConnectionClosed:
            pass
        if socket is self._socket:  # nobody here has closed it
            self.errors.append(f"the server closed the socket: {socket.close_code} {socket.close_reason}")
            self._socket = None
        self._news.set()

    async def _take_in(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "ref_hash":
            delta = self._kept[message.ref_hash][0]
            self._kept[message.ref_hash] = delta, self._runs
            await self._show(tuple(message.metadata.delta_path), delta)
        elif kind == "delta":
            if message.metadata.cacheable:
                self._kept[message.hash] = message.delta, self._runs
            await self._show(tuple(message.metadata.delta_path), message.delta)
        elif kind == "new_session":
            self._begin_run(message)
        elif kind == "script_finished":
            self._end_run(message.script_finished)
        elif kind == "auto_rerun":
            fragment, seconds = message.auto_rerun.fragment_id, message.auto_rerun.interval
            if fragment not in self._timers:
                self._timers[fragment] = asyncio.create_task(self._tick(fragment, seconds))
        elif kind == "stop_auto_rerun":
            self._stop_timers(message.stop_auto_rerun.fragment_ids)
        elif kind == "session_status_changed":
            self._is_running = message.session_status_changed.script_is_running
            self._news.set()
        elif kind == "page_info_changed":
            self._query = message.page_info_changed.query_string

    def _begin_run(self, message: ForwardMsg) -> None:
        new = message.new_session
        self._session, self._page_hash = new.initialize.session_id, new.page_script_hash
        self._run = message.metadata.run.script_run_id
        self._is_running = True  # which is told a moment later
        self._fragments = tuple(message.metadata.run.fragment_ids)
        if not self._fragments:
            self._stop_timers(list(self._timers))
        if not self._fragments or self._awaited in self._fragments:
            self._awaited = None

    def _stop_timers(self, fragments: Any) -> None:
        for fragment in fragments:
            if fragment in self._timers:
                self._timers.pop(fragment).cancel()

    async def _tick(self, fragment: str, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            await self._send(fragment, by_itself=True)

    async def _show(self, path: tuple[int, ...], delta: Delta) -> None:
        element = delta.new_element if delta.WhichOneof("type") == "new_element" else delta.add_block
        kind = element.WhichOneof("type") or ""
        value = getattr(element, kind) if kind else None
        self._tree[path] = Shown(kind, value, delta.fragment_id, self._run)
        self._news.set()
        if kind == "html" and 'class="film"' in value.body:
            if value.body != self.film:
                self.film, self.film_at = value.body, perf_counter()
        elif kind in STATES:
            if value.set_value or value.id not in self._states:
                state = WidgetState(id=value.id)
                STATES[kind](state, value)
                self._states[value.id] = state
        elif kind == "bidi_component":
            await self._show_component(value)
        elif kind == "exception":
            self.errors.append(f"on the page: {value.type} {value.message}")
        elif kind == "alert" and value.format == Alert.ERROR:
            self.errors.append(f"on the page: {value.body}")

    async def _show_component(self, component: Any) -> None:
        """Do what the component's own script does when it gets its data."""
        if component.component_name == CANVAS and self.paper.fill(component.json):
            await self._send_drawing()
        elif component.component_name == TAB and not self._is_named:
            self._is_named = True
            named = json.dumps({"name": self._name}, separators=(",", ":"))
            self._states[component.id] = WidgetState(id=component.id, json_value=named)
            await self._send()

    def _end_run(self, status: int) -> None:
        """Forget what is no longer on the page."""
        if status == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            return
        self._runs += 1
        self._kept = {key: kept for key, kept in self._kept.items() if not self._is_old(*kept)}
        self._tree = {path: shown for path, shown in self._tree.items() if not self._is_stale(shown)}
        present = {shown.value.id for shown in self._tree.values() if hasattr(shown.value, "id")}
        self._states = {key: state for key, state in self._states.items() if key in present}
        self._news.set()

    def _is_old(self, delta: Delta, last_used: int) -> bool:
        concerned = not self._fragments or delta.fragment_id in self._fragments
        return concerned and self._runs - last_used > KEPT_RUNS

    def _is_stale(self, shown: Shown) -> bool:
        return shown.run != self._run and (not self._fragments or shown.fragment in self._fragments)

    # Looking

    @property
    def is_quiet(self) -> bool:
        """Whether the server has nothing more to say for now."""
        return not self._is_running and self._awaited is None

    @property
    def is_whole(self) -> bool:
        """Whether the page has come as far as its last panels."""
        return self._is_named and self.is_quiet and self.finds("train_sidebar")

    @property
    def has_canvas(self) -> bool:
        """Whether one can draw."""
        return self._canvas() is not None

    def _canvas(self) -> Shown | None:
        canvases = (one for one in self._tree.values() if getattr(one.value, "component_name", "") == CANVAS)
        return next(canvases, None)

    def finds(self, *keys: str) -> bool:
        """Whether one of these widgets is on the page."""
        return any(self._find(key) is not None for key in keys)

    def _find(self, name: str) -> Shown | None:
        """The button, or other widget, with this key or label."""
        for shown in self._tree.values():
            if hasattr(shown.value, "id") and shown.value.id and hasattr(shown.value, "label"):
                key = shown.value.id.split("-", 2)[-1]
                if name in (key, shown.value.label):
                    return shown
        return None

    def words(self, *kinds: str) -> str:
        """All that elements of these kinds say."""
        texts = []
        for shown in self._tree.values():
            if shown.kind in kinds:
                texts += [str(getattr(shown.value, part)) for part in ("body", "text") if hasattr(shown.value, part)]
        return "\n".join(texts)

    async def wait(self, condition: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Return as soon as the condition holds.

        Raises:
            TimeoutError: when it does not in this time, or never can, since the server has closed the socket.
        """
        deadline = perf_counter() + seconds
        while not condition():
            left = deadline - perf_counter()
            if left < 0 or self._socket is None:
                raise TimeoutError(f"waited in vain for {what}")
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), left)

    # Doing

    async def _send(self, fragment: str = "", by_itself: bool = False) -> None:
        """Ask for the whole page, or for one fragment of it, to be drawn anew with the widgets as they are."""
        if self._socket is None:
            return
        message = BackMsg()
        request = message.rerun_script
        request.query_string, request.page_script_hash = self._query, self._page_hash
        request.fragment_id, request.is_auto_rerun = fragment, by_itself
        request.widget_states.widgets.extend(self._states.values())
        request.cached_message_hashes.extend(self._kept)
        context = request.context_info
        context.timezone, context.locale, context.url, context.color_scheme = "UTC", "en-US", self._url, "light"
        if not by_itself:
            self._awaited = fragment
        with suppress(ConnectionClosed):
            await self._socket.send(message.SerializeToString())

    async def ask_for_page(self) -> None:
        """Have the whole page drawn anew, and wait until it is."""
        await self._send()
        await self.wait(lambda: self.is_quiet, "the page")

    async def press(self, name: str) -> None:
        """Press the button with this key or label."""
        await self.wait(lambda: self.finds(name), f"the button {name}")
        shown = self._find(name)
        assert shown is not None
        pressed = self._states[shown.value.id] = WidgetState(id=shown.value.id, trigger_value=True)
        await self._send(shown.fragment)
        if self._states.get(shown.value.id) is pressed:
            del self._states[shown.value.id]

    async def choose(self, key: str, option: str) -> None:
        """Choose one of a group of buttons."""
        shown = self._find(key)
        assert shown is not None, key
        state = WidgetState(id=shown.value.id)
        state.string_array_value.data.append(option)
        self._states[shown.value.id] = state
        await self._send(shown.fragment)

    async def set_number(self, key: str, value: int) -> None:
        """Type a number into a field."""
        shown = self._find(key)
        assert shown is not None, key
        self._states[shown.value.id] = WidgetState(id=shown.value.id, int_value=value)
        await self._send(shown.fragment)

    async def draw(self, stroke: list[Point], seconds: float = PATIENCE_SECONDS) -> float:
        """Draw a stroke; the seconds until the server has shown the drawing with it, which comes after the answer.

        Raises:
            TimeoutError: when it has not in this time.
        """
        before, sent = self.film, perf_counter()
        self.paper.draw(stroke)
        await self._send_drawing()
        await self.wait(lambda: self.film != before, "the answer to a stroke", seconds)
        return self.film_at - sent

    async def _send_drawing(self) -> None:
        shown = self._canvas()
        assert shown is not None
        self._states[shown.value.id] = WidgetState(id=shown.value.id, json_value=self.paper.as_json())
        await self._send(shown.fragment)
