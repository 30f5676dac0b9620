"""Minibatches of images that are a function of (epoch, step)."""

from dataclasses import dataclass

import torch

from conas.seeds import generator
from harness.data import Augmenter, Images
from harness.training.sgd import Batch


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
