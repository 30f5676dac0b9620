"""`conas.cnn.measuring` on CUDA: the losses of sub-networks, many images at once, read when all are there."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from conas.cnn.cuda.one_shot import Evaluation
from conas.cnn.one_shot_plain import PlainOneShotCNN
from conas.space import Alpha

_TOGETHER, _FEWER = 640, 128
"""Images at a time where they do not influence each other, on large devices and on others."""
_LARGE = 30 << 30
"""Bytes of a device that has room for 640: at the paper's size they take 15 GiB."""


class FusedMeasurer:
    """`conas.cnn.measuring.Measurer`, with its arguments and `precision`, see `conas.cnn.cuda.network.PRECISIONS`.

    ``evaluations`` are those of other batches of the same model and settings, by their shape; what is missing is added.
    """

    def __init__(
        self,
        model: PlainOneShotCNN,
        batches: Sequence[tuple[Tensor, Tensor]],
        bn: str,
        precision: str = "float32",
        evaluations: dict[tuple[int, ...], Evaluation] | None = None,
    ) -> None:
        self._batches = _together(batches) if bn == "running" else list(batches)
        self._evaluations = {} if evaluations is None else evaluations
        self._bn = bn
        for shape in sorted({self._shape(images, bn) for images, _ in self._batches} - self._evaluations.keys()):
            self._evaluations[shape] = Evaluation(model, shape, precision, bn)

    def losses(self, alphas: Alpha) -> NDArray[np.float64]:
        """Mean cross-entropies, shape (k,), of the encoders ``alphas``, shape (k, n)."""
        sums = [self._evaluations[self._shape(*batch[:1], self._bn)].losses(*batch, alphas) for batch in self._batches]
        return torch.stack(sums).sum(0).cpu().numpy() / sum(len(labels) for _, labels in self._batches)

    def _shape(self, images: Tensor, bn: str) -> tuple[int, ...]:
        """Of the evaluation for these images; fewer images than it takes are no matter if norms do not look at them."""
        count = len(self._batches[0][0]) if bn == "running" else len(images)
        return count, *images.shape[1:]


def _together(batches: Sequence[tuple[Tensor, Tensor]]) -> list[tuple[Tensor, Tensor]]:
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    count = _count(images.device)
    return list(zip(images.split(count), labels.split(count), strict=True))


def _count(device: torch.device) -> int:
    """Images at a time: not by the memory that is free now, as they decide last bits."""
    small = device.type == "cuda" and torch.cuda.get_device_properties(device).total_memory < _LARGE
    return _FEWER if small else _TOGETHER
