"""A final network in training: on CUDA its cells in fused kernels, where there are such for all that they hold."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from conas.cnn.cuda import fused
from conas.cnn.network import FinalNetwork

if TYPE_CHECKING:  # Triton is not everywhere
    from conas.cnn.cuda.final import FusedFinal

Forward = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor | None]]
"""`FinalNetwork.train_forward`."""


def train_forward(network: FinalNetwork, precision: str) -> Forward:
    """The forward pass of a training on the device of ``network``; of the kernels' results, a backward pass follows
    before the next forward pass.

    Networks without batch norms behind pools are left to the modules, also those that have no pool: searches compare
    them with each other.
    """
    fusible = network.pool_bn and is_there(next(network.parameters()))
    return _Fused(network, precision) if fusible else network.train_forward


def is_there(tensor: Tensor) -> bool:
    """Whether a tensor is where kernels are worth it; Triton's interpreter runs them on a CPU, to be tested."""
    return tensor.is_cuda


class _Fused:
    """By kernels, or by the modules where there are none; and for numbers that kernels do not compute with."""

    def __init__(self, network: FinalNetwork, precision: str) -> None:
        self._network, self._used = network, True
        self._fused = fused("final networks", lambda: _kernels(network, precision))

    def __call__(self, images: Tensor, keep: Tensor | None) -> tuple[Tensor, Tensor | None]:
        own = self._fused
        if own is None or not self._used or images.dtype != torch.float32:
            return self._network.train_forward(images, keep)
        if fused("final networks", lambda: own.prepared(images.shape)) is None:
            self._used = False
            self._fused = own if own.has_shapes else None  # graphs of other shapes may work on its memory
            return self._network.train_forward(images, keep)
        return own.train_forward(images, keep)


def _kernels(network: FinalNetwork, precision: str) -> "FusedFinal":
    from conas.cnn.cuda.final import FusedFinal

    return FusedFinal(network, precision)
