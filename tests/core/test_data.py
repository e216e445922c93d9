"""The digits: as published, as torchvision reads them, and refused in plain words when damaged."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Subset, default_collate

from mnist_core import Digits, load_digits, load_mnist, make_loader
from mnist_core.data import FILES, MNIST_FOLDER, normalize, stacked
from mnist_core.errors import ConfigError, DataError

# Python 3.12 and later warn when DataLoader forks its workers from a process with threads.
forks_workers = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


def idx(values: np.ndarray) -> bytes:
    """An IDX file of unsigned bytes, written after the format's description."""
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return bytes([0, 0, 8, values.ndim]) + sizes + values.astype(np.uint8).tobytes()


def some_digits(count: int = 6) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, 28, 28), dtype=np.uint8), np.arange(count) % 10


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with MNIST/raw as torchvision keeps it."""
    root = tmp_path_factory.mktemp("torchvision")
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in (*FILES["train"], *FILES["test"]):
        (raw / name).with_suffix("").write_bytes(gzip.decompress((MNIST_FOLDER / name).read_bytes()))
    return root


# --- MNIST as published


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_image_and_label_equals_what_torchvision_reads_from_the_same_files(split, unpacked) -> None:
    from torchvision.datasets import MNIST

    ours, theirs = load_mnist(split), MNIST(str(unpacked), train=split == "train", download=False)
    assert torch.equal(ours.images[:, 0], theirs.data)
    assert torch.equal(ours.labels, theirs.targets)


def test_the_unpacked_files_have_the_checksums_of_the_licence_note(unpacked) -> None:
    note = (MNIST_FOLDER / "LICENSE.md").read_text()
    for file in (unpacked / "MNIST" / "raw").iterdir():
        assert f"| {file.name} | `{hashlib.md5(file.read_bytes()).hexdigest()}` |" in note


def test_there_are_as_many_of_each_digit_as_published(mnist_train, mnist_test) -> None:
    assert torch.bincount(mnist_train.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert torch.bincount(mnist_test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_the_first_digits_are_the_famous_ones(mnist_train, mnist_test) -> None:
    assert mnist_train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist_test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert mnist_train.images[0, 0, 5, 12:24].tolist() == [3, 18, 18, 18, 126, 136, 175, 26, 166, 255, 247, 127]
    assert mnist_train.images.shape == (60_000, 1, 28, 28)
    assert mnist_test.images.shape == (10_000, 1, 28, 28)
    assert (mnist_test.images.dtype, mnist_test.labels.dtype) == (torch.uint8, torch.int64)


def test_the_stated_mean_and_deviation_are_those_of_the_training_pixels(mnist_train) -> None:
    pixels = normalize(mnist_train.images)
    assert pixels.mean().item() == pytest.approx(0, abs=1e-3)
    assert pixels.std().item() == pytest.approx(1, abs=1e-3)


def test_loading_writes_nothing_and_needs_no_right_to_write(tmp_path) -> None:
    folder = tmp_path / "mnist"
    shutil.copytree(MNIST_FOLDER, folder)
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)
    try:
        before = sorted((file.name, file.stat().st_mtime_ns) for file in folder.iterdir())
        assert len(load_mnist("test", folder)) == 10_000
        assert sorted((file.name, file.stat().st_mtime_ns) for file in folder.iterdir()) == before
    finally:
        folder.chmod(0o755)


@pytest.mark.parametrize("split", ["validation", "", "Train", None])
def test_an_unknown_split_is_refused_with_the_known_ones(split) -> None:
    with pytest.raises(ConfigError, match=r"split is .*train, test"):
        load_mnist(split)


# --- samples and batches


def test_normalisation_equals_torchvisions(mnist_test) -> None:
    from torchvision.transforms import Compose, Normalize, ToTensor

    published = Compose([ToTensor(), Normalize((0.1307,), (0.3081,))])
    theirs = torch.stack([published(image.numpy()) for image in mnist_test.images[:100, 0]])
    torch.testing.assert_close(normalize(mnist_test.images[:100]), theirs)
    torch.testing.assert_close(normalize(mnist_test.images[:100] / 255), theirs)


def test_colours_are_normalised_around_the_middle_of_all_colours(mnist_test) -> None:
    from torchvision.transforms.v2.functional import normalize as published

    images = mnist_test.images[:4].expand(-1, 3, -1, -1)
    theirs = published(images / 255, [0.5] * 3, [12**-0.5] * 3)
    torch.testing.assert_close(normalize(images, in_colour=True), theirs)
    torch.testing.assert_close(normalize(images / 255, in_colour=True), theirs)
    batch = Digits(images, mnist_test.labels[:4]).__getitems__([0, 1, 2, 3])
    torch.testing.assert_close(batch.images, theirs)


def test_normalising_leaves_the_images_alone(mnist_test) -> None:
    images = mnist_test.images[:5].clone()
    normalize(images)
    assert torch.equal(images, mnist_test.images[:5])
    floats = images / 255
    normalize(floats)
    assert torch.equal(floats, images / 255)


def test_a_batch_holds_the_same_samples_as_one_by_one(mnist_test) -> None:
    batch = mnist_test.__getitems__([3, 1, 4, 1])
    assert len(batch) == 4
    for (image, label), index in zip(batch, [3, 1, 4, 1], strict=True):
        alone, its_label = mnist_test[index]
        assert torch.equal(image, alone)
        assert label == its_label
        assert alone.shape == (1, 28, 28)
        assert its_label.shape == ()


def test_negative_indices_count_from_the_end_and_others_are_errors(mnist_test) -> None:
    assert torch.equal(mnist_test[-1][0], mnist_test[9999][0])
    for index in (10_000, -10_001):
        with pytest.raises(IndexError):
            mnist_test[index]


def test_no_indices_give_an_empty_batch(mnist_test) -> None:
    assert mnist_test.__getitems__([]).images.shape == (0, 1, 28, 28)


def test_torchs_own_collating_gives_the_same_batches_as_ours(mnist_test) -> None:
    digits = mnist_test.first(25)
    for ours, theirs in zip(
        DataLoader(digits, 10, collate_fn=stacked), DataLoader(digits, 10, collate_fn=default_collate), strict=True
    ):
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1])


def loaded(loader: DataLoader) -> tuple[torch.Tensor, torch.Tensor]:
    batches = list(loader)
    return torch.cat([images for images, _ in batches]), torch.cat([labels for _, labels in batches])


def test_an_unshuffled_loader_gives_everything_in_order_and_a_smaller_last_batch(mnist_test) -> None:
    loader = make_loader(mnist_test.first(25), 10)
    assert [len(labels) for _, labels in loader] == [10, 10, 5]
    images, labels = loaded(loader)
    assert torch.equal(images, normalize(mnist_test.images[:25]))
    assert torch.equal(labels, mnist_test.labels[:25])


def test_equal_seeds_shuffle_equally_and_other_seeds_otherwise(mnist_test) -> None:
    digits = mnist_test.first(200)
    first, again, other = (loaded(make_loader(digits, 32, shuffle=True, seed=seed)) for seed in (7, 7, 8))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_shuffling_shows_every_image_once_and_each_epoch_anew(mnist_test) -> None:
    numbered = Digits(mnist_test.images[:200], torch.arange(200))
    loader = make_loader(numbered, 32, shuffle=True, seed=0)
    (images, first), (_, second) = loaded(loader), loaded(loader)
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(200))
    assert first.tolist() != second.tolist()
    assert torch.equal(images, normalize(mnist_test.images[first]))


@forks_workers
def test_two_workers_give_the_same_batches_as_none(mnist_test) -> None:
    digits = mnist_test.first(200)
    alone, helped = (loaded(make_loader(digits, 32, shuffle=True, seed=3, num_workers=n)) for n in (0, 2))
    assert torch.equal(alone[0], helped[0])
    assert torch.equal(alone[1], helped[1])


def test_a_subset_gives_the_chosen_images(mnist_test) -> None:
    images, labels = loaded(make_loader(Subset(mnist_test, [5, 0, 9, 5]), 3))
    assert torch.equal(images, normalize(mnist_test.images[[5, 0, 9, 5]]))
    assert torch.equal(labels, mnist_test.labels[[5, 0, 9, 5]])


def test_a_transform_sees_every_batch_and_leaves_the_digits_alone(mnist_test) -> None:
    negative = mnist_test.transformed(torch.neg)
    assert torch.equal(negative[0][0], -mnist_test[0][0])
    assert negative.images.data_ptr() == mnist_test.images.data_ptr()
    assert mnist_test.transform is None
    assert negative.first(3).transform is negative.transform


def test_the_first_images_share_memory_with_the_whole(mnist_test) -> None:
    few = mnist_test.first(7)
    assert len(few) == 7
    assert few.images.data_ptr() == mnist_test.images.data_ptr()
    assert mnist_test.first(None) is mnist_test
    assert len(mnist_test.first(1_000_000)) == 10_000


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (torch.zeros(3, 28, 28, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64)),
        (torch.zeros(3, 1, 28, 28), torch.zeros(3, dtype=torch.int64)),
        (torch.zeros(3, 1, 28, 28, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64)),
        (torch.zeros(3, 1, 28, 28, dtype=torch.uint8), torch.zeros(3)),
        (torch.zeros(3, 1, 28, 28, dtype=torch.uint8), torch.zeros(3, 1, dtype=torch.int64)),
    ],
)
def test_images_and_labels_that_do_not_belong_together_are_refused(images, labels) -> None:
    with pytest.raises(DataError):
        Digits(images, labels)


# --- damaged files

IMAGES, LABELS = FILES["train"]


def packed(values: np.ndarray) -> bytes:
    return gzip.compress(idx(values))


DAMAGES: dict[str, tuple[str, bytes | None]] = {
    "missing images": (IMAGES, None),
    "missing labels": (LABELS, None),
    "empty file": (IMAGES, b""),
    "empty archive": (IMAGES, gzip.compress(b"")),
    "not gzip": (LABELS, b"<html>404 not found</html>"),
    "cut short": (IMAGES, packed(some_digits()[0])[:-1000]),
    "cut in the header": (IMAGES, packed(some_digits()[0])[:5]),
    "flipped bytes": (IMAGES, packed(some_digits()[0])[:500] + bytes(100) + packed(some_digits()[0])[600:]),
    "wrong checksum": (LABELS, packed(some_digits()[1])[:-8] + bytes(8)),
    "wrong magic": (IMAGES, gzip.compress(b"\x00\x00\x0d\x03" + idx(some_digits()[0])[4:])),
    "header only half there": (IMAGES, gzip.compress(idx(some_digits()[0])[:9])),
    "fewer images than promised": (IMAGES, gzip.compress(idx(some_digits()[0])[:-1])),
    "more images than promised": (IMAGES, gzip.compress(idx(some_digits()[0]) + b"\x00")),
    "no image at all": (IMAGES, packed(np.zeros((0, 28, 28)))),
    "images of another size": (IMAGES, packed(np.zeros((6, 20, 20)))),
    "labels in place of images": (IMAGES, packed(some_digits()[1])),
    "images in place of labels": (LABELS, packed(some_digits()[0])),
    "more labels than images": (LABELS, packed(some_digits(7)[1])),
    "a label 10": (LABELS, packed(np.array([0, 1, 2, 10, 4, 5]))),
}


@pytest.fixture
def small_mnist(tmp_path: Path) -> Path:
    images, labels = some_digits()
    (tmp_path / IMAGES).write_bytes(packed(images))
    (tmp_path / LABELS).write_bytes(packed(labels))
    return tmp_path


def test_a_sound_small_set_is_read(small_mnist) -> None:
    digits, (images, labels) = load_mnist("train", small_mnist), some_digits()
    assert np.array_equal(digits.images[:, 0], images)
    assert np.array_equal(digits.labels, labels)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_by_name(damage, small_mnist) -> None:
    name, content = DAMAGES[damage]
    if content is None:
        (small_mnist / name).unlink()
    else:
        (small_mnist / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_mnist("train", small_mnist)
    assert str(small_mnist / name) in str(caught.value)


# --- other sets, through torchvision's own downloaders


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A folder and the address that a real server on this machine gives its files out at."""
    folder = tmp_path / "served"
    folder.mkdir()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def md5(file: Path) -> str:
    return hashlib.md5(file.read_bytes()).hexdigest()


