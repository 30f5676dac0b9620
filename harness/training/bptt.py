"""Training a language model by truncated back-propagation through time: the part that all trainings on text share."""

import math
from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from conas.rnn.language_model import LanguageModel, Run
from conas.rnn.text_windows import Lengths, batchify, regularisation, window
from conas.seeds import torch_generator
from harness.config.schema import TextTraining

Forward = Callable[[int, int, Tensor, Tensor, torch.Generator], Run]


class BpttTraining:
    """A trainee: ``model`` under SGD, window by window along parallel columns of a text.

    The hidden state starts at zero in every epoch and is carried from one window to the next.

    Args:
        words: the text, shape (N,).
        seed: decides the lengths of the windows and the dropout masks.
        forward: (epoch, step, tokens, hidden, generator of dropout masks) -> the model's pass.
        evaluate: the figures to record after an epoch.
        epochs: where to stop.
        parameters: what to train; all of the model if None.
    """

    def __init__(
        self,
        model: LanguageModel,
        settings: TextTraining,
        words: Tensor,
        seed: int,
        forward: Forward,
        evaluate: Callable[[], dict[str, float]],
        *,
        epochs: int,
        parameters: list[nn.Parameter] | None = None,
    ) -> None:
        self.model, self.epochs = model, epochs
        self._settings, self._seed, self._forward, self._evaluate = settings, seed, forward, evaluate
        self._text = batchify(words, settings.batch_size).to(model.embedding.device)
        self._parameters = list(model.parameters()) if parameters is None else parameters
        self._optimizer: torch.optim.Optimizer = torch.optim.SGD(
            self._parameters, lr=settings.lr, weight_decay=settings.weight_decay
        )
        self._hidden = model.initial_hidden(settings.batch_size)
        self._lengths = Lengths(settings.bptt, settings.bptt_deviation, settings.bptt_short)
        self._windows = lru_cache(maxsize=1)(partial(self._lengths.epoch, len(self._text), seed))
        self._count = cache(lambda epoch: len(self._windows(epoch)))

    def steps(self, epoch: int) -> int:
        """The number of windows of an epoch."""
        return self._count(epoch)

    def step(self, epoch: int, step: int) -> float:
        """Train on one window; its mean loss before the update. A loss that is not finite changes no weight."""
        self._begin(epoch, step)
        self.model.zero_grad(set_to_none=True)
        tokens, targets = window(self._text, *self._windows(epoch)[step])
        run = self._forward(epoch, step, tokens, self._hidden, self._dropping(epoch, step))
        self._hidden = run.hidden
        loss = self.model.cross_entropy(run.dropped, targets)
        value = loss.item()
        if math.isfinite(value):
            penalty = regularisation(run.outputs, run.dropped, self._settings.activation, self._settings.temporal)
            (loss + penalty).backward()
            nn.utils.clip_grad_norm_(self._parameters, self._settings.clip)
            self._optimizer.step()
        return value

    def _begin(self, epoch: int, step: int) -> None:
        """Make hidden state, learning rate and mode those of a step; doing it again changes nothing."""
        if step == 0:
            self._hidden = torch.zeros_like(self._hidden)
        length = self._windows(epoch)[step][1]
        self._optimizer.param_groups[0]["lr"] = self._lengths.rate(self._settings.lr, length)
        self.model.train()

    def _dropping(self, epoch: int, step: int) -> torch.Generator:
        return torch_generator(self._seed, "dropout", epoch, step, device=self._hidden.device.type)

    def finish_epoch(self, epoch: int) -> dict[str, float]:
        """The figures to record after an epoch."""
        return self._evaluate()

    def state_dict(self) -> dict[str, Any]:
        """Weights, optimiser and hidden state."""
        return {"model": self.model.state_dict(), "optimizer": self._optimizer.state_dict(), "hidden": self._hidden}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._hidden = state["hidden"].to(self._hidden)
