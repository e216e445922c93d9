"""Every text has its translation, with the same placeholders, and every text of the page asks for one."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po

from mnist_ui.language import LOCALES

REPOSITORY = Path(__file__).parents[2]
KEYWORDS = {**DEFAULT_KEYWORDS, "_": None, "_n": (1, 2), "say": None}  # as mnist_ui/language.py tells pybabel
Text = str | tuple[str, ...]


@pytest.fixture(scope="module")
def texts() -> set[Text]:
    """All texts of the code that a person may see; a text with a plural is a pair."""
    found = [
        message
        for package in ("mnist_core", "mnist_ui")
        for _, _, message, _, _ in extract_from_dir(REPOSITORY / package, keywords=KEYWORDS)
    ]
    assert len(found) > 200
    return set(found)


@pytest.fixture(scope="module", params=sorted(LOCALES.glob("*.po")), ids=lambda file: file.stem)
def catalogue(request) -> Catalog:
    with request.param.open("rb") as file:
        return read_po(file, locale=request.param.stem, abort_invalid=True)


def forms(text: Text) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def entries(catalogue: Catalog) -> Iterator[Message]:
    """What the catalogue translates, without its header."""
    return (entry for entry in catalogue if entry.id)


def placeholders(text: str) -> set[tuple[str, str | None, str | None]]:
    """Name, format and conversion of each placeholder."""
    return {(name, spec, how) for _, name, spec, how in string.Formatter().parse(text) if name is not None}


def test_there_is_a_catalogue() -> None:
    assert "es" in [file.stem for file in LOCALES.glob("*.po")]


def test_no_text_lacks_a_translation_and_none_is_left_over(texts, catalogue) -> None:
    assert {entry.id if isinstance(entry.id, str) else tuple(entry.id) for entry in entries(catalogue)} == texts
    assert [entry.id for entry in entries(catalogue) if not all(forms(entry.string))] == []
    assert [entry.id for entry in entries(catalogue) if entry.fuzzy] == []
    assert list(catalogue.obsolete) == []


def test_every_plural_has_as_many_forms_as_the_language(catalogue) -> None:
    plural = [entry for entry in entries(catalogue) if not isinstance(entry.id, str)]
    assert plural
    assert [entry.id for entry in plural if len(forms(entry.string)) != catalogue.num_plurals] == []


def test_the_placeholders_are_those_of_the_text(catalogue) -> None:
    wrong = [
        (entry.id, form)
        for entry in entries(catalogue)
        for form in forms(entry.string)
        if placeholders(form) not in [placeholders(one) for one in forms(entry.id)]
    ]
    assert wrong == []


def test_what_a_text_names_in_bold_is_called_as_on_the_page(catalogue) -> None:
    """ "Press **Train**" must name the button as its label is translated."""
    bold = {
        (entry.id, label)
        for entry in entries(catalogue)
        for label in re.findall(r"\*\*(.+?)\*\*", forms(entry.id)[0])
        if label in catalogue
    }
    assert bold
    wrong = [(text, label) for text, label in bold if f"**{catalogue[label].string}**" not in catalogue[text].string]
    assert wrong == []


def test_begin_and_end_are_punctuated_as_in_the_text(catalogue) -> None:
    def ends(text: str) -> str:
        return text[-1] if text[-1] in ".:?!" else ""

    wrong = [
        (entry.id, form)
        for entry in entries(catalogue)
        for form in forms(entry.string)
        if ends(form) != ends(forms(entry.id)[-1]) or form != form.strip()
    ]
    assert wrong == []


# What shows a text, and by which arguments; the first one always does.
SHOWING = {
    *("alert", "button", "camera_input", "caption", "checkbox", "choose_one", "dataframe", "download_button", "error"),
    *("expander", "file_uploader", "header", "info", "markdown", "metric", "multiselect", "number_input", "pills"),
    *("popover", "progress", "radio", "segmented_control", "select_slider", "selectbox", "slider", "spinner"),
    *("status", "subheader", "success", "tabs", "text", "text_area", "text_input", "title", "toast", "toggle"),
    *("warning", "write", "altair_chart", "image", "X", "Y", "Tooltip", "Color", "Axis", "Legend", "set_page_config"),
    *("properties", "table", "link_button", "badge", "TextColumn", "NumberColumn", "Column", "ProgressColumn"),
}
NAMES_A_FIELD = {"X", "Y", "Tooltip", "Color", "Axis", "Legend", "properties"}  # not shown: a column of the data
WORDED = {"alt", "body", "caption", "help", "label", "page_title", "placeholder", "text", "title"}


def spoken(node: ast.expr | None) -> Iterator[str]:
    """The literal words in what is shown, but for those that are translated: an expression's own strings."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        for part in node.values:
            if isinstance(part, ast.Constant):
                yield from spoken(part)
    elif isinstance(node, ast.IfExp):
        yield from (*spoken(node.body), *spoken(node.orelse))
    elif isinstance(node, ast.BoolOp):
        yield from (word for value in node.values for word in spoken(value))
    elif isinstance(node, ast.BinOp):
        yield from (*spoken(node.left), *spoken(node.right))
    elif isinstance(node, (ast.List, ast.Tuple)):
        yield from (word for value in node.elts for word in spoken(value))