def publish(folder: Path, prefix: str = "") -> None:
    """Put a set of six training and four test digits into a folder, named as MNIST's files are."""
    for split, count in (("train", 6), ("t10k", 4)):
        images, labels = some_digits(count)
        (folder / f"{prefix}{split}-images-idx3-ubyte.gz").write_bytes(packed(images))
        (folder / f"{prefix}{split}-labels-idx1-ubyte.gz").write_bytes(packed(labels))


@pytest.mark.parametrize(("name", "class_name"), [("fashion-mnist", "FashionMNIST"), ("kmnist", "KMNIST")])
def test_another_set_is_downloaded_once_and_read(name, class_name, served, tmp_path, monkeypatch) -> None:
    import torchvision

    folder, address = served
    publish(folder)
    resources = [(file.name, md5(file)) for file in sorted(folder.iterdir())]
    monkeypatch.setattr(getattr(torchvision.datasets, class_name), "mirrors", [address])
    monkeypatch.setattr(getattr(torchvision.datasets, class_name), "resources", resources)
    for split, count in (("train", 6), ("test", 4)):
        digits, (images, labels) = load_digits(name, split, tmp_path / "data"), some_digits(count)
        assert np.array_equal(digits.images[:, 0], images)
        assert np.array_equal(digits.labels, labels)
    shutil.rmtree(folder)
    assert len(load_digits(name, "train", tmp_path / "data")) == 6


