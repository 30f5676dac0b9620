"""The recurrent cell that Zoph & Le (2017) found, the row "NAS" of Table 3: it has two states and eight gates.

The cell is that of the authors' code (TensorFlow's NASCell). How many layers their language model has, how wide it is
and how it was trained is not known here for certain: all that is marked as an assumption.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from baselines.checks import at_least, rates
from baselines.language.dropping import Dropping
from baselines.language.tied import Tied, uniform
from baselines.networks import network
from conas.cnn.operations import default_initialisation
from conas.rnn.language_model import Run
from conas.settings import setting

_RECIPE = "assumption: as the final networks of section 4.3; the authors' own training is not published in full"
_SPREAD = 0.04
_GATES = 8

State = tuple[Tensor, Tensor]
"""The cell's output and its inner state, shape (B, units) each."""


@dataclass(frozen=True)
class NasCellSettings:
    """Its sizes, and its rates of dropout, each with one mask for a whole window.

    Attributes:
        drop_words: of whole words, wherever they stand.
        drop_embedding: of the units of embedded words.
        drop_input: of the units that a layer reads.
        drop_state: of the units of a layer's last output, before its weights.
        drop_output: of the units before the softmax.
    """

    units: int = setting(741, "assumption: what makes the 25 million parameters of Table 3")
    layers: int = setting(2, "assumption: from memory of Zoph & Le (2017)")
    drop_words: float = setting(0.1, _RECIPE)
    drop_embedding: float = setting(0.2, _RECIPE)
    drop_input: float = setting(0.75, _RECIPE)
    drop_state: float = setting(0.25, _RECIPE)
    drop_output: float = setting(0.75, _RECIPE)

    def __post_init__(self) -> None:
        at_least(1, self, "units", "layers")
        rates(self, "drop_words", "drop_embedding", "drop_input", "drop_state", "drop_output")


_NARROW = {"drop_words": 0.0, "drop_embedding": 0.1, "drop_input": 0.2, "drop_state": 0.1, "drop_output": 0.2}


@network(
    "nas_cell",
    task="text",
    summary="NAS: layers of the recurrent cell of Zoph & Le",
    settings=NasCellSettings,
    sizes={"smoke": {"units": 16}, "laptop": {"units": 70, **_NARROW}},
)
class NasCell(Tied):
    """A tied embedding around layers of the cell.

    Args:
        words: the vocabulary's size.
        seed: decides the initial weights, uniform in +-0.04; there are no biases but the softmax's.
    """

    def __init__(self, sizes: NasCellSettings, words: int, *, seed: int) -> None:
        shape = (sizes.units, _GATES * sizes.units)
        with default_initialisation(seed):
            super().__init__(words, sizes.units, _SPREAD)
            self.inputs = nn.ParameterList(uniform(_SPREAD, *shape) for _ in range(sizes.layers))
            self.recurrent = nn.ParameterList(uniform(_SPREAD, *shape) for _ in range(sizes.layers))
        self._rates = sizes

    def initial_hidden(self, batch: int) -> list[State]:
        """Zeros, of each layer."""
        zeros = self.embedding.new_zeros(batch, self._rates.units)
        return [(zeros.clone(), zeros.clone()) for _ in self.inputs]

    def forward(self, tokens: Tensor, hidden: list[State], generator: torch.Generator | None = None) -> Run:
        """A pass over a window, tokens (T, B)."""
        rates, drop = self._rates, Dropping.of(self.training, generator)
        x = drop.locked(drop.words(self.embedding, tokens, rates.drop_words), rates.drop_embedding)
        after: list[State] = []
        for reads, recurs, state in zip(self.inputs, self.recurrent, hidden, strict=True):
            projected = drop.locked(x, rates.drop_input) @ reads
            x, (output, inner) = layer(projected, state, recurs, drop(torch.ones_like(state[0]), rates.drop_state))
            after.append((output.detach(), inner.detach()))
        return Run(x, drop.locked(x, rates.drop_output), after)


def layer(projected: Tensor, state: State, recurs: Tensor, keep: Tensor) -> tuple[Tensor, State]:
    """The outputs of a layer over a window, (T, B, units), and the state after it.

    Args:
        projected: what the gates have of the words, shape (T, B, 8 units).
        recurs: weights from the last output to the gates, shape (units, 8 units).
        keep: factors of the last output, shape (B, units).
    """
    (output, inner), outputs = state, []
    for word in projected:
        output, inner = cell(word, (output * keep) @ recurs, inner)
        outputs.append(output)
    return torch.stack(outputs), (output, inner)


def cell(word: Tensor, recurred: Tensor, inner: Tensor) -> State:
    """One step, from what the gates have of the word and of the last output, shape (B, 8 units) each."""
    of_word, of_output = word.chunk(_GATES, dim=1)[3], recurred.chunk(_GATES, dim=1)[3]
    a, b, c, _, d, e, f, g = (word + recurred).chunk(_GATES, dim=1)
    fresh = (a.sigmoid() * b.relu()).tanh()
    scale = (c.sigmoid() + (of_word * of_output).relu()).tanh()
    inner = (fresh + inner).tanh() * scale
    gate = ((d.tanh() * e.sigmoid()).tanh() + (f.tanh() + g.sigmoid()).sigmoid()).tanh()
    return (inner * gate).tanh(), inner
