"""Digits in colour: how they are made, that every network learns from them, and how coloured drawings are read."""

from __future__ import annotations

import colorsys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from mnist_core import (
    MODELS,
    RECIPES,
    Digits,
    EpochDone,
    TrainConfig,
    TrainingRun,
    build_model,
    classify,
    evaluate,
    load_model,
    make_loader,
    prepare,
    save_weights,
    train,
)
from mnist_core.colour import LEAST_CONTRAST, coloured, contrast, digits_for, draw_colours, paint
from mnist_core.colour import colour as give_colours
from mnist_core.config import random_changes
from mnist_core.data import normalize
from mnist_core.errors import DataError
from mnist_core.training import build_seeded_model

SMALL = TrainConfig(
    model="fast_cnn", epochs=3, batch_size=20, learning_rate=0.01, train_images=2500, colour=True, device="cpu",
    precision="float32",
)  # fmt: skip
PENS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 128, 40), (90, 255, 200), (255, 255, 255)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def in_pixels(images: torch.Tensor) -> torch.Tensor:
    """Normalised images in colour as 0..1."""
    return images / 12**0.5 + 0.5


def drawn_with(pen: tuple[int, int, int], ink: np.ndarray) -> np.ndarray:
    """Ink (H, W) as a pen of this colour leaves it on black paper: (H, W, 3)."""
    return np.round(ink[..., None] / 255 * np.array(pen)).astype(np.uint8)


@pytest.fixture(scope="module")
def grey(mnist_test: Digits) -> torch.Tensor:
    return normalize(mnist_test.images[:300])


@pytest.fixture(scope="module")
def few_tests(mnist_test: Digits) -> Digits:
    return mnist_test.first(300)


@pytest.fixture(scope="module")
def trained(mnist_train: Digits, few_tests: Digits) -> tuple[nn.Module, EpochDone]:
    """A small network for colours after three epochs on few images, and how it did."""
    model = build_seeded_model(SMALL)
    *_, last = train(model, mnist_train, SMALL, test=few_tests)
    return model.eval(), last


# --- how they are made


def test_the_colour_of_a_pixel_is_as_far_from_paper_to_ink_as_the_pixel_is_grey() -> None:
    image = torch.tensor([[[[0.0, 0.25], [0.5, 1.0]]]])
    ink, paper = torch.tensor([[1.0, 0.5, 0.0]]), torch.tensor([[0.2, 0.5, 0.8]])
    painted = paint(image, ink, paper)
    assert painted.shape == (1, 3, 6, 6)
    torch.testing.assert_close(painted[0, 0, 2:4, 2:4], torch.tensor([[0.2, 0.4], [0.6, 1.0]]))
    torch.testing.assert_close(painted[0, 1], torch.full((6, 6), 0.5))
    torch.testing.assert_close(painted[0, 2, 2:4, 2:4], torch.tensor([[0.8, 0.6], [0.4, 0.0]]))
    assert (painted[0, :, :2] == paper[0, :, None, None]).all()


def test_a_batch_becomes_3_by_32_by_32_with_two_pixels_of_paper_around(grey) -> None:
    before = grey.clone()
    images = in_pixels(give_colours(grey, generator()))
    assert images.shape == (300, 3, 32, 32)
    assert images.dtype == torch.float32
    assert images.min() >= -1e-6
    assert images.max() <= 1 + 1e-6
    assert torch.equal(grey, before)
    inside = torch.zeros(32, 32, dtype=torch.bool)
    inside[2:30, 2:30] = True
    frame = images[:, :, ~inside]
    assert torch.equal(frame, frame[:, :, :1].expand_as(frame))


def test_equal_generators_give_equal_colours_and_one_that_goes_on_gives_others(grey) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    ongoing = generator(1)
    first, second = give_colours(grey, ongoing), give_colours(grey, ongoing)
    assert torch.equal(first, give_colours(grey, generator(1)))
    assert not torch.equal(first, second)
    assert not torch.equal(first, give_colours(grey, generator(2)))
    assert torch.equal(torch.get_rng_state(), before)  # torch's own generator is left alone


