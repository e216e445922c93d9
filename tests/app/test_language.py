"""The page in another language: who decides, what changes, and what stays as it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from mnist_core import BatchDone, EpochDone, TrainConfig, TrainingRun
from mnist_core.errors import TrainingError
from mnist_core.messages import say
from mnist_core.runs import DONE, FAILED, RUNNING
from mnist_ui import browser, language
from mnist_ui.browser import Tab
from mnist_ui.language import LOCALES, _, _n, browser_language, catalogue, number
from mnist_ui.visitor import MINE, Drawing, Visitor

SHOWN = ("title", "header", "subheader", "caption", "markdown", "info", "success", "warning", "error")
LABELLED = ("button", "selectbox", "number_input", "slider", "select_slider", "toggle", "expander", "file_uploader")
TAB = "fedcba9876543210" * 2


def switch(page: AppTest, code: str) -> AppTest:
    """Choose a language on the page."""
    next(one for one in page.main.get("button_group") if one.key == "setting_language").set_value(code)
    page.run()
    assert not page.exception
    return page


def choices(page: AppTest) -> list[str]:
    switches = page.main.get("button_group")
    return list(next(one for one in switches if one.key == "setting_language").options)


def texts(page: AppTest) -> list[str]:
    """Every text of the page that a test can see, but for the names of the languages."""
    found = [str(one.value) for kind in SHOWN for one in page.get(kind)]
    for one in [one for kind in LABELLED for one in page.get(kind)]:
        found += [one.label, getattr(one, "help", None) or ""]
    for one in [*page.selectbox, *page.select_slider]:
        found += one.options
    found += [one.proto.body for one in page.get("html")]
    found += [one.proto.text for one in page.get("progress")]
    found += [one.proto.label for one in page.get("download_button")]
    charts = page.get("arrow_vega_lite_chart") or page.get("vega_lite_chart")
    found += [text for one in charts for text in [one.proto.alt, *strings(json.loads(one.proto.spec))]]
    found += [str(cell) for one in page.dataframe for cell in [*one.value.columns, *one.value.to_numpy().ravel()]]
    return found


def strings(spec: object) -> Iterator[str]:
    """The strings in a chart's description."""
    if isinstance(spec, str):
        yield spec
    elif isinstance(spec, (dict, list)):
        for one in spec.values() if isinstance(spec, dict) else spec:
            yield from strings(one)


def english_left(page: AppTest) -> set[str]:
    """Texts that stand on the page as they stand in the code, though the catalogue has another word for them."""
    shown = set(texts(page))
    entries = catalogue("es")._catalog  # type: ignore[attr-defined]
    return {
        text
        for text, words in entries.items()
        if isinstance(text, str) and text and text in shown and words not in shown
    }


def visitor_of(page: AppTest) -> Visitor:
    return page.session_state["visitor"]


def run_with(state: str, error: str | None = None) -> TrainingRun:
    """A run that has been through its first epoch."""
    run = TrainingRun(TrainConfig(epochs=2))
    first = BatchDone(
        epoch=1, batch=1, batches=1204, loss=2.0, running_loss=1.0, running_accuracy=0.5, images=100,
        learning_rate=0.1, seconds=0.5,
    )  # fmt: skip
    last = BatchDone(
        epoch=1, batch=1204, batches=1204, loss=0.5, running_loss=1.0, running_accuracy=0.9, images=120_400,
        learning_rate=0.1, seconds=20.0,
    )  # fmt: skip
    run._take_in([first, last])
    run._take_in([
        EpochDone(
            epoch=1, epochs=2, step=1204, train_loss=0.5, train_accuracy=0.9, test_loss=0.0321, test_accuracy=0.9957,
            learning_rate=0.1, seconds=20.0, test_seconds=1.0, images_per_second=6020.4, stalled=False,
        )
    ])  # fmt: skip
    run.state, run.error = state, error
    return run