def test_emnist_is_downloaded_and_stands_upright(served, tmp_path, monkeypatch) -> None:
    from torchvision.datasets import EMNIST

    folder, address = served
    upright, labels = some_digits()
    inside = tmp_path / "zipped" / "gzip"
    inside.mkdir(parents=True)
    for split in ("train", "test"):
        (inside / f"emnist-digits-{split}-images-idx3-ubyte.gz").write_bytes(packed(upright.transpose(0, 2, 1)))
        (inside / f"emnist-digits-{split}-labels-idx1-ubyte.gz").write_bytes(packed(labels))
    archive = Path(shutil.make_archive(str(folder / "gzip"), "zip", tmp_path / "zipped"))
    monkeypatch.setattr(EMNIST, "url", address + "gzip.zip")
    monkeypatch.setattr(EMNIST, "md5", md5(archive))
    digits = load_digits("emnist-digits", "train", tmp_path / "data")
    assert np.array_equal(digits.images[:, 0], upright)
    assert np.array_equal(digits.labels, labels)


def test_a_download_with_the_wrong_checksum_is_refused(served, tmp_path, monkeypatch) -> None:
    from torchvision.datasets import FashionMNIST

    folder, address = served
    publish(folder)
    monkeypatch.setattr(FashionMNIST, "mirrors", [address])
    monkeypatch.setattr(FashionMNIST, "resources", [(file.name, "0" * 32) for file in folder.iterdir()])
    with pytest.raises(DataError, match="fashion-mnist could not be downloaded"):
        load_digits("fashion-mnist", "train", tmp_path / "data")


