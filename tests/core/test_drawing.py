"""From ink to the network's image: the same digit wherever and however large it was drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mnist_core import Prepared, TrainConfig, prepare, train
from mnist_core.data import normalize
from mnist_core.drawing import FAINTEST, MIDDLE
from mnist_core.errors import DrawingError
from mnist_core.strokes import place, rasterize, sketch
from mnist_core.styles import STYLES
from mnist_core.training import build_seeded_model

SEVEN = [(90, 80), (190, 80), (120, 210)]
ONE = [(140, 60), (140, 220)]
DASH = [(60, 140), (220, 140)]
ELL = [(100, 60), (100, 210), (180, 210)]
SHAPES = {"seven": SEVEN, "one": ONE, "dash": DASH, "ell": ELL}


def stage(prepared: Prepared, name: str) -> np.ndarray:
    return next(each.image for each in prepared.stages if each.name == name)


def centre_of_mass(image: np.ndarray) -> tuple[float, float]:
    """Down and right, in pixels from the upper left edge."""
    rows, columns = (np.arange(size) + 0.5 for size in image.shape)
    return float(image.sum(axis=1) @ rows / image.sum()), float(image.sum(axis=0) @ columns / image.sum())


# --- what comes out


@pytest.mark.parametrize("shape", SHAPES)
def test_the_image_is_28_by_28_float32_from_0_to_1_and_equals_the_last_stage(shape, draw) -> None:
    ink = draw(SHAPES[shape])
    prepared = prepare(ink)
    assert prepared.image.shape == (28, 28)
    assert prepared.image.dtype == np.float32
    assert prepared.image.min() == 0
    assert 0.5 < prepared.image.max() <= 1
    assert [each.name for each in prepared.stages] == ["drawing", "cropped", "20 x 20", "28 x 28"]
    assert all(each.image.dtype == np.uint8 and each.image.ndim == 2 for each in prepared.stages)
    assert np.array_equal(stage(prepared, "drawing"), ink)
    assert np.array_equal(stage(prepared, "28 x 28") / np.float32(255), prepared.image)
    assert not prepared.is_blank
    assert not prepared.is_dot


def test_the_crop_is_the_smallest_rectangle_around_the_ink() -> None:
    ink = np.zeros((50, 40), np.uint8)
    ink[7:20, 11:30] = 200
    ink[10:15, 15:20] = 0
    assert np.array_equal(stage(prepare(ink), "cropped"), ink[7:20, 11:30])


@pytest.mark.parametrize("shape", SHAPES)
def test_the_longer_side_becomes_20_and_the_aspect_stays(shape, draw) -> None:
    prepared = prepare(draw(SHAPES[shape]))
    height, width = stage(prepared, "cropped").shape
    fitted = stage(prepared, "20 x 20").shape
    assert max(fitted) == 20
    assert min(fitted) == pytest.approx(20 * min(height, width) / max(height, width), abs=0.5)
    assert (fitted[0] == 20) == (height >= width)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_centre_of_mass_lies_in_the_middle(shape, draw) -> None:
    down, right = centre_of_mass(prepare(draw(SHAPES[shape])).image)
    assert abs(down - 14) < 0.5
    assert abs(right - 14) < 0.5
    assert (down, right) == pytest.approx((MIDDLE, MIDDLE), abs=0.02)


def test_mnists_own_digits_have_their_centre_of_mass_there_too(mnist_test) -> None:
    centres = np.array([centre_of_mass(image) for image in mnist_test.images[:1000, 0].numpy()])
    assert centres.mean(axis=0) == pytest.approx([MIDDLE, MIDDLE], abs=0.15)


def test_a_lopsided_digit_is_moved_as_far_as_the_picture_allows_and_loses_no_ink() -> None:
    ink = np.zeros((200, 200), np.uint8)
    ink[:, :6] = 255
    ink[90:110, :] = 40
    ink[60:140, 160:] = 60
    ink[:60, 0:60] = 255
    prepared = prepare(ink)
    assert stage(prepared, "28 x 28").sum() == pytest.approx(int(stage(prepared, "20 x 20").sum()), rel=0.01)
    assert (prepared.image[:, 27] > 0).any()


@pytest.mark.parametrize("shape", SHAPES)
def test_centring_keeps_the_amount_of_ink(shape, draw) -> None:
    prepared = prepare(draw(SHAPES[shape]))
    before, after = (int(stage(prepared, name).astype(int).sum()) for name in ("20 x 20", "28 x 28"))
    assert after == pytest.approx(before, rel=0.01)


def test_a_filled_square_becomes_a_filled_20_by_20_square() -> None:
    ink = np.zeros((300, 300), np.uint8)
    ink[50:250, 50:250] = 255
    prepared = prepare(ink)
    assert np.array_equal(stage(prepared, "20 x 20"), np.full((20, 20), 255))
    assert prepared.image.sum() == pytest.approx(400, rel=0.001)
    assert prepared.image[6:23, 6:23].min() == 1


# --- the same digit, drawn differently


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("shift", [(-40, -50), (0, 37), (45, -50), (-1, 1)])
def test_moving_the_drawing_changes_nothing(shape, shift, draw) -> None:
    ink = draw(SHAPES[shape])
    moved = np.roll(ink, shift, axis=(0, 1))
    assert np.array_equal(prepare(moved).image, prepare(ink).image)


@pytest.mark.parametrize("side", [(280, 500), (900, 280), (700, 700)])
def test_a_larger_canvas_around_the_drawing_changes_nothing(side, draw) -> None:
    ink, canvas = draw(SEVEN), np.zeros(side, np.uint8)
    canvas[:280, :280] = ink
    assert np.array_equal(prepare(canvas).image, prepare(ink).image)


@pytest.mark.parametrize("shape", ["seven", "ell", "one"])
@pytest.mark.parametrize("scale", [0.5, 0.8, 1.5, 3.0])
def test_drawing_larger_or_smaller_hardly_changes_the_image(shape, scale, draw) -> None:
    points = [(round(x * scale), round(y * scale)) for x, y in SHAPES[shape]]
    scaled = draw(points, side=round(280 * scale), pen=round(18 * scale))
    assert np.abs(prepare(scaled).image - prepare(draw(SHAPES[shape])).image).mean() < 0.02


@pytest.mark.parametrize("shape", ["seven", "ell"])
def test_mirroring_and_turning_commute_with_preparing(shape, draw) -> None:
    ink = draw(SHAPES[shape])
    fitted = stage(prepare(ink), "20 x 20")
    for turn in (np.fliplr, np.flipud, np.transpose, np.rot90):
        turned = stage(prepare(np.ascontiguousarray(turn(ink))), "20 x 20")
        assert np.abs(turned.astype(int) - turn(fitted)).max() <= 1


@pytest.mark.parametrize("pen", [2, 5, 10, 30, 50])
def test_thin_and_thick_pens_leave_readable_strokes(pen, draw) -> None:
    prepared = prepare(draw(SEVEN, pen=pen))
    assert not prepared.is_blank
    assert max(stage(prepared, "20 x 20").shape) == 20
    assert prepared.image.max() > 0.2


def test_thicker_pens_leave_more_ink(draw) -> None:
    inks = [prepare(draw(SEVEN, pen=pen)).image.sum() for pen in (4, 10, 20, 35, 50)]
    assert inks == sorted(inks)


# --- MNIST's digits, blown up onto a canvas


@pytest.fixture(scope="module")
def returned(mnist_test) -> tuple[np.ndarray, np.ndarray]:
    """200 test images, and what became of them on a canvas at ten times the size, each at another place."""
    random, originals, images = np.random.default_rng(0), mnist_test.images[:200, 0].numpy(), []
    for original in originals:
        canvas = np.zeros((400, 400), np.uint8)
        down, right = random.integers(0, 121, 2)
        canvas[down : down + 280, right : right + 280] = original.repeat(10, axis=0).repeat(10, axis=1)
        images.append(prepare(canvas).image)
    return originals / np.float32(255), np.stack(images)


def test_mnists_digits_come_back_from_a_canvas_close_to_themselves(returned) -> None:
    originals, images = returned
    errors = np.abs(images - originals).mean(axis=(1, 2))
    assert errors.mean() < 0.045  # measured: 0.037; as much as a shift by half a pixel
    assert errors.max() < 0.1
    assert images.mean() == pytest.approx(originals.mean(), rel=0.03)


def test_mnists_digits_from_a_canvas_are_read_as_before(returned, mnist_train) -> None:
    originals, images = returned
    config = TrainConfig(train_images=6000, epochs=1, precision="float32", device="cpu")
    model = build_seeded_model(config)
    list(train(model, mnist_train, config))
    model.eval()
    with torch.no_grad():
        answers = [model(normalize(torch.from_numpy(each)[:, None])).argmax(dim=1) for each in (originals, images)]
    assert (answers[0] == answers[1]).float().mean() > 0.95  # measured: 0.98


@pytest.mark.parametrize("place", [(0, 0), (0, 120), (120, 0), (60, 77)])
def test_the_place_on_the_canvas_does_not_matter_to_mnists_digits(place, mnist_test) -> None:
    for original in mnist_test.images[:10, 0].numpy():
        large = original.repeat(10, axis=0).repeat(10, axis=1)
        canvas = np.zeros((400, 400), np.uint8)
        canvas[place[0] : place[0] + 280, place[1] : place[1] + 280] = large
        assert np.array_equal(prepare(canvas).image, prepare(large).image)


# --- unusual canvases


@pytest.mark.parametrize(
    "side", [(28, 28), (1, 1), (1, 1000), (1000, 1), (20, 20), (3, 7), (281, 279), (8192, 3), (3, 8192), (2, 2)]
)
@pytest.mark.parametrize("pen", [255, 128, FAINTEST])
def test_a_full_canvas_of_any_size_is_prepared(side, pen) -> None:
    prepared = prepare(np.full(side, pen, np.uint8))
    assert not prepared.is_blank
    assert max(stage(prepared, "20 x 20").shape) == 20
    assert centre_of_mass(prepared.image) == pytest.approx((MIDDLE, MIDDLE), abs=0.1)


def test_the_largest_canvas_is_prepared() -> None:
    ink = np.zeros((8192, 8192), np.uint8)
    ink[1000:7000, 3900:4300] = 255
    prepared = prepare(ink)
    assert stage(prepared, "20 x 20").shape == (20, 1)


def test_an_image_of_mnist_size_is_prepared(mnist_test) -> None:
    image = mnist_test.images[0, 0].numpy()
    assert np.abs(prepare(image).image - image / np.float32(255)).mean() < 0.06


@pytest.mark.parametrize("side", [(280, 280), (1, 1), (28, 28), (3, 500)])
def test_an_empty_canvas_is_blank(side) -> None:
    prepared = prepare(np.zeros(side, np.uint8))
    assert prepared.is_blank
    assert not prepared.is_dot
    assert not prepared.image.any()
    assert prepared.image.shape == (28, 28)
    assert [each.name for each in prepared.stages] == ["drawing"]


def test_a_faint_smudge_is_blank_and_does_not_widen_the_crop(draw) -> None:
    assert prepare(np.full((280, 280), FAINTEST - 1, np.uint8)).is_blank
    ink = draw(SEVEN)
    smudged = ink.copy()
    smudged[0, 0] = smudged[-1, -1] = FAINTEST - 1
    assert np.array_equal(prepare(smudged).image, prepare(ink).image)


def test_faint_specks_far_apart_are_blank() -> None:
    ink = np.zeros((2000, 2000), np.uint8)
    ink[0, 0] = ink[-1, -1] = 40
    prepared = prepare(ink)
    assert prepared.is_blank
    assert not prepared.image.any()


@pytest.mark.parametrize("pen", [1, 6, 18, 40])
@pytest.mark.parametrize("place", [(20, 20), (140, 140), (230, 60)])
def test_a_touch_of_the_pen_is_a_dot(pen, place, draw) -> None:
    prepared = prepare(draw([place], pen=pen))
    assert prepared.is_dot
    assert not prepared.is_blank


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pen", [6, 18, 30])
def test_a_line_is_no_dot(shape, pen, draw) -> None:
    assert not prepare(draw(SHAPES[shape], pen=pen)).is_dot


def test_a_small_digit_in_thick_strokes_is_no_dot() -> None:
    ink = rasterize(place(sketch(STYLES[8][1], np.random.default_rng(0)), 280, 90), 40, 280)
    prepared = prepare(ink)
    assert prepared.stages[1].image.mean() / 255 > 0.7  # as full as a disc
    assert not prepared.is_dot


def test_a_ring_is_no_dot() -> None:
    y, x = np.mgrid[-140:140, -140:140]
    ring = np.where(abs(np.hypot(x, y) - 80) < 9, 255, 0).astype(np.uint8)
    assert not prepare(ring).is_dot


# --- what is refused


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((28, 28), np.float32),
        np.zeros((28, 28), bool),
        np.zeros((28, 28), np.int64),
        np.zeros((28, 28), np.int8),
        np.zeros((28, 28, 4), np.uint8),
        np.zeros((1, 28, 28), np.uint8),
        np.zeros(784, np.uint8),
        np.uint8(3),
        np.array([[None]]),
        np.zeros((0, 28), np.uint8),
        np.zeros((28, 0), np.uint8),
        np.zeros((0, 0), np.uint8),
        np.broadcast_to(np.uint8(0), (8193, 1)),
        np.broadcast_to(np.uint8(0), (28, 100_000)),
        [[0, 255], [255, 0]],
        torch.zeros(28, 28, dtype=torch.uint8),
        None,
        "ink",
        b"\x00" * 784,
        7,
    ],
    ids=lambda wrong: f"{type(wrong).__name__} {getattr(wrong, 'dtype', '')} {getattr(wrong, 'shape', '')}",
)
def test_what_is_no_drawing_is_refused(wrong) -> None:
    with pytest.raises(DrawingError, match="A drawing must"):
        prepare(wrong)


@pytest.mark.parametrize("order", ["reversed", "every second", "column major", "read-only"])
def test_the_layout_in_memory_does_not_matter(order, draw) -> None:
    ink = draw(SEVEN)
    views = {
        "reversed": ink[::-1, ::-1].copy()[::-1, ::-1],
        "every second": ink.repeat(2, axis=0).repeat(2, axis=1)[::2, ::2],
        "column major": np.asfortranarray(ink),
        "read-only": ink.copy(),
    }
    views["read-only"].flags.writeable = False
    assert np.array_equal(prepare(views[order]).image, prepare(ink).image)


@given(
    arrays.arrays(
        st.sampled_from([np.uint8, np.uint8, np.uint8, np.float64, np.bool_, np.int16]),
        arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=40),
    )
)
@settings(max_examples=200)
def test_any_array_is_prepared_or_refused_and_never_modified(ink) -> None:
    before = ink.copy()
    try:
        prepared = prepare(ink)
    except DrawingError:
        assert ink.ndim != 2 or ink.dtype != np.uint8 or 0 in ink.shape
    else:
        assert prepared.image.shape == (28, 28)
        assert np.isfinite(prepared.image).all()
        assert 0 <= prepared.image.min() <= prepared.image.max() <= 1
        assert prepared.is_blank == (not prepared.image.any())
    assert np.array_equal(ink, before, equal_nan=ink.dtype == np.float64)


@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 30), st.integers(1, 30))),
    st.tuples(st.integers(0, 20), st.integers(0, 20)),
)
def test_random_ink_may_lie_anywhere(ink, corner) -> None:
    canvas = np.zeros((60, 60), np.uint8)
    canvas[corner[0] : corner[0] + ink.shape[0], corner[1] : corner[1] + ink.shape[1]] = ink
    assert np.array_equal(prepare(canvas).image, prepare(ink).image)


def test_a_diagonal_keeps_its_slope(draw) -> None:
    ys, xs = np.nonzero(prepare(draw([(60, 60), (220, 140)])).image > 0.5)
    assert math.degrees(math.atan(np.polyfit(xs, ys, 1)[0])) == pytest.approx(math.degrees(math.atan(0.5)), abs=4)
