"""Somebody who speaks to the server over its websocket, and says what no browser would."""

from __future__ import annotations

import base64
import io
import json
from contextlib import ExitStack
from time import monotonic
from typing import Any

from PIL import Image, ImageDraw
from playground import PATIENCE_SECONDS, Server
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import connect

CANVAS = "streamlit-drawable-canvas.streamlit_drawable_canvas"  # the component's name
Stroke = list[tuple[float, float]]


class Forger:
    """One connection to the page.

    Attributes:
        errors: what the page showed as an exception since the last run of the script began.
        paper: the colour of the canvas's paper, by which it says which of its fillings it speaks of.
    """

    def __init__(self, server: Server, origin: str | None = None) -> None:
        self.errors: list[str] = []
        self._html: dict[tuple[int, ...], str] = {}
        self._canvas = self.paper = ""
        address = server.url.replace("http", "ws", 1) + "/_stcore/stream"
        opening = connect(
            address,
            subprotocols=["streamlit"],
            origin=origin or server.url,
            max_size=None,
            open_timeout=PATIENCE_SECONDS,
        )
        self._connection = ExitStack()
        self._socket = self._connection.enter_context(opening)
        self.send_states({})

    def close(self) -> None:
        """Go away."""
        self._connection.close()

    # Saying

    def send(self, message: bytes) -> None:
        """Send these bytes as they are."""
        self._socket.send(message)

    def send_states(self, states: dict[str, str]) -> None:
        """Have the page drawn anew with these states of its components, JSON by their ids, and wait for its end."""
        message = BackMsg()
        message.rerun_script.widget_states.widgets.extend(
            WidgetState(id=name, json_value=state) for name, state in states.items()
        )
        self.send(message.SerializeToString())
        self.listen()

    def tell_canvas(self, state: str) -> None:
        """Send this as what the canvas has become."""
        self.send_states({self._canvas: state})

    def tell_drawing(self, picture: Any, objects: Any = None, background: Any = None) -> None:
        """Send a drawing: its picture, a data URL, and its strokes."""
        strokes = [{"type": "Path"}] if objects is None else objects
        raw = {"version": "7.0", "objects": strokes, "background": background or self.paper}
        self.tell_canvas(json.dumps({"drawing": {"raw": raw, "data": picture}}))

    def draw(self, stroke: Stroke) -> None:
        """Send what a browser would send after this stroke."""
        picture = Image.new("RGBA", (280, 280), "#000000")
        ImageDraw.Draw(picture).line(stroke, fill="#ffffff", width=20, joint="curve")
        png = io.BytesIO()
        picture.save(png, format="PNG")
        self.tell_drawing(data_url(png.getvalue()))

    # Listening

    def listen(self) -> None:
        """Take in what the server says until a run of the script has come to its end.

        Raises:
            websockets.ConnectionClosed: the server has hung up.
        """
        self.errors.clear()
        deadline = monotonic() + PATIENCE_SECONDS
        while True:
            message = ForwardMsg.FromString(self._socket.recv(timeout=max(0.1, deadline - monotonic())))
            if message.HasField("delta"):
                self._take_in(tuple(message.metadata.delta_path), message.delta.new_element)
            if message.HasField("script_finished") and message.script_finished in (
                ForwardMsg.FINISHED_SUCCESSFULLY,
                ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY,
            ):
                return

    def _take_in(self, path: tuple[int, ...], element: Any) -> None:
        kind = element.WhichOneof("type")
        if kind == "html":
            self._html[path] = element.html.body
        elif kind == "exception":
            self.errors.append(f"{element.exception.type} {element.exception.message}")
        elif kind == "bidi_component" and element.bidi_component.component_name == CANVAS:
            self._canvas = element.bidi_component.id
            self.paper = json.loads(element.bidi_component.json)["backgroundColor"]

    @property
    def verdict(self) -> str:
        """What the page says of the drawing."""
        return next((body for body in self._html.values() if 'class="verdict"' in body), "")


def data_url(content: bytes) -> str:
    """Bytes as a PNG's data URL, whatever they are."""
    return "data:image/png;base64," + base64.b64encode(content).decode()
