"""Data sets of images in memory: loading, and the parts of them that searches and small profiles use."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from conas.seeds import generator
from harness.data.content import one_line
from harness.data.files import DataError, Files, Provenance, Say, open_files
from harness.data.registry import ImageSet, dataset


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images.

    Attributes:
        images: uint8, shape (count, channels, height, width), in channels-last memory.
        labels: int64, shape (count,), from 0.
        indices: int64, shape (count,): the place of each image in its whole data set. Augmentation depends on it, so an
            image is treated alike in whichever part of the set it is.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, positions: Tensor | NDArray[np.int64] | slice) -> "Images":
        """The images at ``positions``, in that order."""
        if isinstance(positions, slice):
            return Images(self.images[positions], self.labels[positions], self.indices[positions])
        chosen = torch.as_tensor(positions, dtype=torch.int64)
        pixels = self.images.permute(0, 2, 3, 1).numpy()[chosen.numpy()]  # numpy copies image by image, without threads
        return Images(torch.from_numpy(pixels).permute(0, 3, 1, 2), self.labels[chosen], self.indices[chosen])


@dataclass(frozen=True, eq=False)
class ImageData:
    """A data set of images. ``mean`` and ``std``, one per channel, are of pixels between 0 and 1; ``class_names`` are
    in the order of the labels, none if they are not known."""

    name: str
    train: Images
    test: Images
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    provenance: Provenance
    class_names: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for colour."""
        return len(self.mean)


def load_images(
    name: str,
    data_dir: str | Path | None,
    allow_subset: bool = False,
    offline: bool = False,
    say: Say = print,
) -> ImageData:
    """The data set of images ``name``, from ``data_dir`` or one of its usual sub-folders, downloaded if missing.

    Args:
        name: one of `harness.data.registry.dataset_names`.
        data_dir: not needed by sets that ship with a package.
        allow_subset: accept files that differ from the published ones, such as a part of the set; the provenance of
            the result says so.
        offline: never download.
        say: told, in one line, of every failed attempt to download.

    Raises:
        DataError: one line: no such set of images, files missing, damaged or of another format.
    """
    entry = dataset(name)
    if not isinstance(entry, ImageSet):
        raise DataError(f"{name} is not a data set of images")
    files = open_files(name, entry.layout, data_dir, allow_subset, offline, say)
    splits = _read(entry, files)
    if entry.own:
        entry = _measured(entry, splits)
    _check(entry, files, splits)
    counts = {split: len(labels) for split, (_, labels) in splits.items()}
    provenance = Provenance(name, files.source, tuple(files.records), counts, whole=counts == dict(entry.counts))
    train = _join([arrays for split, arrays in splits.items() if split != "test"])
    names = entry.class_names or files.class_names
    return ImageData(name, train, _join([splits["test"]]), entry.classes, entry.mean, entry.std, provenance, names)


Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]


def _read(entry: ImageSet, files: Files) -> Mapping[str, Arrays]:
    try:
        splits = entry.read(files)
    except DataError:
        raise
    except Exception as error:  # a damaged file can make its parser raise anything
        last = files.records[-1].name if files.records else "its files"
        raise DataError(f"{entry.name}: {last} in {files.source} cannot be read ({one_line(error)})") from error
    return splits


def _measured(entry: ImageSet, splits: Mapping[str, Arrays]) -> ImageSet:
    """The set with what is known of its images now: their number, classes, mean and deviation."""
    images, labels = splits["train"]
    pixels = images.reshape(-1, images.shape[-1]) / 255
    counts = {split: len(labels) for split, (_, labels) in splits.items()}
    mean, std = (tuple(map(float, values)) for values in (pixels.mean(axis=0), np.maximum(pixels.std(axis=0), 1 / 255)))
    return replace(entry, classes=int(labels.max()) + 1, mean=mean, std=std, counts=counts)


def _check(entry: ImageSet, files: Files, splits: Mapping[str, Arrays]) -> None:
    if len(entry.std) != len(entry.mean) or not all(value > 0 for value in entry.std):
        raise DataError(f"{entry.name}: std={entry.std} (allowed: {len(entry.mean)} numbers above 0, as mean has)")
    first = next(iter(splits.values()))[0].shape[1:3]
    expected = first if entry.side is None else (entry.side, entry.side)
    for split, (images, labels) in splits.items():
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != len(entry.mean) or len(images) == 0:
            raise DataError(f"{entry.name}: {split} in {files.source} holds {images.dtype} {images.shape}, not images")
        if images.shape[1:3] != expected:
            size, other = (" x ".join(map(str, shape)) for shape in (images.shape[1:3], expected))
            raise DataError(f"{entry.name}: {split} in {files.source} has images of {size} pixels, not of {other}")
        if not np.issubdtype(labels.dtype, np.integer):
            raise DataError(f"{entry.name}: {split} in {files.source} has labels of type {labels.dtype}, not integers")
        if labels.shape != images.shape[:1] or labels.min() < 0 or labels.max() >= entry.classes:
            raise DataError(f"{entry.name}: {split} in {files.source} has labels other than 0 to {entry.classes - 1}")


def _join(parts: list[Arrays]) -> Images:
    pixels, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    images = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)
    return Images(images, torch.from_numpy(labels.astype(np.int64)), torch.arange(len(labels)))


def search_split(train: Images) -> tuple[Images, Images]:
    """The halves of a training set on which a search trains its weights and measures (section 4.1): the first and the
    second in the set's own order, as the released code has it."""
    half = len(train) // 2
    return train.select(slice(half)), train.select(slice(half, None))


def take(images: Images, limit: int | None, seed: int, name: str) -> Images:
    """At most ``limit`` images (None: all), the classes as equally often as the set allows, in the set's order.

    The choice is random under ``seed`` and ``name``, which says what it is for. A smaller choice is part of a larger.

    Raises:
        ValueError: the limit is less than 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"a limit of {limit} images leaves none")
    if limit is None or limit >= len(images):
        return images
    order = generator(seed, "take", name).permutation(len(images))
    turn = _occurrence(images.labels.numpy()[order])
    return images.select(np.sort(order[np.argsort(turn, kind="stable")[:limit]]))


def _occurrence(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """For every entry how many equal ones come before it."""
    by_label = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    occurrence = np.empty_like(by_label)
    occurrence[by_label] = np.arange(len(labels)) - starts
    return occurrence
