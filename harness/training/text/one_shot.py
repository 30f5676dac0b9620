"""The one-shot RNN: its training, and perplexities measured on it."""

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from conas.rnn.language_model import OneShotRNN, Run
from conas.rnn.measuring import RecurrentMeasurer, perplexity
from conas.sampling import Sampler
from conas.seeds import derive, generator
from conas.space import Alpha
from harness.config.schema import TextMeasure
from harness.training.bptt import BpttTraining

if TYPE_CHECKING:
    from harness.training.text.task import TextTask

_SAMPLED_SUBNETWORKS = 8


class OneShotTraining(BpttTraining):
    """A new sub-network for every window of the training text (Algorithm 1, stage 1)."""

    def __init__(self, task: "TextTask", sampler: Sampler) -> None:
        settings, seed = task.config.oneshot, task.config.seed
        model = task.one_shot_model("oneshot")

        def forward(epoch: int, step: int, tokens: Tensor, hidden: Tensor, dropping: torch.Generator) -> Run:
            alpha = sampler(task.space, generator(seed, "subgraph", epoch, step))
            return model(tokens, hidden, alpha, dropping)

        part = derive(seed, "training", "oneshot")
        super().__init__(model, settings, task.data.train, part, forward, self._sampled, epochs=settings.epochs)
        self._task, self._one_shot, self._sampler = task, model, sampler

    def _sampled(self) -> dict[str, float]:
        """The mean loss of a few sub-networks, always the same, on the text of cheap measurements; none diverging."""
        task = self._task
        rng = generator(task.config.seed, "sampled sub-networks")
        alphas = np.stack([self._sampler(task.space, rng) for _ in range(_SAMPLED_SUBNETWORKS)])
        losses = RecurrentMeasurer(self._one_shot, task.cheap, task.config.measure.bptt).losses(alphas)
        finite = [loss for loss in losses if math.isfinite(perplexity(loss))]
        if not finite:
            return {}
        mean = sum(finite) / len(finite)
        return {"valid_loss": mean, "valid_perplexity": perplexity(mean)}


class TextMeasurer:
    """The perplexity, or the loss, of sub-networks of one trained one-shot RNN on validation text."""

    def __init__(self, model: OneShotRNN, cheap: Tensor, whole: Tensor, settings: TextMeasure) -> None:
        self._settings = settings
        self._cheap, self._whole = (RecurrentMeasurer(model, text, settings.bptt) for text in (cheap, whole))

    def measure(self, alphas: Alpha, draw: int, whole: bool) -> NDArray[np.float64]:
        """The perplexities or losses of ``alphas`` on the text of cheap measurements, or on ``whole`` of it.

        Infinite for a sub-network that diverges, which is one whose perplexity is no number or above the ceiling.
        """
        return np.array([self._figure(loss) for loss in (self._whole if whole else self._cheap).losses(alphas)])

    def _figure(self, loss: float) -> float:
        if not perplexity(loss) <= self._settings.ceiling:
            return math.inf
        return perplexity(loss) if self._settings.quantity == "perplexity" else loss
