"""What no browser would send, over a real websocket to a real server: it is refused, and the page goes on."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from forger import Forger, data_url
from playground import ONE, SEVEN, Playground, Server
from playwright.sync_api import WebSocketRoute
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import ConnectionClosed

MOST_GROWTH = 50 * 2**20  # bytes
MESSAGE_TOO_BIG, PROTOCOL_ERROR = 1009, 1002


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def black_png(width: int, height: int, filled: bool = True) -> bytes:
    """A PNG of this size, or one that only claims to be."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(width + 1)) for _ in range(height if filled else 0)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def nest(levels: int) -> str:
    return levels * "[" + levels * "]"


# What the canvas is said to have become, given the paper that it is on.
STATES: dict[str, Callable[[str], str]] = {
    "no JSON": lambda paper: "{",
    "nothing": lambda paper: "",
    "a number": lambda paper: "3",
    "a list": lambda paper: "[1, 2]",
    "a drawing that is a text": lambda paper: '{"drawing": "x"}',
    "a drawing that is a list": lambda paper: '{"drawing": [1]}',
    "a drawing of numbers": lambda paper: '{"drawing": {"raw": 3, "data": 4}}',
    "a fit that is a list": lambda paper: '{"backgroundFit": [1]}',
    "half a fit": lambda paper: '{"backgroundFit": {"naturalWidth": 1}}',
    "100,000 levels": lambda paper: f'{{"drawing": {nest(100_000)}}}',
    "900 levels, as strokes": lambda paper: drawing(paper, None, json.loads(nest(900))),
    "a million lists": lambda paper: f'{{"drawing": [{",".join(["[]"] * 800_000)}]}}',
    "strokes that are no list": lambda paper: drawing(paper, data_url(black_png(280, 280)), {"a": 1}),
    "no PNG": lambda paper: drawing(paper, data_url(b"GIF89a" + bytes(300))),
    "no base64": lambda paper: drawing(paper, "data:image/png;base64,\N{SNOWMAN}"),
    "no data URL": lambda paper: drawing(paper, "http://somewhere.else/picture.png"),
    "another size": lambda paper: drawing(paper, data_url(black_png(28, 28))),
    "a claim of 100 gigapixels": lambda paper: drawing(paper, data_url(black_png(320_000, 320_000, filled=False))),
    "140 kB that unpack to 144 MB": lambda paper: drawing(paper, data_url(black_png(12_000, 12_000))),
    "a million bytes": lambda paper: drawing(paper, data_url(bytes(1_000_000))),
}


def drawing(paper: str, picture: str | None, objects: object = None) -> str:
    """The state of a canvas with these strokes and this picture."""
    strokes = [{"type": "Path"}] if objects is None else objects
    return json.dumps({"drawing": {"raw": {"objects": strokes, "background": paper}, "data": picture}})


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own: its log tells of what was refused."""
    server = Server(tmp_path_factory.mktemp("attacked") / "log")
    yield server
    server.stop()
    expected = ("exceeds the limit of", "Error deserializing back message", "DecodeError")
    assert [complaint for complaint in server.complaints() if not any(words in complaint for words in expected)] == []


@pytest.fixture
def forger(attacked: Server) -> Iterator[Forger]:
    one = Forger(attacked)
    yield one
    one.close()


def memory(server: Server) -> int:
    return psutil.Process(server.process_id).memory_info().rss


@pytest.mark.parametrize("name", STATES)
def test_a_forged_canvas_changes_nothing_and_the_next_stroke_is_answered(
    forger: Forger, attacked: Server, name: str
) -> None:
    forger.draw(SEVEN)
    assert "It's a 7" in forger.verdict
    before = memory(attacked)
    forger.tell_canvas(STATES[name](forger.paper))
    assert forger.errors == []
    assert "It's a 7" in forger.verdict
    forger.draw(ONE)
    assert forger.errors == []
    assert "It's a 1" in forger.verdict
    assert memory(attacked) - before < MOST_GROWTH


@pytest.mark.parametrize("size", [4_000_000, 50_000_000])
def test_a_huge_message_ends_its_connection_and_nobody_elses(forger: Forger, attacked: Server, size: int) -> None:
    forger.draw(SEVEN)
    before = memory(attacked)
    other = Forger(attacked)
    with pytest.raises(ConnectionClosed) as closed:
        other.tell_canvas(f'{{"drawing": "{"x" * size}"}}')
    if closed.value.rcvd is not None:  # else the server hung up while the message was still being sent
        assert closed.value.rcvd.code == MESSAGE_TOO_BIG
    forger.draw(ONE)
    assert "It's a 1" in forger.verdict
    assert memory(attacked) - before < MOST_GROWTH


def test_bytes_that_are_no_message_end_the_connection(forger: Forger, attacked: Server) -> None:
    other = Forger(attacked)
    other.send(b"\xff" * 1000)
    with pytest.raises(ConnectionClosed) as closed:
        other.listen()
    assert closed.value.rcvd.code == PROTOCOL_ERROR
    forger.draw(ONE)
    assert "It's a 1" in forger.verdict


def test_states_of_widgets_that_there_are_not_are_forgotten(forger: Forger, attacked: Server) -> None:
    before = memory(attacked)
    forger.send_states({f"$$ID-{number:032x}-None": "1" for number in range(30_000)})
    assert forger.errors == []
    forger.draw(SEVEN)
    assert "It's a 7" in forger.verdict
    assert memory(attacked) - before < MOST_GROWTH


def test_another_sites_page_may_not_speak_to_the_server(attacked: Server) -> None:
    with pytest.raises(Exception, match="403"):
        Forger(attacked, origin="http://somewhere.else")


def test_a_page_whose_messages_are_forged_on_their_way_goes_on(playground: Playground, server: Server) -> None:
    """In a browser, as a person sees it: a stroke that is forged on its way is not seen, the next one is read."""
    forge: list[Callable[[str], str]] = []
    forged: list[str] = []

    def carry(socket: WebSocketRoute) -> None:
        to_server = socket.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            told = BackMsg.FromString(message) if isinstance(message, bytes) else BackMsg()
            for state in told.rerun_script.widget_states.widgets if told.HasField("rerun_script") else ():
                if forge and '"drawing"' in state.json_value:
                    paper = json.loads(state.json_value)["drawing"]["raw"]["background"]
                    state.json_value = forge.pop()(paper)
                    forged.append(state.json_value)
            to_server.send(told.SerializeToString())

        socket.on_message(pass_on)

    playground.page.route_web_socket("**/_stcore/stream", carry)
    playground.reload()
    for name in ("no PNG", "140 kB that unpack to 144 MB", "100,000 levels", "a drawing that is a list"):
        forge.append(STATES[name])
        start = playground.place((60, 200))
        playground.page.mouse.move(*start)
        playground.page.mouse.down()
        playground.page.mouse.move(*playground.place((220, 200)), steps=4)
        playground.page.mouse.up()
        playground.wait(lambda: not forge, f"{name} to be sent")
        playground.settled()
        assert playground.film() is None
        playground.page.get_by_test_id("stException").wait_for(state="detached")
    assert len(forged) == 4
    playground.draw([(60, 80), (220, 80)])
    playground.says("Answered by the shipped network.")
    playground.clear()
    playground.draw(SEVEN)
    playground.reads("It's a 7")


def test_the_log_has_no_line_for_each_forgery(attacked: Server) -> None:
    assert Path(attacked.log).stat().st_size < 20_000
