"""No text of a visitor reaches the page as HTML, or as markdown that could be a picture or a link."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from opened_lesson import open_lesson, seven
from streamlit.testing.v1 import AppTest

from mnist_core import TrainConfig, build_model
from mnist_core.runs import TrainingRun
from mnist_core.weights import weights_bytes
from mnist_ui.visitor import Visitor

MARK = "hostile"
TEXTS = [
    f"<img src=x onerror={MARK}()>",
    f"<script>{MARK}()</script>",
    f"![{MARK}](http://a.b/x.png)",
    f"[{MARK}](javascript:x())",
    f"`{MARK}` **{MARK}**",
    f":red[{MARK}] $x^2$",
    f"http://{MARK}.example",
]
PLAIN = ("text", "text_input", "selectbox", "dataframe", "vega_lite_chart", "arrow_vega_lite_chart")
UI = Path(__file__).parents[2] / "mnist_ui"


def elements(block: Any) -> Iterator[tuple[str, Any]]:
    """Every element of the page: its kind and its message."""
    for child in block.children.values():
        if hasattr(child, "children"):
            yield from elements(child)
        elif getattr(child, "proto", None) is not None:
            yield child.type, child.proto


def shown(page: AppTest) -> list[tuple[str, str]]:
    """The elements of the whole page in which the mark stands: kind and content."""
    found = [(kind, str(proto)) for root in (page.main, page.sidebar) for kind, proto in elements(root)]
    return [(kind, content) for kind, content in found if MARK in content]


def is_harmless(kind: str, content: str) -> bool:
    """Whether an element with a visitor's text in it shows it as text."""
    if kind in PLAIN:
        return True
    signs = set(content.partition(MARK)[0][-6:] + content.partition(MARK)[2][:6]) & set("<>![]()*$:")
    return kind not in ("html", "iframe") and not signs


@pytest.mark.parametrize("text", TEXTS)
def test_the_name_of_a_run(page, text) -> None:
    visitor: Visitor = page.session_state["visitor"]
    visitor.run = TrainingRun(TrainConfig())
    visitor.run.stop()
    visitor.recent_runs.add(visitor.run)
    visitor.recent_runs.rename(1, text)
    open_lesson(page, "compare", seven())
    found = shown(page)
    assert {"selectbox", "text_input"} <= {kind for kind, _content in found}
    assert {kind for kind, _content in found} <= set(PLAIN)


@pytest.mark.parametrize("text", TEXTS)
def test_what_a_link_asks_for(open_page, text) -> None:
    page = open_page(urlencode({"epochs": text, text: "1", "model": text, "panel": text, "lang": text}))
    assert all(is_harmless(kind, content) for kind, content in shown(page))
    assert any("The link asks for what there is not" in one.value for one in page.main.info)


@pytest.mark.parametrize("text", TEXTS)
def test_the_name_of_a_file_of_weights(page, text) -> None:
    page.session_state["weights_open_0"] = True
    page.run()
    (uploader,) = page.main.file_uploader
    content = weights_bytes(build_model("mlp", hidden_sizes=[3]), ".pth")
    uploader.upload(f"{text}.pth", content, "application/octet-stream").run()
    open_lesson(page, "step", None)
    found = shown(page)
    assert found
    assert all(is_harmless(kind, content) for kind, content in found)


def test_the_check_itself_sees_what_is_not_harmless() -> None:
    for text in TEXTS[:6]:
        assert not is_harmless("html", text)
        assert not is_harmless("markdown", text)
    assert is_harmless("markdown", f"`·img·{MARK}··`")


def test_nothing_is_put_onto_the_page_as_html_but_by_st_html() -> None:
    """Streamlit's other ways: unsafe_allow_html, st.iframe, components of version 1, scripts allowed in st.html."""
    for file in UI.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                names = {keyword.arg for keyword in node.keywords}
                assert not names & {"unsafe_allow_html", "unsafe_allow_javascript"}, f"{file.name}:{node.lineno}"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "st":
                assert node.attr not in ("iframe", "write", "write_stream"), f"{file.name}:{node.lineno}"
