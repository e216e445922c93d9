"""MNIST from the package itself, as a torch Dataset that hands out a whole batch at once."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from mnist_core.errors import ConfigError, DataError
from mnist_core.messages import say

MNIST_FOLDER = Path(__file__).parent / "mnist"
FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
MEAN, STD = 0.1307, 0.3081  # of MNIST's training pixels in 0..1; used for every set, so that networks can be compared
COLOUR_MEAN, COLOUR_STD = 0.5, 12**-0.5  # of a channel in which every value from 0 to 1 is as likely as the others
LARGEST_IDX = 300_000_000  # bytes unpacked; EMNIST digits, the largest of the sets, takes 188 MB

Transform = Callable[[Tensor], Tensor]


def normalize(images: Tensor, in_colour: bool = False) -> Tensor:
    """Bring pixels to mean 0 and standard deviation 1 over MNIST, or over all colours.

    Args:
        images: uint8 0..255 or float 0..1, any shape.
        in_colour: whether they are red, green and blue. Then paper is as often light as dark, and MNIST's mean, that of
            dark paper, would leave all inputs on one side of 0, where a network of linear layers hardly learns.

    Returns:
        float32 of the same shape, about -0.42 (paper) to 2.82 (ink); in colour -1.73 to 1.73.
    """
    mean, std = (COLOUR_MEAN, COLOUR_STD) if in_colour else (MEAN, STD)
    if images.dtype == torch.uint8:
        return images.float().sub_(255 * mean).div_(255 * std)
    return (images.float() - mean) / std


class Batch(Sequence[tuple[Tensor, Tensor]]):
    """Samples that already lie in one piece of memory; read as a sequence, the single samples.

    Attributes:
        images: (N, C, H, W) float32, normalised.
        labels: (N,) int64, 0..9.
    """

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images = images
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        return self.images[index], self.labels[index]


def stacked(batch: Any) -> tuple[Tensor, Tensor]:
    """A `collate_fn` for DataLoader: hands a batch on that is stacked already, and stacks what other sets yield."""
    return (batch.images, batch.labels) if isinstance(batch, Batch) else default_collate(batch)


class Digits(Dataset[tuple[Tensor, Tensor]]):
    """Images of digits with their labels, kept as bytes and normalised when they are asked for.

    Attributes:
        images: (N, C, H, W) uint8, 0 = paper, 255 = ink; C = 1 and H = W = 28 for MNIST. C = 3 is red, green and blue.
        labels: (N,) int64, 0..9.
        transform: applied to every normalised batch (N, C, H, W), or None.

    Raises:
        DataError: when images and labels do not belong together.
    """

    def __init__(self, images: Tensor, labels: Tensor, transform: Transform | None = None) -> None:
        if images.ndim != 4 or images.dtype != torch.uint8:
            found = f"{tuple(images.shape)} {images.dtype}"
            raise DataError(say("images must be (N, C, H, W) uint8, not {found}.", found=found))
        if labels.shape != (len(images),) or labels.dtype != torch.int64:
            raise DataError(
                say(
                    "{count} images need ({count},) int64 labels, not {shape}.",
                    count=len(images),
                    shape=tuple(labels.shape),
                )
            )
        self.images = images
        self.labels = labels
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """One sample: image (C, H, W) float32, normalised, and label () int64."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"no image {index}: there are {len(self)}")
        return self.__getitems__([index % len(self)])[0]

    def __getitems__(self, indices: list[int]) -> Batch:
        """A whole batch with one gather; torch's DataLoader calls this instead of N times `__getitem__`."""
        chosen = torch.tensor(indices, dtype=torch.int64)
        images = self.images.index_select(0, chosen)
        images = normalize(images, in_colour=images.shape[1] == 3)  # (N, C, H, W) uint8 -> float32
        if self.transform is not None:
            images = self.transform(images)
        return Batch(images, self.labels.index_select(0, chosen))

    def first(self, count: int | None) -> Digits:
        """The first `count` images (all of them for None), sharing memory with this set."""
        return self if count is None else Digits(self.images[:count], self.labels[:count], self.transform)

    def joined(self, others: Digits) -> Digits:
        """These images and after them the others, which must be of the same shape."""
        if self.images.shape[1:] != others.images.shape[1:]:
            ours, theirs = tuple(self.images.shape[1:]), tuple(others.images.shape[1:])
            raise DataError(say("Images of {ours} and {theirs} do not mix.", ours=ours, theirs=theirs))
        images, labels = torch.cat([self.images, others.images]), torch.cat([self.labels, others.labels])
        return Digits(images, labels, self.transform)

    def transformed(self, transform: Transform | None) -> Digits:
        """The same images with another transform, sharing memory with this set."""
        return Digits(self.images, self.labels, transform)


def make_loader(
    digits: Dataset[Any], batch_size: int, *, shuffle: bool = False, seed: int | None = None, num_workers: int = 0
) -> DataLoader[tuple[Tensor, Tensor]]:
    """The standard DataLoader over `digits`, yielding images (N, C, H, W) float32 and labels (N,) int64.

    Args:
        seed: makes the order of a shuffled loader the same in every process; None draws it from torch's generator.
    """
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return DataLoader(
        digits, batch_size, shuffle=shuffle, generator=generator, num_workers=num_workers, collate_fn=stacked
    )


