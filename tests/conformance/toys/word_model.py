"""A language model that is not made of cells: two layers of LSTM, whose state is a tree of tensors."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.checks import at_least
from baselines.networks import network
from baselines.registry import METHODS
from conas.cnn.operations import default_initialisation
from conas.rnn.language_model import Run
from conas.settings import setting

State = list[dict[str, Tensor]]


@dataclass(frozen=True)
class Sizes:
    """How wide."""

    units: int = setting(64, "a toy")
    drop: float = setting(0.5, "a toy")

    def __post_init__(self) -> None:
        at_least(1, self, "units")
        if not 0 < self.drop < 1:
            raise ValueError(f"drop is {self.drop} (allowed: between 0 and 1, both excluded)")


@network(
    "toy_word_model",
    task="text",
    summary="a toy",
    settings=Sizes,
    sizes={"smoke": {"units": 6}, "laptop": {"units": 16}},
    recipe={"final": {"lr": {"value": 5.0, "source": "a toy"}, "patience": {"value": 1, "source": "a toy"}}},
)
class ToyWordModel(nn.Module):
    """Tied embedding, two LSTM layers, dropout behind them."""

    def __init__(self, sizes: Sizes, words: int, *, seed: int) -> None:
        super().__init__()
        self._drop = sizes.drop
        with default_initialisation(seed):
            self.embedding = nn.Embedding(words, sizes.units)
            self.layers = nn.ModuleList(nn.LSTM(sizes.units, sizes.units) for _ in range(2))
            self.bias = nn.Parameter(torch.zeros(words))

    def initial_hidden(self, batch: int) -> State:
        """Zeros: of each layer the output and the cell, shape (1, batch, units)."""
        zeros = self.embedding.weight.new_zeros(1, batch, self.embedding.embedding_dim)
        return [{"output": zeros.clone(), "cell": zeros.clone()} for _ in self.layers]

    def forward(self, tokens: Tensor, hidden: State, generator: torch.Generator | None = None) -> Run:
        """A pass over a window, tokens (T, B)."""
        x, after = self.embedding(tokens), []
        for layer, state in zip(self.layers, hidden, strict=True):
            x, (output, cell) = layer(x, (state["output"], state["cell"]))
            after.append({"output": output.detach(), "cell": cell.detach()})
        return Run(x, self._dropped(x, generator) if self.training else x, after)

    def _dropped(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        kept = torch.rand(x.shape[1:], generator=generator, device=x.device) >= self._drop
        return x * kept / (1 - self._drop)

    def cross_entropy(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean cross-entropy in nats."""
        logits = F.linear(outputs, self.embedding.weight, self.bias)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


METHOD = METHODS.pop("toy_word_model")
"""No other test is to meet it among the methods."""
