"""The loss of models on a text, window by window as CUDA graphs, read from the device once at the end."""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from conas.genotype import Cell
from conas.graphs import Graphs
from conas.rnn.cell import wire
from conas.rnn.cuda.cell import every, forward
from conas.rnn.cuda.unroll import Layout
from conas.rnn.language_model import FinalRNN, LanguageModel, OneShotRNN
from conas.rnn.text_windows import windows


class Reader:
    """Reads texts with one model; in evaluation mode, without gradients."""

    def __init__(self, model: LanguageModel) -> None:
        assert isinstance(model, OneShotRNN | FinalRNN)
        size = model.cell.size
        self._layout = every(model.space, size) if isinstance(model, OneShotRNN) else Layout(wire(model.wiring), size)
        self._project, self._cell, self._cross_entropy = model.project, model.cell, model.cross_entropy
        self._graphs = Graphs(self._window)

    def losses(self, text: Tensor, cells: Sequence[Cell], start: Tensor, bptt: int) -> list[float]:
        """The mean cross-entropy of every cell over a text, shape (rows, B), from the hidden state ``start``."""
        rows = torch.stack([self._read(text, cell, start, bptt) for cell in cells]).tolist()
        words = [targets.numel() for _, targets in windows(text, bptt)]
        return [sum(loss * n for loss, n in zip(row, words, strict=True)) / sum(words) for row in rows]

    def _read(self, text: Tensor, cell: Cell, hidden: Tensor, bptt: int) -> Tensor:
        weights = self._layout.chosen(cell, hidden)
        losses = []
        for tokens, targets in windows(text, bptt):
            found = self._graphs(tokens, targets, hidden, weights)
            losses.append(found[0])
            hidden = found[1:].view_as(hidden)
        return torch.stack(losses)

    def _window(self, tokens: Tensor, targets: Tensor, hidden: Tensor, weights: Tensor) -> Tensor:
        """The loss and, behind it, the hidden state."""
        outputs = forward(self._cell, self._project(tokens), hidden, self._layout, None, weights)
        return torch.cat([self._cross_entropy(outputs, targets)[None], outputs[-1].flatten()])


_READERS: WeakKeyDictionary[LanguageModel, Reader] = WeakKeyDictionary()


def reader(model: LanguageModel) -> Reader:
    """The reader of a model, whose graphs are made once."""
    if model not in _READERS:
        _READERS[model] = Reader(model)
    return _READERS[model]
