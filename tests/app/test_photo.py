"""A photograph of a digit comes onto the canvas, once, and what cannot be read leaves the drawing alone."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from mnist_core import load_mnist
from mnist_core.drawing import prepare
from mnist_core.server_settings import server_settings
from mnist_ui.visitor import Visitor


def visitor_of(page: AppTest) -> Visitor:
    return page.session_state["visitor"]


def photograph(number: int = 0, darkness: float = 0.7) -> bytes:
    """A MNIST test image, the first a 7, as ink on paper with uneven light: a JPEG; blank paper with darkness 0."""
    digit = Image.fromarray(load_mnist("test").images[number, 0].numpy()).resize((300, 300), Image.Resampling.BICUBIC)
    ink = np.zeros((600, 800))
    ink[200:500, 100:400] = np.asarray(digit) / 255
    light = np.linspace(120, 220, 800) + np.random.default_rng(0).normal(0, 3, ink.shape)
    return saved(Image.fromarray((light * (1 - darkness * ink)).clip(0, 255).astype(np.uint8)), "JPEG")


def saved(picture: Image.Image, file_format: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, file_format)
    return file.getvalue()


def open_photo(page: AppTest) -> AppTest:
    page.session_state["photo_open"] = True
    return page.run()


def upload(page: AppTest, content: bytes, name: str = "digit.jpg", kind: str = "image/jpeg") -> AppTest:
    open_photo(page).main.file_uploader[0].upload(name, content, kind).run()
    assert not page.exception
    return page


def words(page: AppTest) -> str:
    return "\n".join(one.proto.body for one in page.main.get("html"))


def errors(page: AppTest) -> list[str]:
    return [one.value for one in page.main.error]


def test_the_camera_and_the_file_chooser_wait_until_they_are_asked_for(page) -> None:
    assert not page.main.file_uploader
    assert not page.main.camera_input
    open_photo(page)
    assert len(page.main.file_uploader) == 1
    assert not page.main.camera_input  # it would ask for leave to use the camera


def test_an_uploaded_photograph_is_read_from_the_canvas(page) -> None:
    upload(page, photograph())
    assert "It's a 7" in words(page)
    (picture,) = visitor_of(page).drawing.objects
    assert picture["type"] == "Image"
    assert len(picture["src"]) < 60_000
    assert not page.session_state["photo_open"]
    assert not page.main.file_uploader


def test_a_photograph_by_the_camera_is_read_too(page) -> None:
    source = next(one for one in open_photo(page).main.get("button_group") if one.key == "photo_source")
    source.set_value("Camera").run()
    assert not page.main.file_uploader
    page.main.camera_input[0].set_value(("shot.jpg", photograph(), "image/jpeg")).run()
    assert not page.exception
    assert "It's a 7" in words(page)


def test_a_photograph_is_put_only_once_and_undo_and_clear_work_as_for_a_drawing(page) -> None:
    upload(page, photograph())
    revision = visitor_of(page).canvas_revision
    open_photo(page).run()
    assert visitor_of(page).canvas_revision == revision
    next(one for one in page.main.button if one.label == "Clear").click().run()
    assert "Waiting for your digit" in words(page)
    assert not visitor_of(page.run()).drawing.ink.any()
    for verdict in ("It's a 7", "Waiting for your digit"):
        next(one for one in page.main.button if one.label == "Undo").click().run()
        assert verdict in words(page)


def test_the_same_picture_can_be_taken_again_after_it_was_cleared(page) -> None:
    for _ in range(2):
        upload(page, photograph())
        assert "It's a 7" in words(page)
        next(one for one in page.main.button if one.label == "Clear").click().run()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no picture at all", "Save it as a PNG or JPEG file"),
        (photograph()[:3000], "Save it anew"),
        (b"\0" * 10_000_001, "Make it smaller"),
        (photograph(darkness=0), "No writing found"),
    ],
)
def test_a_picture_that_cannot_be_read_leaves_the_drawing_and_says_what_to_do(page, content, said) -> None:
    upload(page, photograph(1))  # a 2
    before = visitor_of(page).drawing
    upload(page, content)
    assert visitor_of(page).drawing is before
    assert len(errors(page)) == 1
    assert said in errors(page)[0]
    page.main.file_uploader[0].clear().run()
    assert not errors(page)
    upload(page, photograph())
    assert "It's a 7" in words(page)


def test_a_picture_may_have_as_many_bytes_as_the_server_allows(page, monkeypatch) -> None:
    monkeypatch.setenv("DIGIT_PLAYGROUND_UPLOAD_BYTES", str(len(photograph()) - 1))
    server_settings.cache_clear()
    upload(page, photograph())
    assert "The picture has more than 0." in errors(page)[0]
    assert not visitor_of(page).drawing.ink.any()
    monkeypatch.undo()
    server_settings.cache_clear()


def test_what_is_written_fills_the_canvas_as_a_digit_of_mnist_fills_its_image() -> None:
    from mnist_ui import photo  # can be imported only where Streamlit has been running

    for height, width in ((400, 90), (30, 50), (700, 700), (3, 900)):
        ink = np.zeros((1000, 1000), np.uint8)
        ink[20 : 20 + height, 40 : 40 + width] = 255
        fitted = photo.on_canvas(ink)
        rows, columns = np.nonzero(fitted >= 128)
        box = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert fitted.shape == (280, 280)
        assert max(box) == 200
        assert box == pytest.approx((200 * height / max(height, width), 200 * width / max(height, width)), abs=1)
        assert abs(rows.mean() - 139.5) <= 1
        assert abs(columns.mean() - 139.5) <= 1


def test_the_network_sees_on_the_canvas_what_it_would_see_on_the_paper() -> None:
    from mnist_ui import photo

    small = load_mnist("test").images[0, 0].numpy()
    ink = np.pad(np.asarray(Image.fromarray(small).resize((140, 140), Image.Resampling.BICUBIC)), ((50, 300), (70, 9)))
    fitted = photo.on_canvas(ink)
    assert np.abs(prepare(fitted).image - prepare(ink).image).mean() < 0.01
    drawing = photo.as_drawing(fitted)
    sent = Image.open(io.BytesIO(base64.b64decode(drawing.objects[0]["src"].split(",")[1])))
    np.testing.assert_array_equal(np.asarray(sent), drawing.ink)