def test_ink_can_always_be_told_from_paper_and_both_are_of_all_colours() -> None:
    ink, paper = draw_colours(20_000, generator())
    assert ink.shape == paper.shape == (20_000, 3)
    apart = (ink - paper).norm(dim=1)
    torch.testing.assert_close(contrast(ink, paper), apart)
    assert apart.min() >= LEAST_CONTRAST
    torch.testing.assert_close(paper.mean(dim=0), torch.full((3,), 0.5), atol=0.01, rtol=0)
    torch.testing.assert_close(paper.std(dim=0), torch.full((3,), 12**-0.5), atol=0.01, rtol=0)
    brighter = (ink.sum(dim=1) > paper.sum(dim=1)).float().mean().item()
    assert brighter == pytest.approx(0.5, abs=0.02)
    assert len(torch.unique(torch.cat([ink, paper]), dim=0)) == 40_000


def test_normalised_colours_lie_around_0_with_a_spread_of_1(grey) -> None:
    images = torch.cat([give_colours(grey, generator(seed)) for seed in range(10)])
    assert images.mean().item() == pytest.approx(0, abs=0.05)
    assert images.std().item() == pytest.approx(1, abs=0.05)


def test_a_set_for_testing_has_the_same_colours_each_time_and_those_of_a_batch(few_tests) -> None:
    once, again = coloured(few_tests), coloured(few_tests)
    assert once.images.shape == (300, 3, 32, 32)
    assert once.images.dtype == torch.uint8
    assert torch.equal(once.images, again.images)
    assert torch.equal(once.labels, few_tests.labels)
    batch, _ = next(iter(make_loader(once, 300)))
    expected = give_colours(normalize(few_tests.images), generator(0))
    torch.testing.assert_close(batch, expected, atol=12**0.5 / 255, rtol=0)
    assert not torch.equal(coloured(few_tests, seed=1).images, once.images)


