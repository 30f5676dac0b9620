"""The data sets by name. One file in `harness.data.sets` adds one: a function that reads its files, registered here.

A reader is given `Files`, which hands out the content of the set's files after checking it, and returns its splits.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from baselines.plugins import DATASETS_GROUP, load_plugins
from conas.names import unknown
from harness.data.files import DataError, Files, Layout

ImageReader = Callable[[Files], Mapping[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]]
TextReader = Callable[[Files], Mapping[str, list[str]]]


@dataclass(frozen=True)
class ImageSet:
    """What is published about a data set of images, and how to read it.

    Attributes:
        read: returns by split the images, uint8 (count, height, width, channels), and labels from 0, (count,). Every
            split but ``test`` is training data.
        mean, std: one per channel, of pixels between 0 and 1.
        counts: the published number of images of each split.
        side: height and width of an image in pixels; None if it is not known before the files are read.
        layout: the files; None for a set that ships with an installed package.
        own: it is the user's: classes, mean, deviation and counts are those of the images that are there.
        class_names: of every class, in the order of the labels; empty if they have none, or only the files say.
    """

    name: str
    read: ImageReader
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    counts: Mapping[str, int]
    layout: Layout | None = None
    side: int | None = None
    own: bool = False
    class_names: tuple[str, ...] = ()

    @property
    def for_training(self) -> int:
        """The published number of images that are not for testing."""
        return sum(number for split, number in self.counts.items() if split != "test")


@dataclass(frozen=True)
class TextSet:
    """What is published about a text, and how to read it.

    Attributes:
        read: returns the words of the splits ``train``, ``valid`` and ``test``, with ``<eos>`` at the end of each line.
        counts: the published number of tokens of each split, and of ``words`` in the vocabulary; empty if it may vary.
        layout: the files; None for a text that ships with an installed package.
        own: it is the user's: nothing is published about it, and what the training split lacks is ``<unk>``.
    """

    name: str
    read: TextReader
    counts: Mapping[str, int] = field(default_factory=dict)
    layout: Layout | None = None
    own: bool = False


DataSet = ImageSet | TextSet
DATASETS: dict[str, DataSet] = {}


def image_set(
    name: str,
    *,
    classes: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    counts: Mapping[str, int],
    layout: Layout | None = None,
    side: int | None = None,
    own: bool = False,
    class_names: tuple[str, ...] = (),
) -> Callable[[ImageReader], ImageReader]:
    """Register the decorated reader as the data set of images ``name``."""

    def register(read: ImageReader) -> ImageReader:
        _add(ImageSet(name, read, classes, mean, std, counts, layout, side, own, class_names))
        return read

    return register


def text_set(
    name: str, *, counts: Mapping[str, int] | None = None, layout: Layout | None = None, own: bool = False
) -> Callable[[TextReader], TextReader]:
    """Register the decorated reader as the text ``name``."""

    def register(read: TextReader) -> TextReader:
        _add(TextSet(name, read, counts or {}, layout, own))
        return read

    return register


def _add(entry: DataSet) -> None:
    """Register a data set.

    Raises:
        ValueError: its name is taken.
    """
    if entry.name in DATASETS:
        raise ValueError(f"data set {entry.name!r} is registered twice")
    DATASETS[entry.name] = entry


def dataset(name: str) -> DataSet:
    """The data set called ``name``.

    Raises:
        DataError: there is none.
    """
    if name not in dataset_names():
        raise DataError(unknown("data set", name, DATASETS))
    return DATASETS[name]


def is_pinned(name: str) -> bool:
    """Whether all of a data set's files have published checksums: then its name says what is in them."""
    layout = dataset(name).layout
    return not is_own(name) and layout is not None and all(layout.files.values())


def is_own(name: str) -> bool:
    """Whether a data set is the user's own."""
    return dataset(name).own


def dataset_names() -> list[str]:
    """The names of all data sets."""
    _import_sets()
    return sorted(DATASETS)


@cache
def _import_sets() -> None:
    """Once: every configuration asks for data sets some twenty times, and listing a folder takes a while."""
    sets = importlib.import_module("harness.data.sets")
    for module in pkgutil.iter_modules(sets.__path__):
        importlib.import_module(f"{sets.__name__}.{module.name}")
    load_plugins(DATASETS_GROUP)
