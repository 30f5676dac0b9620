"""The one-shot CNN at speed: the numbers of `conas.supernet_plain`, from the same parameters."""

from collections.abc import Sequence

import torch
from torch import Tensor

from conas.names import unknown
from conas.operations import NORMALISERS, normalising
from conas.space import Alpha
from conas.supernet_plain import PlainOneShotCNN


class OneShotCNN(PlainOneShotCNN):
    """`PlainOneShotCNN`, computed in the channels-last memory format."""

    def forward(self, images: Tensor, alpha: Alpha) -> Tensor:
        """Logits, shape (N, classes), of the sub-network ``alpha``, shape (n,), for images (N, in_channels, H, W)."""
        return super().forward(images.contiguous(memory_format=torch.channels_last), alpha)


class Measurer:
    """f of section 3 on fixed data: the mean cross-entropy of sub-networks over the same batches.

    Args:
        model: a trained one-shot model.
        batches: (images, labels) pairs.
        bn: what batch norms normalise by while measuring: the ``running`` statistics gathered in
            training or the ``batch``'s own. Measuring never changes the running statistics.

    Raises:
        ValueError: no batches, or no such ``bn``.
    """

    def __init__(self, model: PlainOneShotCNN, batches: Sequence[tuple[Tensor, Tensor]], bn: str = "running") -> None:
        if not batches:
            raise ValueError("measuring needs at least one batch")
        if bn not in NORMALISERS:
            raise ValueError(unknown("batch-norm mode", bn, NORMALISERS))
        self.model = model
        self.batches = batches
        self.bn = bn

    @torch.no_grad()
    def losses(self, alphas: Alpha) -> list[float]:
        """The loss of every encoder of ``alphas``, shape (k, n)."""
        return [self._loss(alpha) for alpha in alphas]

    def _loss(self, alpha: Alpha) -> float:
        total, count = 0.0, 0
        with normalising(self.model, self.bn):
            for images, labels in self.batches:
                logits = self.model(images, alpha)
                total += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))
                count += len(labels)
        return total / count
