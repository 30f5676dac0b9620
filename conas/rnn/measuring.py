"""The validation loss of recurrent language models, and of many sub-networks of a one-shot model at a time."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from conas.genotype import Cell
from conas.rnn.cell import kernels_work
from conas.rnn.language_model import FinalRNN, LanguageModel, OneShotRNN, recurrent
from conas.rnn.text_windows import windows
from conas.space import Alpha


def perplexity(loss: float) -> float:
    """exp of a mean cross-entropy in nats; infinite where that overflows."""
    try:
        return math.exp(loss)
    except OverflowError:
        return math.inf


def evaluate(model: nn.Module, text: Tensor, bptt: int = 35) -> float:
    """The mean cross-entropy, in nats a predicted word, over a `batchify`-ed text, shape (rows, B).

    The hidden state starts at zero and is carried from one window of ``bptt`` rows to the next. The DARTS
    recipe validates with B = 10 and tests with B = 1. A model that diverges gives NaN or an infinite loss,
    returned as it is. One that is not a `FinalRNN` is a ``baselines.networks.WordModel``.
    """
    if isinstance(model, FinalRNN):
        return mean_losses(model, text, [model.wiring], bptt)[0]
    return _evaluate_any(model, text, bptt)


@torch.no_grad()
def _evaluate_any(model: Any, text: Tensor, bptt: int) -> float:
    model.eval()
    state, total, words = model.initial_hidden(text.shape[1]), 0.0, 0
    for tokens, targets in windows(text, bptt):
        run = model(tokens, state)
        state = run.hidden
        total += float(model.cross_entropy(run.scored, targets)) * targets.numel()
        words += targets.numel()
    return total / words


class RecurrentMeasurer:
    """f of section 3 on one fixed text: the mean cross-entropy of sub-networks, without repair or heuristic.

    A sub-network whose states overflow has the loss NaN or infinity, returned as it is and never clamped:
    whoever asks decides what a divergence counts for.

    Args:
        model: a trained one-shot model.
        text: a `batchify`-ed text, shape (rows, B). RSWS takes the whole validation set with B = 1024.
        bptt: rows in a window. It changes the speed, not the loss, as the hidden state is carried on.
    """

    def __init__(self, model: OneShotRNN, text: Tensor, bptt: int = 35) -> None:
        self.model = model
        self.text = text
        self.bptt = bptt

    def losses(self, alphas: Alpha) -> list[float]:
        """The loss of every encoder of ``alphas``, shape (k, n), in nats a predicted word."""
        cells = [recurrent(self.model.space.decode(alpha)) for alpha in alphas]
        return mean_losses(self.model, self.text, cells, self.bptt)


@torch.no_grad()
def mean_losses(model: LanguageModel, text: Tensor, cells: Sequence[Cell], bptt: int) -> list[float]:
    """The mean cross-entropy of every cell over a text, the input products being shared by all of them."""
    operations = {choice.operation for cell in cells for node in cell.nodes for choice in node}
    if isinstance(model, OneShotRNN | FinalRNN) and kernels_work(text.device, operations):
        with _evaluating(model):
            return _reader(model).losses(text, cells, model.initial_hidden(text.shape[1]), bptt)
    hidden = [model.initial_hidden(text.shape[1])] * len(cells)
    totals = [0.0] * len(cells)
    with _evaluating(model):
        for tokens, targets in windows(text, bptt):
            projected = model.project(tokens)
            for i, cell in enumerate(cells):
                outputs, hidden[i] = model.cell.recur(projected, hidden[i], cell)
                totals[i] += float(model.cross_entropy(outputs, targets)) * targets.numel()
    return [total / text[1:].numel() for total in totals]


def _reader(model: LanguageModel) -> Any:
    return import_module("conas.rnn.cuda.reading").reader(model)


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
