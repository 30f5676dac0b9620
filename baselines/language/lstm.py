"""Layers of LSTM whose recurrent weights are dropped, as AWD-LSTM has them (Merity et al., 2018)."""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from baselines.language.dropping import Dropping

Hidden = list[tuple[Tensor, Tensor]]
"""Of each layer the output and the cell's state, shape (1, B, size of the layer)."""


class LSTMs(nn.Module):
    """LSTM layers of the ``sizes``, the first of which is the input's; cuDNN's kernels on a GPU.

    Weights are uniform in +-1 / sqrt(size), as torch draws them.
    """

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.LSTM(before, after) for before, after in pairwise(sizes))

    def initial(self, batch: int) -> Hidden:
        """Zeros for ``batch`` columns of text."""
        weights: list[Any] = [layer.weight_hh_l0 for layer in self.layers]
        return [
            (weight.new_zeros(1, batch, weight.shape[1]), weight.new_zeros(1, batch, weight.shape[1]))
            for weight in weights
        ]

    def forward(
        self, x: Tensor, hidden: Hidden, drop: Dropping, between: float, weights: float
    ) -> tuple[Tensor, Hidden]:
        """A window (T, B, size) -> the last layer's outputs, and the states after it, detached.

        Args:
            between: the rate at which units are dropped between layers, one mask for a window.
            weights: that of the weights from output to gates, one mask for a window.
        """
        after: Hidden = []
        for number, (layer, state) in enumerate(zip(self.layers, hidden, strict=True)):
            x = drop.locked(x, between) if number else x
            x, output, cell = _run(layer, x, state, drop, weights)
            after.append((output.detach(), cell.detach()))
        return x, after


def _run(
    layer: Any, x: Tensor, state: tuple[Tensor, Tensor], drop: Dropping, rate: float
) -> tuple[Tensor, Tensor, Tensor]:
    weights = [layer.weight_ih_l0, drop(layer.weight_hh_l0, rate), layer.bias_ih_l0, layer.bias_hh_l0]
    return torch.lstm(x, state, weights, True, 1, 0.0, layer.training, False, False)
