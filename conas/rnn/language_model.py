"""Language models around the recurrent cell: the one-shot RNN and the final network (section 4.3).

The recipe is that of DARTS (Liu et al., 2018b): as many units in the embedding as in the cell, the softmax
tied to the embedding, variational dropout, every weight uniform in +-0.04. Tokens come in windows of shape
(T, B), time first.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conas.genotype import Cell, Genotype, GenotypeError
from conas.rnn.cell import RecurrentCell
from conas.rnn.cell_plain import INITIAL_RANGE, Masks, check
from conas.rnn.cross_entropy import cross_entropy
from conas.rnn.state import State
from conas.space import Alpha, Space
from conas.torch_seeds import torch_generator


@dataclass(frozen=True)
class Dropout:
    """Rates of the variational dropout of the DARTS recipe; one mask serves a whole window.

    Attributes:
        output: of the cell's outputs, before the softmax (``dropout``).
        state: of every state before it is multiplied by weights (``dropouth``).
        input: of the cell's input (``dropoutx``).
        embedding: of the embedded words (``dropouti``).
        words: of whole words, all their occurrences in the window at once (``dropoute``). DARTS and RSWS
            search with 0 at 300 units and 0.1 at 850, and train the final network with 0.1.

    Raises:
        ValueError: a rate outside [0, 1).
    """

    output: float = 0.75
    state: float = 0.25
    input: float = 0.75
    embedding: float = 0.2
    words: float = 0.1

    def __post_init__(self) -> None:
        for name, rate in vars(self).items():
            if not 0 <= rate < 1:
                raise ValueError(f"dropout {name} = {rate} (allowed: 0 up to, not including, 1)")


class Drops(NamedTuple):
    """Dropout factors, 0 or 1 / (1 - rate), of a whole window, in the order in which they are drawn.

    Shapes: (vocabulary, 1) of ``words``, (B, size) of the others; see `Dropout` and `Masks`.
    """

    words: Tensor
    embedding: Tensor
    input: Tensor
    state: Tensor
    output: Tensor


class Run(NamedTuple):
    """A model's pass over one window.

    ``outputs`` (T, B, size) are the cell's, ``dropped`` the same after the output dropout; ``hidden``
    (B, size) is the last output, detached, from which the next window goes on (truncated back-propagation). Models
    of other cells carry a `conas.rnn.state.State`, detached too. ``features`` is what their softmax reads where that is
    not ``dropped``.
    """

    outputs: Tensor
    dropped: Tensor
    hidden: State
    features: Any = None

    @property
    def scored(self) -> Any:
        """What the model's ``cross_entropy`` reads."""
        return self.dropped if self.features is None else self.features