def test_a_large_set_gets_other_colours_in_every_part(mnist_test) -> None:
    papers = coloured(mnist_test.first(2500)).images[:, :, 0, 0]
    assert len(torch.unique(papers, dim=0)) > 2490


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 32, 32), (3, 28, 28)])
def test_only_grey_images_of_mnists_size_are_coloured(shape) -> None:
    others = Digits(torch.zeros(4, *shape, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(DataError, match=r"Only images of 1 x 28 x 28 can be coloured, not of \d x \d\d x \d\d\."):
        coloured(others)
    with pytest.raises(DataError, match="can be coloured"):
        list(train(build_seeded_model(SMALL), others, SMALL))


def test_a_test_set_is_coloured_for_networks_for_colours_only(few_tests) -> None:
    assert digits_for(build_model("mlp"), few_tests) is few_tests
    for_colours = digits_for(build_model("mlp", input_channels=3, input_size=32), few_tests)
    assert torch.equal(for_colours.images, coloured(few_tests).images)


def test_strokes_are_changed_before_they_are_coloured(grey) -> None:
    """Warping after colouring would move the frame; thickening would favour whatever is lighter."""
    config = replace(SMALL, augment=True)
    change, alone = random_changes(config), random_changes(replace(config, colour=False))
    images = in_pixels(change(grey))
    assert torch.equal(images[:, :, 0, :], images[:, :, 0, :1].expand(-1, -1, 32))
    # Along the way from paper to ink every pixel of an image lies, as the augmented image says how far.
    shares = (alone(grey) * 0.3081 + 0.1307)[:, 0]
    paper, inside = images[:, :, 0, 0], images[:, :, 2:30, 2:30]
    deepest = shares.flatten(1).argmax(dim=1)
    towards = inside.flatten(2).gather(2, deepest[:, None, None].expand(-1, 3, 1)) - paper[..., None]
    expected = paper[..., None, None] + towards[..., None] * (shares / shares.amax(dim=(1, 2), keepdim=True))[:, None]
    torch.testing.assert_close(inside, expected, atol=1e-4, rtol=0)


# --- learning


@pytest.mark.parametrize("name", MODELS)
def test_every_network_learns_from_digits_in_colour(name, mnist_train, few_tests) -> None:
    options = {"channels": (8, 16, 32), "dropout": 0.0} if name == "deep_cnn" else {}
    config = replace(SMALL, model=name, model_options=options)
    model = build_seeded_model(config)
    *_, last = train(model, mnist_train, config, test=few_tests)
    assert last.test_accuracy > 0.4  # chance is 0.1
    tested = evaluate(model, make_loader(coloured(few_tests), 300), "cpu")
    assert tested.accuracy == last.test_accuracy


def test_each_epoch_sees_the_images_in_other_colours(mnist_train, monkeypatch) -> None:
    config = replace(SMALL, train_images=40, epochs=2)
    model, seen = build_seeded_model(config), []
    model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    list(train(model, mnist_train, config))
    images = torch.cat(seen)
    assert images.shape == (80, 3, 32, 32)
    assert len(torch.unique(images[:, :, 0, 0], dim=0)) == 80


def test_made_digits_and_drawings_that_are_no_digit_are_coloured_with_the_rest(mnist_train, few_tests) -> None:
    config = replace(
        SMALL, model="deep_cnn", model_options={"channels": (4, 4, 4), "refuses": True}, epochs=1, train_images=40,
        made_digits=20, non_digits=20,
    )  # fmt: skip
    *batches, last = train(build_seeded_model(config), mnist_train, config, test=few_tests)
    assert batches[-1].images == 80
    assert last.test_accuracy is not None


def test_a_network_for_grey_images_is_not_trained_in_colour(mnist_train) -> None:
    with pytest.raises(DataError, match="takes images of 1 x 28 x 28, but these are 3 x 32 x 32"):
        list(train(build_model("mlp"), mnist_train, SMALL))


def test_without_the_switch_nothing_is_coloured() -> None:
    assert random_changes(RECIPES["fast"]) is None
    assert not any(recipe.colour for recipe in RECIPES.values())


def test_a_run_in_a_process_of_its_own_trains_in_colour(few_tests) -> None:
    run = TrainingRun(replace(SMALL, train_images=200, epochs=1))
    run.start()
    try:
        run._listener.join(60)
        assert (run.state, run.error) == ("done", None)
        assert run.epochs[-1].test_accuracy is not None
        assert run.latest_model.input_shape == (3, 32, 32)
    finally:
        run.stop()


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_a_network_for_colours_comes_back_from_a_file(ending, trained, few_tests, tmp_path) -> None:
    model, last = trained
    save_weights(model, tmp_path / f"colour{ending}")
    again = load_model(tmp_path / f"colour{ending}")
    assert again.input_shape == (3, 32, 32)
    tested = evaluate(again, make_loader(digits_for(again, few_tests), 300), "cpu")
    assert tested.accuracy == pytest.approx(last.test_accuracy, abs=0.005)


# --- drawings in colour


@pytest.fixture(scope="module")
def seven(draw) -> np.ndarray:
    return draw([(90, 80), (190, 80), (120, 210)])


@pytest.mark.parametrize("pen", PENS)
def test_a_grey_network_answers_the_same_whatever_the_colour_of_the_pen(pen, seven) -> None:
    for model in (load_model(), build_model("mlp")):
        white, inked = classify(model, seven), classify(model, drawn_with(pen, seven))
        assert np.array_equal(inked.probabilities, white.probabilities)
        assert inked.verdict == white.verdict
        assert inked.prepared.colours is None
        assert [stage.image.shape for stage in inked.prepared.stages] == [s.image.shape for s in white.prepared.stages]


@pytest.mark.parametrize("pen", PENS)
def test_in_colour_the_image_is_the_ink_in_the_colour_of_the_pen_framed_by_black_paper(pen, seven) -> None:
    prepared = prepare(drawn_with(pen, seven), in_colour=True)
    assert prepared.colours.shape == (3, 32, 32)
    assert prepared.colours.dtype == np.float32
    assert prepared.seen is prepared.colours
    expected = prepare(seven).image * (np.array(pen)[:, None, None] / 255)
    assert np.abs(prepared.colours[:, 2:30, 2:30] - expected).max() < 2.5 / 255  # three times rounded
    frame = prepared.colours.copy()
    frame[:, 2:30, 2:30] = 0
    assert not frame.any()
    assert np.array_equal(prepared.image, prepare(seven).image)
    assert [stage.name for stage in prepared.stages] == ["drawing", "cropped", "20 x 20", "32 x 32"]
    assert all(stage.image.shape[2] == 3 and stage.image.dtype == np.uint8 for stage in prepared.stages)


def test_white_ink_is_the_same_in_every_channel_and_needs_no_colours(seven) -> None:
    plain, white = prepare(seven, in_colour=True), prepare(drawn_with((255, 255, 255), seven), in_colour=True)
    assert np.array_equal(plain.colours, white.colours)
    for channel in plain.colours:
        assert np.array_equal(channel[2:30, 2:30], prepare(seven).image)


def test_each_stroke_keeps_its_own_colour(draw) -> None:
    left, right = draw([(90, 60), (90, 220)]), draw([(190, 60), (190, 220)])
    prepared = prepare(drawn_with((255, 0, 0), left) + drawn_with((0, 90, 255), right), in_colour=True)
    red, green, blue = prepared.colours
    assert red[:, :16].sum() > 10
    assert not red[:, 16:].any()
    assert blue[:, 16:].sum() > 10
    assert not blue[:, :16].any()
    assert green.max() == pytest.approx(90 / 255 * blue.max(), abs=0.01)
    assert np.array_equal(prepared.image, prepare(np.maximum(left, right)).image)


def test_moving_a_drawing_in_colour_changes_nothing(seven) -> None:
    drawing = drawn_with((255, 60, 0), seven)
    moved = np.roll(drawing, (40, -50), axis=(0, 1))
    assert np.array_equal(prepare(moved, in_colour=True).colours, prepare(drawing, in_colour=True).colours)


def test_an_empty_canvas_in_colour_is_blank() -> None:
    for canvas in (np.zeros((280, 280, 3), np.uint8), np.zeros((280, 280), np.uint8)):
        prepared = prepare(canvas, in_colour=True)
        assert prepared.is_blank
        assert prepared.colours.shape == (3, 32, 32)
        assert not prepared.colours.any()


def test_a_network_for_colours_gets_the_colours_of_the_drawing_as_it_got_those_in_training(seven) -> None:
    class Looking(nn.Module):
        def __init__(self, shape: tuple[int, ...]) -> None:
            super().__init__()
            self.input_shape, self.bias = shape, nn.Parameter(torch.zeros(10))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            self.seen = images
            return images.new_zeros(len(images), 10)

    drawing = drawn_with((255, 128, 0), seven)
    large, small = Looking((3, 32, 32)), Looking((3, 28, 28))
    for model in (large, small):
        classify(model, drawing)
        assert model.seen.shape == (1, *model.input_shape)
    colours = torch.from_numpy(prepare(drawing, in_colour=True).colours)
    torch.testing.assert_close(large.seen[0], (colours - 0.5) * 12**0.5)
    assert torch.equal(small.seen, large.seen[:, :, 2:30, 2:30])


def test_drawings_in_random_colours_are_read_about_as_well_as_the_test_set(trained, few_tests) -> None:
    model, last = trained
    chance = np.random.default_rng(0)
    right = 0
    for image, label in zip(few_tests.images[:, 0].numpy(), few_tests.labels.tolist(), strict=True):
        pen = tuple(round(255 * channel) for channel in colorsys.hsv_to_rgb(chance.random(), chance.random(), 1))
        right += classify(model, drawn_with(pen, image.repeat(5, axis=0).repeat(5, axis=1))).digit == label
    assert last.test_accuracy > 0.8
    assert right / len(few_tests) > last.test_accuracy - 0.06
