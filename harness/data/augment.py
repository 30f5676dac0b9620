"""Augmentation in memory, a whole batch at a time, the same whatever the batch.

The random numbers of an image depend on the seed, the epoch and the image's place in its data set, and on nothing else:
not on the batch it is in, on a worker or on a global generator.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from conas.names import unknown
from conas.seeds import generator

if TYPE_CHECKING:
    from harness.data.auto_augment import Policy

POLICIES = ("cifar10", "svhn")
"""The policies of AutoAugment."""

# What the random numbers of an image decide.
ROW, COLUMN, FLIP, HOLE_ROW, HOLE_COLUMN, PAIR, CHANCES, SIGNS = *range(6), slice(6, 8), slice(8, 10)
_NUMBERS = 10

Pixels = NDArray[np.uint8]
Numbers = NDArray[np.float32]


def normalise(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """The evaluation transform: pixels between 0 and 1, less the mean, over the deviation.

    Takes uint8 images of shape (count, channels, height, width) and returns float32 ones in channels-last memory, on
    the same device.
    """
    count, channels, height, width = images.shape
    scale, shift = _scale_and_shift(tuple(mean), tuple(std), width, images.device)
    rows = images.permute(0, 2, 3, 1).reshape(count, height, width * channels).float()  # long rows are fast
    return rows.mul_(scale).add_(shift).view(count, height, width, channels).permute(0, 3, 1, 2)


@cache
def _scale_and_shift(
    mean: tuple[float, ...], std: tuple[float, ...], width: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """For a row of pixels, what to multiply with and then to add; shapes (width * channels,)."""
    scale = torch.tensor([1 / (255 * deviation) for deviation in std], device=device)
    shift = torch.tensor([-m / deviation for m, deviation in zip(mean, std, strict=True)], device=device)
    return scale.repeat(width), shift.repeat(width)


@dataclass
class Augmenter:
    """The training transform, in the order of DARTS (its code's ``_data_transforms_cifar10``): crop, flip, normalise,
    cutout; AutoAugment comes after the flip, as its authors describe (Cubuk et al., 2019, section 4.1).

    Attributes:
        mean, std: as `ImageData` has them.
        crop_padding: zeros put around an image before it is cropped to its size at a random place.
        flip: mirror left and right with probability 1/2.
        cutout: side of the square that is set to zero after normalising, in pixels, an odd one counting as the even
            one below. Its centre may be anywhere, so part of it may lie outside.
        auto_augment: a policy of AutoAugment, ``cifar10`` or ``svhn``, by torchvision's implementation; areas moved in
            from outside are black, as the crop's.

    Raises:
        ValueError: a negative size, or no such policy.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop_padding: int = 4
    flip: bool = True
    cutout: int = 0
    auto_augment: str | None = None

    def __post_init__(self) -> None:
        for name in ("crop_padding", "cutout"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 0")
        if self.auto_augment is not None and self.auto_augment not in POLICIES:
            raise ValueError(unknown("AutoAugment policy", self.auto_augment, POLICIES))
        self._drawn = _Drawn()
        self._policy = _policy(self.auto_augment) if self.auto_augment else None

    def __call__(self, images: Tensor, indices: Tensor, epoch: int, seed: int) -> Tensor:
        """Training images for one batch.

        Takes uint8 images of shape (count, channels, height, width) on the CPU and their ``indices`` in the data set;
        returns float32 ones of the same shape in channels-last memory.
        """
        numbers = self.numbers(indices, epoch, seed)
        pixels = self._crop(images.permute(0, 2, 3, 1).numpy(), numbers)
        batch = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        with _one_thread():
            if self.flip:
                self._mirror(pixels, numbers)
            if self._policy is not None:
                batch = self._policy.apply(batch, numbers)
            batch = normalise(batch, self.mean, self.std)
        if self.cutout:
            self._cut(batch.permute(0, 2, 3, 1).numpy(), numbers)
        return batch

    def numbers(self, indices: Tensor, epoch: int, seed: int) -> Numbers:
        """The random numbers in [0, 1) that decide how images are treated, shape (count, 10)."""
        return self._drawn.numbers(indices.numpy(), epoch, seed)

    def _crop(self, pixels: Pixels, numbers: Numbers) -> Pixels:
        """Crop image by image, as copying slices is faster here than any gathering of pixels."""
        count, height, width, channels = pixels.shape
        pad = self.crop_padding
        padded = np.zeros((count, height + 2 * pad, width + 2 * pad, channels), np.uint8)
        padded[:, pad : pad + height, pad : pad + width] = pixels
        cropped = np.empty(pixels.shape, np.uint8)
        rows, columns = below(numbers[:, ROW], 2 * pad + 1), below(numbers[:, COLUMN], 2 * pad + 1)
        for image, source, row, column in zip(cropped, padded, rows, columns, strict=True):
            image[:] = source[row : row + height, column : column + width]
        return cropped

    def _mirror(self, pixels: Pixels, numbers: Numbers) -> None:
        """Mirror half of the images in place, by torch, whose flip of channels-last bytes is the fastest."""
        chosen = np.flatnonzero(numbers[:, FLIP] < 0.5)
        mirrored = torch.from_numpy(pixels[chosen]).permute(0, 3, 1, 2).flip(3)
        pixels[chosen] = mirrored.permute(0, 2, 3, 1).numpy()

    def _cut(self, batch: NDArray[np.float32], numbers: Numbers) -> None:
        _, height, width, _ = batch.shape
        reach = self.cutout // 2
        rows, columns = below(numbers[:, HOLE_ROW], height), below(numbers[:, HOLE_COLUMN], width)
        for image, row, column in zip(batch, rows, columns, strict=True):
            image[max(0, row - reach) : row + reach, max(0, column - reach) : column + reach] = 0


def below(numbers: Numbers, bound: int) -> list[int]:
    """Numbers between 0 and 1 as integers from 0 to ``bound`` - 1."""
    return (numbers * bound).astype(np.int64).tolist()


def _policy(name: str) -> "Policy":
    """AutoAugment, for which torchvision, that takes seconds to import, is needed and for nothing else."""
    from harness.data.auto_augment import Policy

    return Policy(name)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Small steps do not gain from threads, and on a busy machine they wait for them ten times as long as they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class _Drawn:
    """The random numbers of one epoch, drawn all at once, one row per image of the data set."""

    def __init__(self) -> None:
        self._what: tuple[int, int] | None = None
        self._rows = np.empty((0, _NUMBERS), np.float32)

    def numbers(self, indices: NDArray[np.int64], epoch: int, seed: int) -> Numbers:
        """Ten numbers in [0, 1) an image, shape (count, 10). A row does not depend on how many rows are drawn."""
        needed = int(indices.max(initial=-1)) + 1
        if self._what != (seed, epoch) or needed > len(self._rows):
            rows = max(len(self._rows), 1 << needed.bit_length())
            self._rows = generator(seed, "augment", epoch).random((rows, _NUMBERS), np.float32)
            self._what = seed, epoch
        return self._rows[indices]