def seven() -> Drawing:
    ink = np.zeros((280, 280), np.uint8)
    ink[60:80, 90:190] = 255
    for row in range(80, 230):
        ink[row, 170 - (row - 80) // 2 : 190 - (row - 80) // 2] = 255
    return Drawing(ink, ({"type": "Path"},), b"a seven")


@pytest.fixture
def in_spanish(monkeypatch) -> None:
    monkeypatch.setattr(language, "current_language", lambda: "es")


@pytest.fixture
def asks_for(monkeypatch) -> Callable[[str | None], None]:
    """asks_for("es-ES"): that is what the browser asks for from now on."""

    def ask(locale: str | None) -> None:
        monkeypatch.setattr(type(st.context), "locale", property(lambda context: locale))

    return ask


def test_the_switch_changes_the_page_and_back(page) -> None:
    english = texts(page)
    assert choices(page) == ["English", "Español"]
    switch(page, "es")
    assert [one.value for one in page.header] == ["Taller de dígitos"]
    assert page.sidebar.subheader[0].value == "Entrenamiento"
    assert page.selectbox(key="es_setting_recipe").label == "Receta"
    assert page.selectbox(key="es_setting_recipe").options[0] == "Rápida: 99 % en segundos"
    assert page.number_input(key="setting_epochs").help == "Cuántas veces ve la red cada imagen de entrenamiento."
    assert "Responde la red incluida." in [one.value for one in page.caption]
    assert any("Esperando tu dígito" in one.proto.body for one in page.get("html"))
    assert page.info[0].value == "Pulsa **Entrenar**: una red nueva aprende de 60.000 imágenes, y tú ves cómo."
    assert english_left(page) == set()
    switch(page, "en")
    assert texts(page) == english


def test_a_run_with_its_charts_and_its_table_is_told_in_spanish(page) -> None:
    switch(page, "es")
    visitor_of(page).run = run_with(DONE)
    page.run()
    assert not page.exception
    shown = texts(page)
    assert "época 1 de 2, paso 1.204, 6.020 imágenes/s" in shown
    assert page.success[0].value.startswith("Listo. Se ha detenido por sí solo tras la época 1")
    assert "Lee el 99,57 % de las imágenes de prueba tras 21 s." in page.success[0].value
    assert {"pérdida", "exactitud en %", "imágenes de entrenamiento", "un lote"} <= set(shown)
    assert {"Época", "Pérdida en prueba", "Qué significa"} <= set(page.dataframe[0].value.columns)
    assert "La pérdida baja deprisa: la red ha empezado a aprender." in shown
    assert english_left(page) == set()


def test_the_numbers_of_charts_and_tables_are_written_in_spanish(page) -> None:
    switch(page, "es")
    visitor_of(page).run = run_with(DONE)
    page.run()
    charts = page.get("arrow_vega_lite_chart") or page.get("vega_lite_chart")
    for one in charts:
        written = json.loads(one.proto.spec)["config"]["locale"]["number"]
        assert (written["decimal"], written["thousands"]) == (",", ".")
    table = page.dataframe[0].value
    assert table["Pérdida en prueba"].tolist() == ["0,0321"]
    assert table["Exactitud en prueba en %"].tolist() == ["99,57"]
    assert table["Época"].tolist() == [1]


def test_why_a_run_failed_is_told_in_spanish(page) -> None:
    switch(page, "es")
    error = TrainingError(say("The {split} set is empty. Give it at least one image.", split=say("training")))
    visitor_of(page).run = run_with(FAILED, error.message)
    page.run()
    assert page.error[0].value == "El conjunto de entrenamiento está vacío. Ponle al menos una imagen."


def test_a_picture_that_cannot_be_read_is_refused_in_the_language_of_the_page(page) -> None:
    switch(page, "es")
    page.session_state["photo_open"] = True
    page.run().main.file_uploader[0].upload("digit.png", b"no picture", "image/png").run()
    assert page.error[0].value.startswith("La imagen no se puede leer. Guárdala como archivo PNG o JPEG")
    assert english_left(page) == set()
    switch(page, "en")
    page.session_state["photo_open"] = True  # a press elsewhere closes it
    assert page.run().error[0].value.startswith("The picture is none that can be read.")


@pytest.mark.parametrize(
    ("digits", "verdict"),
    [("7", "Es un 7"), ("8", "Es un 8"), ("17", "Dudo entre 1 y 7"), ("497", "Dudo entre 4, 9 y 7")],
)
def test_verdicts_are_whole_sentences(in_spanish, digits, verdict) -> None:
    from mnist_core.drawing import prepare
    from mnist_core.prediction import Prediction, describe
    from mnist_ui.answer import verdict_html

    candidates = tuple(map(int, digits))
    words = describe(candidates)
    probabilities = np.full(10, 0.1, np.float32)
    prediction = Prediction(probabilities, candidates[0], 0.97, candidates, words, prepare(seven().ink))
    assert f">{verdict}<small>97 %</small>" in verdict_html(prediction)


@pytest.mark.parametrize(
    ("locale", "code"),
    [
        *(("es", "es"), ("es-ES", "es"), ("es-MX", "es"), ("ES_es", "es"), ("es-419", "es")),
        *(("en", "en"), ("en-GB", "en"), ("ca-ES", "en"), ("de", "en"), ("", "en"), ("../es", "en"), (None, "en")),
    ],
)
def test_at_first_the_browser_decides(asks_for, locale, code) -> None:
    asks_for(locale)
    assert browser_language() == code


def test_a_spanish_browser_gets_the_page_in_spanish_and_may_choose_another(open_page, asks_for) -> None:
    asks_for("es-AR")
    page = open_page()
    assert page.header[0].value == "Taller de dígitos"
    assert switch(page, "en").header[0].value == "Digit playground"
    assert page.run().header[0].value == "Digit playground"


def test_a_language_that_does_not_exist_is_none(page) -> None:
    page.session_state["setting_language"] = "xx"
    assert page.run().header[0].value == "Digit playground"
    assert not page.exception


def test_two_visitors_read_two_languages(open_page) -> None:
    here, there = open_page(), open_page()
    switch(here, "es")
    for _once in range(2):
        assert here.run().header[0].value == "Taller de dígitos"
        assert there.run().header[0].value == "Digit playground"


def test_a_reloaded_page_is_in_the_language_that_was_chosen(open_page, connected, monkeypatch) -> None:
    connected.add("test session id")  # as Streamlit's AppTest calls all of its sessions
    monkeypatch.setattr(browser, "tab", lambda: Tab(TAB))
    switch(open_page(), "es")
    connected.clear()
    assert open_page().header[0].value == "Taller de dígitos"


def test_changing_the_language_loses_nothing(open_page, monkeypatch) -> None:
    from mnist_ui import canvas

    monkeypatch.setattr(canvas, "read_ink", lambda result, paper: seven())
    page = open_page()
    page.selectbox(key="en_setting_recipe").select("course").run()
    page.selectbox(key="en_setting_optimizer").select("momentum").run()
    page.number_input(key="setting_epochs").set_value(4).run()
    page.select_slider(key="setting_learning_rate").set_value(0.5).run()
    page.slider(key="brush").set_value(31).run()
    visitor = visitor_of(page)
    visitor.run, visitor.answered_by = run_with(RUNNING), MINE
    page.run()
    config, drawing, run, undo = visitor.config, visitor.drawing, visitor.run, visitor.undo
    assert (config.model, config.optimizer, config.epochs, config.learning_rate) == ("mlp", "momentum", 4, 0.5)
    for code in ("es", "en", "es"):
        switch(page, code)
        assert visitor_of(page) is visitor
        assert visitor.config == config
        assert (visitor.drawing, visitor.run, visitor.undo, visitor.answered_by) == (drawing, run, undo, MINE)
        assert page.slider(key="brush").value == 31
        assert page.selectbox(key=f"{code}_setting_optimizer").value == "momentum"
    page.selectbox(key="es_setting_optimizer").select("adam").run()
    assert switch(page, "en").selectbox(key="en_setting_optimizer").value == "adam"


def test_numbers_as_each_language_writes_them(monkeypatch) -> None:
    assert (number(1204), number(0.25, ".2f"), number(1_234_567.5, ",.1f")) == ("1,204", "0.25", "1,234,567.5")
    assert _("{share:.2f} % in {name}", share=99.57, name="a.b,c") == "99.57 % in a.b,c"
    monkeypatch.setattr(language, "current_language", lambda: "es")
    assert (number(1204), number(0.25, ".2f"), number(1_234_567.5, ",.1f")) == ("1.204", "0,25", "1.234.567,5")
    assert _("{share:.2f} % in {name}", share=99.57, name="a.b,c") == "99,57 % in a.b,c"
    assert _("{share:.1f}", share=np.float32(12.34)) == "12,3"
    assert _("{count:,}", count=np.int64(1204)) == "1.204"
    assert _("{yes}", yes=True) == "True"


def test_one_and_many(in_spanish) -> None:
    words = "Answered by my network after {count:,} step.", "Answered by my network after {count:,} steps."
    assert _n(*words, 1) == "Responde mi red tras 1 paso."
    assert _n(*words, 1204) == "Responde mi red tras 1.204 pasos."


def test_a_message_brings_its_values_and_takes_others(in_spanish) -> None:
    inner = say("{name}, {cores} cores", name="Zen 5", cores=2)
    assert _(inner) == "Zen 5, 2 núcleos"
    assert _("No network can answer. {error}", error=inner) == "Ninguna red puede responder. Zen 5, 2 núcleos"
    assert _(say("Size of layer {number}"), number=3) == "Tamaño de la capa 3"
    assert _("words that no catalogue has") == "words that no catalogue has"
    assert _("") == ""


@pytest.fixture
def with_german(tmp_path, monkeypatch) -> Iterator[Path]:
    """A folder of catalogues with one more."""
    shutil.copytree(LOCALES, tmp_path / "locales")
    german = tmp_path / "locales" / "de.po"
    german.write_text('msgid "Digit playground"\nmsgstr "Ziffernspielplatz"\n')
    monkeypatch.setattr(language, "LOCALES", german.parent)
    for cached in (language.languages, language.catalogue):
        cached.cache_clear()
    yield german
    for cached in (language.languages, language.catalogue):
        cached.cache_clear()


def test_a_file_more_is_a_language_more(with_german, open_page, asks_for) -> None:
    asks_for("de-CH")
    page = open_page()
    assert choices(page) == ["English", "Deutsch", "Español"]
    assert page.header[0].value == "Ziffernspielplatz"
    assert page.button(key="train").label == "Train"  # what it lacks stays English