def read_idx(path: Path) -> Tensor:
    """Read one gzipped IDX file of unsigned bytes, the format that MNIST was published in.

    Returns:
        uint8, shaped as the file says: (N, H, W) for images, (N,) for labels.

    Raises:
        DataError: names the file when it is missing, cut short, damaged or not an IDX file of bytes.
    """
    again = say("Reinstall the package or fetch the file again.")
    try:
        with gzip.open(path) as file:
            content = bytearray(file.read(LARGEST_IDX + 1))
    except FileNotFoundError:
        raise DataError(say("The data file {path} is missing. {again}", path=str(path), again=again)) from None
    except (OSError, EOFError, zlib.error) as error:
        damaged = say(
            "The data file {path} is damaged ({error}). {again}", path=str(path), error=str(error), again=again
        )
        raise DataError(damaged) from error
    # Header: two zero bytes, 8 = unsigned byte, the number of dimensions, then each dimension as a big-endian int32.
    dimensions = content[3] if len(content) >= 4 else 0
    header_length = 4 + 4 * dimensions
    if content[:3] != b"\x00\x00\x08" or not 1 <= dimensions <= 3 or len(content) < header_length:
        raise DataError(
            say("The data file {path} is not an IDX file of unsigned bytes. {again}", path=str(path), again=again)
        )
    shape = [int.from_bytes(content[at : at + 4], "big") for at in range(4, header_length, 4)]
    if not math.prod(shape) or len(content) - header_length != math.prod(shape):
        raise DataError(
            say(
                "The data file {path} holds {count} bytes, not {shape}. {again}",
                path=str(path),
                count=len(content) - header_length,
                shape=shape,
                again=again,
            )
        )
    return torch.frombuffer(content, dtype=torch.uint8, offset=header_length).reshape(shape)


def read_digits(images_path: Path, labels_path: Path) -> Digits:
    """A set of digits from its two IDX files; see `read_idx` for the errors."""
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3 or images.shape[1:] != (28, 28):
        shape = tuple(images.shape)
        raise DataError(
            say("The data file {path} holds {shape}, not images of 28 x 28.", path=str(images_path), shape=shape)
        )
    if labels.shape != images.shape[:1]:
        raise DataError(
            say(
                "The data file {path} has {shape} labels for {count} images.",
                path=str(labels_path),
                shape=tuple(labels.shape),
                count=len(images),
            )
        )
    if int(labels.max()) > 9:
        label = int(labels.max())
        raise DataError(
            say("The data file {path} has a label {label}; labels are 0..9.", path=str(labels_path), label=label)
        )
    return Digits(images[:, None], labels.long())  # (N, 28, 28) -> (N, 1, 28, 28)


def load_mnist(split: str, folder: Path = MNIST_FOLDER) -> Digits:
    """MNIST as published, out of the package: no network, no writing.

    Args:
        split: "train" (60,000 images) or "test" (10,000).

    Raises:
        ConfigError: for another split. DataError: when a file is damaged; it names the file.
    """
    if split not in FILES:
        raise ConfigError("split", split, say("one of {names}", names=", ".join(FILES)))
    images_name, labels_name = FILES[split]
    return read_digits(folder / images_name, folder / labels_name)


def _upright(images: Tensor) -> Tensor:
    return images.transpose(1, 2).contiguous()  # EMNIST is published mirrored about the diagonal


# name -> torchvision's class, its options, what to do with its images (N, 28, 28)
DOWNLOADED: dict[str, tuple[str, dict[str, str], Transform]] = {
    "fashion-mnist": ("FashionMNIST", {}, lambda images: images),
    "kmnist": ("KMNIST", {}, lambda images: images),
    "emnist-digits": ("EMNIST", {"split": "digits"}, _upright),
}
DATA_SETS = ("mnist", *DOWNLOADED)


def load_digits(name: str, split: str, folder: Path | str = "data") -> Digits:
    """A data set of MNIST's shape by name: MNIST from the package, the others through torchvision's downloaders.

    Args:
        name: one of DATA_SETS. split: "train" or "test". folder: where downloads are kept.

    Raises:
        ConfigError: for an unknown name or split. DataError: when a download fails; it says what to do.
    """
    if name not in DATA_SETS:
        raise ConfigError("data set", name, say("one of {names}", names=", ".join(DATA_SETS)))
    if split not in FILES:
        raise ConfigError("split", split, say("one of {names}", names=", ".join(FILES)))
    if name == "mnist":
        return load_mnist(split)
    class_name, options, arrange = DOWNLOADED[name]
    published = getattr(import_torchvision().datasets, class_name)
    try:
        downloaded = published(str(folder), train=split == "train", download=True, **options)
    except (OSError, RuntimeError) as error:  # URLError is an OSError; torchvision raises RuntimeError when all fail
        raise DataError(
            say(
                "{name} could not be downloaded to {folder} ({error}). It needs a network connection the first time; "
                "without one, use mnist, which comes with the package.",
                name=name,
                folder=str(folder),
                error=str(error),
            )
        ) from error
    return Digits(arrange(downloaded.data)[:, None].contiguous(), downloaded.targets.long())


def import_torchvision() -> Any:
    """torchvision, imported only where it is used: it takes 1.5 s and 160 MB.

    Raises:
        DataError: says how to mend it when torchvision is missing or does not fit the installed torch.
    """
    try:
        import torchvision
    except ModuleNotFoundError as error:
        raise DataError(
            say("torchvision is not installed ({error}). Run: pip install torchvision", error=str(error))
        ) from error
    except (RuntimeError, OSError, ImportError) as error:
        raise DataError(
            say(
                "torch {version} and the installed torchvision do not fit each other. "
                "Both must come from one package index. Run: pip install --force-reinstall torch torchvision - or, for "
                "CPU-only builds, the same with --index-url https://download.pytorch.org/whl/cpu",
                version=str(torch.__version__),
            )
        ) from error
    return torchvision