class LanguageModel(nn.Module):
    """Tied embedding, recurrent cell and softmax, for any cell: what the one-shot and the final model share.

    Args:
        words: the vocabulary's size, 10,000 for Penn Treebank.
        size: units of the embedding and of every state; the paper's final networks have 850.
        nodes: how many nodes, besides node 0, the cell has weights for.
        seed: decides the initial weights. The global generator is left alone.
        batch_norm: see `conas.rnn.cell_plain.PlainRecurrentCell`.
    """

    def __init__(
        self, words: int, size: int, nodes: int, seed: int, dropout: Dropout | None = None, batch_norm: bool = False
    ) -> None:
        super().__init__()
        self.dropout = dropout or Dropout()
        table = torch.empty(words, size)
        table.uniform_(-INITIAL_RANGE, INITIAL_RANGE, generator=torch_generator(seed, "weights", "words"))
        self.embedding = nn.Parameter(table)
        self.bias = nn.Parameter(torch.zeros(words))
        self.cell = RecurrentCell(size, nodes, seed, batch_norm)

    def initial_hidden(self, batch: int) -> Tensor:
        """The hidden state before the first word: zeros, shape (batch, size)."""
        return self.embedding.new_zeros(batch, self.embedding.shape[1])

    def run(self, tokens: Tensor, hidden: Tensor, cell: Cell, generator: torch.Generator | None = None) -> Run:
        """A pass over ``tokens``, shape (T, B), from ``hidden``, shape (B, size).

        Dropout is on in training mode only; its masks are drawn from ``generator`` in a fixed order.

        Raises:
            ValueError: training mode with dropout, and no ``generator``.
            GenotypeError: a cell that the model has no weights for.
        """
        drops = self.draw(len(hidden), generator) if self.training else None
        return self.run_dropped(tokens, hidden, cell, drops)

    def draw(self, batch: int, generator: torch.Generator | None) -> Drops:
        """The dropout factors of a window with ``batch`` columns.

        Raises:
            ValueError: there is no ``generator``.
        """
        if generator is None:
            raise ValueError("a language model in training mode needs a generator for its dropout masks")
        words, size = self.embedding.shape
        shapes = {"words": (words, 1)}
        return Drops(*(self._factors(name, shapes.get(name, (batch, size)), generator) for name in Drops._fields))

    def _factors(self, name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        rate = getattr(self.dropout, name)
        keep = torch.empty(shape, device=generator.device).bernoulli_(1 - rate, generator=generator)
        return keep.to(self.embedding).div_(1 - rate)

    def run_dropped(self, tokens: Tensor, hidden: Tensor, cell: Cell, drops: Drops | None) -> Run:
        """As `run`, with the dropout factors given: nothing is drawn. None: no dropout."""
        masks = None if drops is None else Masks(drops.input, drops.state)
        outputs, last = self.cell(self.embed(tokens, drops), hidden, cell, masks)
        return Run(outputs, outputs if drops is None else outputs * drops.output, last.detach())

    def project(self, tokens: Tensor) -> Tensor:
        """The part of an evaluation pass that no cell and no hidden state decides: (T, B) -> (T, B, 2 size)."""
        return self.cell.project(F.embedding(tokens, self.embedding))

    def cross_entropy(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean cross-entropy in nats of the words ``targets``, shape (T, B), under outputs (T, B, size)."""
        return cross_entropy(outputs.flatten(0, 1), self.embedding, self.bias, targets.flatten())

    def embed(self, tokens: Tensor, drops: Drops | None) -> Tensor:
        """Words (T, B) -> (T, B, size), whole words and units dropped."""
        embedded = F.embedding(tokens, self.embedding)
        return embedded if drops is None else embedded * drops.words[tokens] * drops.embedding


class OneShotRNN(LanguageModel):
    """All sub-networks of a recurrent space in one language model with shared weights (section 4.3).

    Args:
        space: a recurrent space, ``rnn`` in the paper.
        words, size, seed, dropout: see `LanguageModel`.
    """

    def __init__(self, space: Space, words: int, size: int, seed: int, dropout: Dropout | None = None) -> None:
        super().__init__(words, size, space.nodes, seed, dropout)
        self.space = space

    def forward(self, tokens: Tensor, hidden: Tensor, alpha: Alpha, generator: torch.Generator | None = None) -> Run:
        """A pass of the sub-network ``alpha``, shape (n,), with nothing repaired; see `LanguageModel.run`."""
        return self.run(tokens, hidden, recurrent(self.space.decode(alpha)), generator)


class FinalRNN(LanguageModel):
    """The language model of one genotype, trained from scratch (Table 3); DARTS', ENAS' and RSWS' cells too.

    Args:
        genotype: one cell called ``recurrent`` over one input, without empty nodes.
        words, size, seed, dropout: see `LanguageModel`.

    Raises:
        GenotypeError: another kind of genotype, an empty node or an unknown activation.
    """

    def __init__(self, genotype: Genotype, words: int, size: int, seed: int, dropout: Dropout | None = None) -> None:
        wiring = recurrent(genotype)
        check(wiring, len(wiring.nodes))
        empty = [i for i, node in enumerate(wiring.nodes, start=1) if not node]
        if empty:
            raise GenotypeError(f"recurrent cell: node {empty[0]} has no input (repair the genotype first)")
        super().__init__(words, size, len(wiring.nodes), seed, dropout)
        self.wiring = wiring

    def forward(self, tokens: Tensor, hidden: Tensor, generator: torch.Generator | None = None) -> Run:
        """A pass over one window; see `LanguageModel.run`."""
        return self.run(tokens, hidden, self.wiring, generator)


def recurrent(genotype: Genotype) -> Cell:
    """The recurrent cell of a genotype.

    Raises:
        GenotypeError: a genotype with other cells, or with several inputs.
    """
    if set(genotype.cells) != {"recurrent"} or genotype.inputs != 1:
        raise GenotypeError(
            f"a recurrent genotype has one cell 'recurrent' with 1 input, got {', '.join(genotype.cells)} "
            f"with {genotype.inputs}"
        )
    return genotype.cells["recurrent"]