def words_in(text: str) -> bool:
    """Whether there are words in it, icons, numbers and the names of units apart."""
    return bool(re.search(r"[^\W\d_]{2,}", re.sub(r":material/\w+:", "", text)))


def untranslated(source: str) -> list[str]:
    """The words that this code shows as they stand: what it gives to Streamlit and Altair, and its html."""
    found = []
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name not in SHOWING:
                continue
            shown = [] if name in NAMES_A_FIELD else node.args[:1]
            shown += [one.value for one in node.keywords if one.arg in WORDED]
            found += [word for one in shown for word in spoken(one) if words_in(word)]
        elif isinstance(node, ast.JoinedStr):
            html = "".join(part.value if isinstance(part, ast.Constant) else "\0" for part in node.values)
            found += html_words(html)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("<"):
            found += html_words(node.value)
    return found


def html_words(html: str) -> list[str]:
    """The words of raw html, between its tags and in the attributes that are read out or shown."""
    if "</" not in html and "/>" not in html and not re.search(r"<\w+ [^>]*>", html):
        return []
    bare = re.sub(r"<style>.*?(</style>|$)", "", html, flags=re.DOTALL)
    attributes = re.findall(r'(?:alt|title|aria-label)="([^"]*)"', bare)
    return [words for words in [*attributes, re.sub(r"<[^>]*>?", " ", bare)] if words_in(words)]


@pytest.mark.parametrize("file", sorted((REPOSITORY / "mnist_ui").rglob("*.py")), ids=lambda file: file.stem)
def test_no_text_of_the_page_goes_past_its_language(file) -> None:
    assert untranslated(file.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        'st.button("Train")',
        'train.button("Train", key="train")',
        'st.caption(f"{count} images")',
        'st.slider(_("Width"), help="How wide it is.")',
        'st.button("Go on" if paused else "Pause")',
        'st.error(run.error or "It failed.")',
        'alt.X("step:Q", title="step")',
        'st.altair_chart(chart, alt="a chart")',
        'html = f"<b>Done in {seconds}</b>"',
        """html = f'<img src="{url}" alt="The drawing">'""",
        'html = "<p>Waiting</p>"',
    ],
)
def test_a_text_that_goes_past_the_language_is_found(source) -> None:
    assert untranslated(source)


@pytest.mark.parametrize(
    "source",
    [
        'st.button(_("Train"), icon=":material/play_arrow:", key="train", width="stretch")',
        'st.caption(_("{count} images", count=count))',
        'alt.Tooltip("step:Q", title=_("step"), format=".2f")',
        """html = f'<span class="digit" title="{title}">{name}</span>'""",
        'html = "<style>.verdict { color: red; }</style>"',
        'st.caption(f"{one} ({two})")',
    ],
)
def test_what_goes_through_the_language_is_left_alone(source) -> None:
    assert untranslated(source) == []


def marked(source: str) -> tuple[set[Text], list[str]]:
    """The texts that the code marks for translation, and what is marked without being one literal text."""
    found, wrong = set(), []
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "_n", "say")):
            continue
        texts = node.args[: 2 if node.func.id == "_n" else 1]
        if all(isinstance(one, ast.Constant) for one in texts):
            found.add(tuple(one.value for one in texts) if len(texts) > 1 else texts[0].value)
        elif any(isinstance(one, (ast.JoinedStr, ast.BinOp)) for one in texts):
            wrong.append(ast.unparse(node))
    return found, wrong


def test_whoever_collects_the_texts_finds_all_that_are_marked(texts) -> None:
    """What stands inside an f-string is not found before Python 3.12, and what is put together nowhere."""
    for file in [*(REPOSITORY / "mnist_ui").rglob("*.py"), *(REPOSITORY / "mnist_core").rglob("*.py")]:
        found, wrong = marked(file.read_text())
        assert (file.name, found - texts, wrong) == (file.name, set(), [])
