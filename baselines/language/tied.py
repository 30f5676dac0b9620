"""The embedding of a language model, which is its softmax, too."""

from typing import Any

import torch
from torch import Tensor, nn

from conas.rnn.cross_entropy import cross_entropy


class Tied(nn.Module):
    """An embedding of ``words`` words in ``size`` units, uniform in +-``spread``, and the softmax's bias.

    torch's default generator draws them; the bias is uniform in +-``bias``.
    """

    def __init__(self, words: int, size: int, spread: float, bias: float = 0.0) -> None:
        super().__init__()
        self.embedding = uniform(spread, words, size)
        self.bias = uniform(bias, words)

    def cross_entropy(self, outputs: Any, targets: Tensor) -> Tensor:
        """The mean cross-entropy in nats of the words ``targets``, shape (T, B), under outputs (T, B, size)."""
        return cross_entropy(outputs.flatten(0, 1), self.embedding, self.bias, targets.flatten())


def uniform(spread: float, *shape: int) -> nn.Parameter:
    """Weights uniform in +-``spread``."""
    return nn.Parameter(torch.empty(shape).uniform_(-spread, spread))
