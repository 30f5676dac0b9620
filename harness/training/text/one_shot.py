"""The one-shot RNN: its training, and perplexities measured on it."""

import math
from collections.abc import Callable
from functools import partial
from importlib import import_module

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from conas.questions import OneShot
from conas.rnn.cell import kernels_work
from conas.rnn.language_model import Drops, OneShotRNN, Run, recurrent
from conas.rnn.measuring import RecurrentMeasurer, perplexity
from conas.sampling import RunningPolicy
from conas.seeds import derive, generator
from conas.space import Alpha
from harness.training.answers import answers
from harness.training.bptt import BpttTraining, PassOnTensors
from harness.training.policies import SAMPLED_SUBNETWORKS, PolicyTraining
from harness.training.text.task import TextTask


@answers(OneShot, task="text", stage="supernet", section="oneshot")
class OneShotTraining(PolicyTraining):
    """A new sub-network for every window of the training text (Algorithm 1, stage 1)."""

    def __init__(self, task: TextTask, question: OneShot) -> None:
        settings, seed = task.config.oneshot, task.config.seed
        model = task.one_shot_model("oneshot")
        policy = question.policy.start(task.space, derive(seed, "policy"))

        def draw(epoch: int, step: int) -> Alpha:
            return policy.draw(generator(seed, "subgraph", epoch, step))

        def plain(epoch: int, step: int, tokens: Tensor, hidden: Tensor, dropping: torch.Generator) -> Run:
            return model(tokens, hidden, draw(epoch, step), dropping)

        forward = (
            _on_tensors(model, settings.batch_size, draw) if kernels_work(task.device, task.space.operations) else plain
        )
        part, evaluate = derive(seed, "training", "oneshot"), partial(_sampled, task, model, policy)
        training = BpttTraining(model, settings, task.data.train, part, forward, evaluate, epochs=settings.epochs)
        super().__init__(training, policy, partial(TextMeasurer, task, model))


def _on_tensors(model: OneShotRNN, batch: int, drawn: Callable[[int, int], Alpha]) -> PassOnTensors:
    """The pass of sub-networks that are drawn by (epoch, step), with the same launches for all of them."""
    cuda = import_module("conas.rnn.cuda.cell")
    layout = cuda.every(model.space, model.cell.size)

    def draw(epoch: int, step: int, dropping: torch.Generator) -> tuple[Tensor, ...]:
        cell = recurrent(model.space.decode(drawn(epoch, step)))
        trained = torch.tensor([True, True, *cuda.trained(cell, model.space.nodes)], dtype=model.embedding.dtype)
        drops = model.draw(batch, dropping)
        return layout.chosen(cell, model.embedding), trained.to(model.embedding.device, non_blocking=True), *drops

    def forward(tokens: Tensor, hidden: Tensor, weights: Tensor, trained: Tensor, *drops: Tensor) -> Run:
        return cuda.run_chosen(model, tokens, hidden, weights, Drops(*drops))

    return PassOnTensors(draw, forward, lambda weights, trained, *drops: trained)


def _sampled(task: TextTask, model: OneShotRNN, policy: RunningPolicy) -> dict[str, float]:
    """The mean loss of a few sub-networks on the text of cheap measurements; nothing if all of them diverge.

    The random numbers behind them are always the same, so they are the same sub-networks in every epoch, unless the
    policy learns. Those that diverge are left out of the mean.
    """
    rng = generator(task.config.seed, "sampled sub-networks")
    alphas = np.stack([policy.draw(rng) for _ in range(SAMPLED_SUBNETWORKS)])
    losses = RecurrentMeasurer(model, task.cheap, task.config.measure.bptt).losses(alphas)
    finite = [loss for loss in losses if math.isfinite(perplexity(loss))]
    if not finite:
        return {}
    mean = sum(finite) / len(finite)
    return {"valid_loss": mean, "valid_perplexity": perplexity(mean)}


class TextMeasurer:
    """The perplexity, or the loss, of sub-networks of one trained one-shot RNN on validation text.

    Draw 0 is the text that cheap measurements share; any other is as many rows, from anywhere in the validation text.
    """

    def __init__(self, task: TextTask, model: OneShotRNN) -> None:
        self._task, self._model = task, model

    def measure(self, alphas: Alpha, draw: int, whole: bool) -> NDArray[np.float64]:
        """The perplexities or losses of ``alphas`` on the text number ``draw``, or on the ``whole`` validation text.

        Infinite for a sub-network that diverges, which is one whose perplexity is not a number or exceeds the ceiling.
        """
        text = self._task.whole if whole else self._text(draw)
        measurer = RecurrentMeasurer(self._model, text, self._task.config.measure.bptt)
        return np.array([self._figure(loss) for loss in measurer.losses(alphas)])

    def _text(self, draw: int) -> Tensor:
        whole, rows = self._task.whole, len(self._task.cheap)
        if not draw:
            return self._task.cheap
        first = int(generator(self._task.config.seed, "measuring", draw).integers(len(whole) - rows + 1))
        return whole[first : first + rows]

    def _figure(self, loss: float) -> float:
        settings = self._task.config.measure
        if not perplexity(loss) <= settings.ceiling:
            return math.inf
        return perplexity(loss) if settings.quantity == "perplexity" else loss