def test_without_a_network_the_error_says_what_to_do(tmp_path, monkeypatch) -> None:
    from torchvision.datasets import FashionMNIST

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(FashionMNIST, "mirrors", [address])
    with pytest.raises(DataError, match="needs a network connection the first time; without one, use mnist"):
        load_digits("fashion-mnist", "train", tmp_path)


def test_mnist_by_name_is_the_one_from_the_package(mnist_test) -> None:
    assert torch.equal(load_digits("mnist", "test").images, mnist_test.images)


@pytest.mark.parametrize(("name", "split"), [("cifar", "train"), ("MNIST", "train"), ("kmnist", "dev"), ("", "test")])
def test_an_unknown_set_or_split_is_refused(name, split, tmp_path) -> None:
    with pytest.raises(ConfigError):
        load_digits(name, split, tmp_path)


def test_a_torchvision_that_does_not_fit_is_explained_with_the_remedy(run_python: Callable, tmp_path: Path) -> None:
    fake = tmp_path / "other index" / "torchvision"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text('raise RuntimeError("operator torchvision::nms does not exist")')
    finished = run_python(
        "from mnist_core.data import load_digits\n"
        "from mnist_core.errors import DataError\n"
        "try:\n    load_digits('kmnist', 'train')\nexcept DataError as error:\n    print(error)",
        path=(fake.parent,),
    )
    assert "do not fit each other" in finished.stdout, finished.stderr
    assert "torchvision::nms" not in finished.stdout
    assert "pip install --force-reinstall torch torchvision" in finished.stdout


def test_a_missing_torchvision_is_explained_with_the_remedy(monkeypatch, tmp_path) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(DataError, match=r"not installed.*pip install torchvision"):
        load_digits("kmnist", "train", tmp_path)
