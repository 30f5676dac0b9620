"""Data of a data set's shape, drawn at random: for timing on a machine that does not have the data."""

from functools import cache

import numpy as np
import torch

from conas.seeds import generator
from harness.data.files import Provenance
from harness.data.images import ImageData, Images
from harness.data.registry import ImageSet, TextSet, dataset
from harness.data.text import TextData

_SIDE = 32


@cache  # nothing writes into them
def synthetic_images(name: str) -> ImageData:
    """As many images as the published set has, of 32 by 32 random pixels."""
    entry = dataset(name)
    assert isinstance(entry, ImageSet)
    rng = generator(0, "synthetic", name)
    sizes = entry.for_training, entry.counts["test"]
    of_train, of_test = (_images(rng, n, (_SIDE, _SIDE, len(entry.mean)), entry.classes) for n in sizes)
    return ImageData(
        name, of_train, of_test, entry.classes, entry.mean, entry.std, _provenance(name, dict(entry.counts))
    )


def _images(rng: np.random.Generator, count: int, shape: tuple[int, int, int], classes: int) -> Images:
    pixels = torch.from_numpy(rng.integers(256, size=(count, *shape), dtype=np.uint8)).permute(0, 3, 1, 2)
    labels = torch.from_numpy(rng.integers(classes, size=count))
    return Images(pixels, labels, torch.arange(count))


@cache
def synthetic_text(name: str) -> TextData:
    """As many random words as the published text has."""
    entry = dataset(name)
    assert isinstance(entry, TextSet)
    rng = generator(0, "synthetic", name)
    words = entry.counts["words"]
    splits = {
        split: torch.from_numpy(rng.integers(words, size=entry.counts[split])) for split in ("train", "valid", "test")
    }
    return TextData(
        name, **splits, vocabulary=tuple(map(str, range(words))), provenance=_provenance(name, dict(entry.counts))
    )


def _provenance(name: str, counts: dict[str, int]) -> Provenance:
    return Provenance(name, "random numbers", (), counts, whole=False)
