"""Layers of LSTM whose recurrent weights are dropped, and a tied embedding around them (Merity et al., 2018)."""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from baselines.language.dropping import Dropping
from baselines.language.tied import Tied

Hidden = list[tuple[Tensor, Tensor]]
"""Of each layer the output and the cell's state, shape (1, B, size of the layer)."""


_SPREAD = 0.1


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


class TiedLSTMs(Tied):
    """A tied embedding, uniform in +-0.1, and ``sizes.layers`` layers of LSTM, the last of which has ``last`` units.

    ``sizes`` has the widths, ``embedding`` and ``units``, and the rates of dropout of `AwdLstmSettings`.
    """

    def __init__(self, sizes: Any, words: int, last: int) -> None:
        super().__init__(words, sizes.embedding, _SPREAD)
        self.lstms = LSTMs(sizes.embedding, *[sizes.units] * (sizes.layers - 1), last)
        self._rates = sizes

    def initial_hidden(self, batch: int) -> Hidden:
        """Zeros."""
        return self.lstms.initial(batch)

    def outputs(self, tokens: Tensor, hidden: Hidden, drop: Dropping) -> tuple[Tensor, Tensor, Hidden]:
        """The last layer's outputs for a window, tokens (T, B), these with units dropped, and the states after it."""
        x = drop.locked(drop.words(self.embedding, tokens, self._rates.drop_words), self._rates.drop_input)
        outputs, after = self.lstms(x, hidden, drop, self._rates.drop_layers, self._rates.drop_weights)
        return outputs, drop.locked(outputs, self._rates.drop_output), after
