"""The loss of models on a text, window by window as CUDA graphs, read from the device once at the end."""

from collections.abc import Sequence
from functools import partial
from weakref import WeakKeyDictionary, ref

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
    """Reads texts with one model, which it does not keep alive; in evaluation mode, without gradients."""

    def __init__(self, model: LanguageModel) -> None:
        assert isinstance(model, OneShotRNN | FinalRNN)
        size = model.cell.size
        self._layout = every(model.space, size) if isinstance(model, OneShotRNN) else Layout(wire(model.wiring), size)
        self._model: ref[LanguageModel] = ref(model)
        self._start()

    def losses(self, text: Tensor, cells: Sequence[Cell], start: Tensor, bptt: int) -> list[float]:
        """The mean cross-entropy of every cell over a text, shape (rows, B), from the hidden state ``start``."""
        if self._places != _places(self._model):
            self._start()
        rows = torch.stack([self._read(text, cell, start, bptt) for cell in cells]).tolist()
        words = [targets.numel() for _, targets in windows(text, bptt)]
        return [sum(loss * n for loss, n in zip(row, words, strict=True)) / sum(words) for row in rows]

    def _start(self) -> None:
        """Begin without graphs: those of before read the weights where they are no longer."""
        self._places = _places(self._model)
        self._graphs = Graphs(partial(_window, self._model, self._layout))

    def _read(self, text: Tensor, cell: Cell, hidden: Tensor, bptt: int) -> Tensor:
        weights = self._layout.chosen(cell, hidden)
        losses = []
        for tokens, targets in windows(text, bptt):
            found = self._graphs(tokens, targets, hidden, weights)
            losses.append(found[0])
            hidden = found[1:].view_as(hidden)
        return torch.stack(losses)


def _window(
    model: ref[LanguageModel], layout: Layout, tokens: Tensor, targets: Tensor, hidden: Tensor, weights: Tensor
) -> Tensor:
    """The loss and, behind it, the hidden state."""
    alive = _alive(model)
    outputs = forward(alive.cell, alive.project(tokens), hidden, layout, None, weights)
    return torch.cat([alive.cross_entropy(outputs, targets)[None], outputs[-1].flatten()])


def _places(model: ref[LanguageModel]) -> list[tuple[int, torch.dtype]]:
    """Where the weights lie, and as what: a graph reads them there."""
    return [(parameter.data_ptr(), parameter.dtype) for parameter in _alive(model).parameters()]


def _alive(model: ref[LanguageModel]) -> LanguageModel:
    found = model()
    assert found is not None
    return found


_READERS: WeakKeyDictionary[LanguageModel, Reader] = WeakKeyDictionary()
"""Of models that are alive. A reader knows its model weakly and is in no cycle, so both, and the memory of the graphs,
are gone with the last use of the model."""


def reader(model: LanguageModel) -> Reader:
    """The reader of a model, whose graphs are made once, and anew when its weights have moved."""
    if model not in _READERS:
        _READERS[model] = Reader(model)
    return _READERS[model]
