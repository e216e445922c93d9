"""What browsers send is bounded before Streamlit keeps it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.runtime import Runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from mnist_ui import received
from mnist_ui.received import DEEPEST, depth, is_sound, leave_out_unsound, shelved

NESTED = st.recursive(
    st.none() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def levels(value: object) -> int:
    """How deep lists and objects lie in each other, by looking."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(levels, inner), default=0)


@pytest.mark.parametrize("text", ["", "3", "[]", "{}", "[[]]", '{"a": [1, {"b": []}]}', "][", "é[ñ]"])
def test_depth_is_counted_by_the_brackets(text) -> None:
    deepest = level = 0
    for sign in text:
        level += (sign in "[{") - (sign in "]}")
        deepest = max(deepest, level)
    assert depth(text) == deepest


@pytest.mark.parametrize("text", ["]]]]", '\\"]]', "\\\\", "[[", '\\"[', "}\n}"])
def test_brackets_within_a_text_do_not_count(text) -> None:
    assert depth(f'["{text}", [[1]], "{text}"]') == 3


@given(NESTED)
def test_no_value_is_deeper_than_it_is_counted_to_be(value) -> None:
    written = json.dumps(value)
    assert depth(written) == levels(value)
    assert is_sound(written) == (levels(value) <= DEEPEST)


def test_texts_that_never_end_take_no_longer_than_others() -> None:
    assert depth('"' + '\\"' * 1_000_000) == depth('["' + "a\\" * 1_000_000) - 1 == 0


@pytest.mark.parametrize(
    "state", ["3", "null", '"x"', "{}", '{"drawing": {"raw": {"objects": []}}}', "[" * 50 + "]" * 50]
)
def test_json_that_can_be_read_is_sound(state) -> None:
    assert is_sound(state)


@pytest.mark.parametrize(
    "state",
    [
        "",
        "{",
        "[1,]",
        "nothing",
        "\ud800" + "[",
        "[" * 51 + "]" * 51,
        "[" * 100_000 + "]" * 100_000,
        "[" + ",".join(["[]"] * 100_000) + "]",
        json.dumps("x" * received.LARGEST_STATE),
        "9" * 5000,  # more digits than Python turns into a number
    ],
)
def test_what_cannot_be_read_or_would_take_too_much_memory_is_not(state) -> None:
    assert not is_sound(state)


def test_a_message_loses_only_the_states_that_cannot_be_kept() -> None:
    message = BackMsg()
    message.rerun_script.query_string = "a=b"
    message.rerun_script.widget_states.widgets.extend(
        [
            WidgetState(id="sound", json_value="{}"),
            WidgetState(id="broken", json_value="{"),
            WidgetState(id="text", string_value="{"),
            WidgetState(id="pressed", json_trigger_value="["),
            WidgetState(id="number", int_value=3),
        ]
    )
    leave_out_unsound(message)
    assert [state.id for state in message.rerun_script.widget_states.widgets] == ["sound", "text", "number"]
    assert message.rerun_script.query_string == "a=b"


def test_of_more_states_than_a_page_has_the_first_are_kept() -> None:
    message = BackMsg()
    message.rerun_script.widget_states.widgets.extend(
        WidgetState(id=str(number), int_value=1) for number in range(5000)
    )
    leave_out_unsound(message)
    assert len(message.rerun_script.widget_states.widgets) == received.MOST_STATES


def test_other_messages_pass_as_they_are() -> None:
    message = BackMsg(stop_script=True)
    leave_out_unsound(message)
    assert message == BackMsg(stop_script=True)


def test_the_servers_own_classes_are_bounded_once(page) -> None:
    """The page has been drawn: its server looks at what is sent, and asking again changes nothing."""
    handle, add = Runtime.handle_backmsg, MemoryUploadedFileManager.add_file
    assert handle.__wrapped__.__qualname__ == "Runtime.handle_backmsg"
    assert add.__wrapped__.__qualname__ == "MemoryUploadedFileManager.add_file"
    received.bound()
    assert (Runtime.handle_backmsg, MemoryUploadedFileManager.add_file) == (handle, add)


@pytest.fixture
def manager() -> MemoryUploadedFileManager:
    """A manager of uploaded files with a shelf of its own."""

    class Manager(MemoryUploadedFileManager):
        add_file = shelved(
            getattr(MemoryUploadedFileManager.add_file, "__wrapped__", MemoryUploadedFileManager.add_file)
        )

    return Manager("/upload")


def put(manager: MemoryUploadedFileManager, session: str, name: str, size: int = 10) -> None:
    manager.add_file(session, UploadedFileRec(name, name, "text/plain", bytes(size)))


def kept(manager: MemoryUploadedFileManager, session: str) -> list[str]:
    return list(manager.file_storage.get(session, {}))


def test_a_session_keeps_its_newest_files(manager) -> None:
    for number in range(20):
        put(manager, "one", str(number))
    put(manager, "other", "a")
    assert kept(manager, "one") == ["17", "18", "19"]
    assert kept(manager, "other") == ["a"]


def test_a_file_sent_again_and_again_is_one_file_and_stays(manager) -> None:
    for _ in range(20):
        put(manager, "one", "same")
    assert kept(manager, "one") == ["same"]


def test_all_sessions_together_keep_a_bounded_number_of_bytes(manager) -> None:
    size = received.LARGEST_FILES // 10
    for number in range(35):
        put(manager, f"session {number}", "file", size)
    sizes = [len(file.data) for files in manager.file_storage.values() for file in files.values()]
    assert sum(sizes) == 10 * size
    assert kept(manager, "session 34") == ["file"]
    assert kept(manager, "session 24") == []


def test_all_sessions_together_keep_a_bounded_number_of_files(manager) -> None:
    for number in range(received.MOST_SHELVED + 10):
        put(manager, f"session {number}", "file", 0)
    assert sum(map(len, manager.file_storage.values())) == received.MOST_SHELVED


def test_files_of_sessions_that_have_ended_make_room_first(manager) -> None:
    size = received.LARGEST_FILES // 4
    put(manager, "gone", "file", size)
    put(manager, "here", "file", size)
    manager.remove_session_files("gone")
    for number in range(3):
        put(manager, f"new {number}", "file", size)
    assert kept(manager, "here") == ["file"]
