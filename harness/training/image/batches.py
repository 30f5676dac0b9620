"""Minibatches of images that are a function of (epoch, step)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import torch
from torch import Tensor

from conas.seeds import generator
from harness.data.augment import Augmenter
from harness.data.augment_on_device import augment
from harness.data.images import Images
from harness.training.sgd import Batch, Batches


@dataclass(frozen=True)
class ShuffledBatches:
    """Augmented minibatches of ``part`` in an order drawn anew for every epoch.

    A last minibatch of a single image is left out: batch norm has nothing to normalise there.
    """

    part: Images
    augment: Augmenter
    batch_size: int
    seed: int
    device: torch.device

    def steps(self, epoch: int) -> int:
        """The number of minibatches of an epoch."""
        whole, rest = divmod(len(self.part), self.batch_size)
        return whole + (rest > 1)

    def __call__(self, epoch: int, step: int) -> Batch:
        """Images (N, C, H, W), normalised, and labels (N,)."""
        order = generator(self.seed, "order", epoch).permutation(len(self.part))
        batch = self.part.select(order[step * self.batch_size : (step + 1) * self.batch_size])
        images = self.augment(batch.images, batch.indices, epoch, self.seed)
        return images.to(self.device, non_blocking=True), batch.labels.to(self.device, non_blocking=True)


@dataclass(frozen=True)
class DeviceBatches(ShuffledBatches):
    """The same minibatches, of images that lie on the device and are augmented there."""

    def __call__(self, epoch: int, step: int) -> Batch:
        """Images (N, C, H, W), normalised, and labels (N,)."""
        pixels, labels = self._there
        order, numbers = self._drawn(epoch)
        chosen = order[step * self.batch_size : (step + 1) * self.batch_size]
        images = pixels[chosen].permute(0, 3, 1, 2)
        return augment(self.augment, images, numbers[chosen]), labels[chosen]

    @cached_property
    def _there(self) -> tuple[Tensor, Tensor]:
        return self.part.images.permute(0, 2, 3, 1).contiguous().to(self.device), self.part.labels.to(self.device)

    @cached_property
    def _drawn(self) -> Callable[[int], tuple[Tensor, Tensor]]:
        return lru_cache(maxsize=1)(partial(_drawn, self.part.indices, self.augment, self.seed, self.device))


def _drawn(indices: Tensor, augmenter: Augmenter, seed: int, device: torch.device, epoch: int) -> tuple[Tensor, Tensor]:
    """The order of an epoch's images and the numbers that decide how each is treated."""
    order = generator(seed, "order", epoch).permutation(len(indices))
    numbers = augmenter.numbers(indices, epoch, seed)
    return torch.from_numpy(order).to(device), torch.from_numpy(numbers).to(device)


def batches(part: Images, augmenter: Augmenter, batch_size: int, seed: int, device: torch.device) -> Batches:
    """The minibatches of ``part``, which lies on ``device`` where its augmentation can be done there."""
    kind = DeviceBatches if device.type == "cuda" and augmenter.auto_augment is None else ShuffledBatches
    return kind(part, augmenter, batch_size, seed, device)
