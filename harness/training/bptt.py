"""Training a language model by truncated back-propagation through time: the part that all trainings on text share."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from conas import means
from conas.graphs import loosely
from conas.rnn.language_model import Drops, FinalRNN, Run
from conas.rnn.measuring import perplexity
from conas.rnn.state import State, copy_, zero_
from conas.rnn.text_windows import Lengths, batchify, regularisation, window
from conas.torch_seeds import torch_generator
from harness.config.schema import TextTraining
from harness.training.captured_step import CapturedStep
from harness.training.updates import unshare

Forward = Callable[[int, int, Tensor, State, torch.Generator], Run]


@dataclass(frozen=True)
class PassOnTensors:
    """A model's pass in two parts, so that a GPU can have the second one as a whole.

    Attributes:
        draw: (epoch, step, generator of dropout masks) -> all that is random, as tensors.
        forward: (tokens, hidden, what was drawn) -> the pass.
        trained: (what was drawn) -> which parameters take part, see `harness.training.updates.update`; all if None.
            Torch's optimisers cannot leave others out, so such a step is a `CapturedStep` even where graphs are off.
    """

    draw: Callable[[int, int, torch.Generator], tuple[Tensor, ...]]
    forward: Callable[..., Run]
    trained: Callable[..., Tensor] | None = None

    def __call__(self, epoch: int, step: int, tokens: Tensor, hidden: Tensor, dropping: torch.Generator) -> Run:
        """The pass."""
        return self.forward(tokens, hidden, *self.draw(epoch, step, dropping))


def of_network(network: nn.Module, batch: int) -> Forward:
    """The pass of a language model of any kind over windows of ``batch`` columns; of cells, in two parts."""
    if not isinstance(network, FinalRNN):
        return lambda epoch, step, tokens, hidden, dropping: network(tokens, hidden, dropping)

    def forward(tokens: Tensor, hidden: Tensor, *drawn: Tensor) -> Run:
        return network.run_dropped(tokens, hidden, network.wiring, Drops(*drawn))

    return PassOnTensors(lambda epoch, step, dropping: network.draw(batch, dropping), forward)


class BpttTraining:
    """A trainee: ``model`` under SGD, window by window along parallel columns of a text.

    The hidden state starts at zero in every epoch and is carried from one window to the next. The training loss of an
    epoch is the mean over its windows: the words of a short one, the last one for instance, count for more.

    Args:
        words: the text, shape (N,).
        seed: decides the lengths of the windows and the dropout masks.
        forward: (epoch, step, tokens, hidden, generator of dropout masks) -> the model's pass; on CUDA, one that is
            `PassOnTensors` makes the step a graph.
        evaluate: the figures to record after an epoch.
        epochs: where to stop.
        parameters: what to train; all of the model if None.
    """

    def __init__(
        self,
        model: Any,
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
        self._text = batchify(words, settings.batch_size).to(next(model.parameters()).device)
        self._parameters = list(model.parameters()) if parameters is None else parameters
        self._optimizer: torch.optim.Optimizer = torch.optim.SGD(
            self._parameters, lr=settings.lr, weight_decay=settings.weight_decay
        )
        self._hidden = model.initial_hidden(settings.batch_size)
        self._lengths = Lengths(settings.bptt, settings.bptt_deviation, settings.bptt_short)
        self._windows = lru_cache(maxsize=1)(partial(self._lengths.epoch, len(self._text), seed))
        windows = self._windows
        self._count = cache(lambda epoch: len(windows(epoch)))
        self.captured: CapturedStep | None = None
        if self._text.is_cuda and isinstance(forward, PassOnTensors) and (means.graphs() or forward.trained):
            trained = None if forward.trained is None else loosely(self._trained)
            step = loosely(self._window)
            self.captured = CapturedStep(step, self._parameters, self._optimizer, settings.clip, trained)

    def steps(self, epoch: int) -> int:
        """The number of windows of an epoch."""
        return self._count(epoch)

    def step(self, epoch: int, step: int) -> float | Tensor:
        """Train on one window; its mean loss before the update. One that is not finite does not train; see `recover`.

        Where steps are captured, the loss lies on the device, and training goes on until it is read.
        """
        self._begin(epoch, step)
        tokens, targets = window(self._text, *self._windows(epoch)[step])
        dropping = self._dropping(epoch, step)
        if self.captured is not None and isinstance(self._forward, PassOnTensors):
            return self.captured(self._rate, tokens, targets, *self._forward.draw(epoch, step, dropping))
        self.model.zero_grad(set_to_none=True)
        run = self._forward(epoch, step, tokens, self._hidden, dropping)
        loss: Tensor = self.model.cross_entropy(run.scored, targets)
        value = loss.item()
        if math.isfinite(value):
            (loss + self._penalty(run)).backward()
            nn.utils.clip_grad_norm_(self._parameters, self._settings.clip)
            self._optimizer.step()
        copy_(self._hidden, run.hidden)  # not before: the backward pass may need the old one
        return value

    def _window(self, tokens: Tensor, targets: Tensor, *drawn: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """The loss of a window and its cross-entropy."""
        assert isinstance(self._forward, PassOnTensors)
        run = self._forward.forward(tokens, self._hidden.clone(), *drawn)
        copy_(self._hidden, run.hidden)
        loss: Tensor = self.model.cross_entropy(run.scored, targets)
        yield loss + self._penalty(run), loss

    def _trained(self, tokens: Tensor, targets: Tensor, *drawn: Tensor) -> Tensor:
        assert isinstance(self._forward, PassOnTensors)
        assert self._forward.trained is not None
        return self._forward.trained(*drawn)

    def _penalty(self, run: Run) -> Tensor:
        return regularisation(run.outputs, run.dropped, self._settings.activation, self._settings.temporal)

    def _begin(self, epoch: int, step: int) -> None:
        """Make hidden state, learning rate and mode those of a step; doing it again changes nothing."""
        if step == 0:
            zero_(self._hidden)
        self._rate = self._lengths.rate(self._whole_rate(epoch), self._windows(epoch)[step][1])
        self._optimizer.param_groups[0]["lr"] = self._rate
        if not self.model.training:
            self.model.train()

    def _whole_rate(self, epoch: int) -> float:
        """The learning rate of a window of ``bptt`` rows."""
        return self._settings.lr

    def _dropping(self, epoch: int, step: int) -> torch.Generator:
        return torch_generator(self._seed, "dropout", epoch, step, device=str(self._text.device))

    def tell(self, loss: float) -> str:
        """A mean loss as it is known for texts."""
        return f"perplexity {perplexity(loss):.1f}"

    def finish_epoch(self, epoch: int) -> dict[str, float]:
        """The figures to record after an epoch."""
        return self._evaluate()

    def state_dict(self) -> dict[str, Any]:
        """Weights, optimiser and hidden state."""
        return {"model": self.model.state_dict(), "optimizer": self._optimizer.state_dict(), "hidden": self._hidden}

    def weights(self) -> dict[str, Any]:
        """What is kept of a training that has ended."""
        return dict(self.model.state_dict())

    def load_weights(self, weights: dict[str, Any]) -> None:
        """The inverse of `weights`."""
        self.model.load_state_dict(weights)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.model.load_state_dict(state["model"])
        self._load_optimizer(state["optimizer"])
        copy_(self._hidden, state["hidden"])

    def _load_optimizer(self, state: dict[str, Any]) -> None:
        """Go on from the ``state`` of an optimiser of the same kind, whose steps were captured or not."""
        self._optimizer.load_state_dict(state)
        unshare(self._optimizer)
        self._renew()

    def _renew(self) -> None:
        """The optimiser, or its state, is another one now."""
        if self.captured is not None:
            self.captured.use(self._optimizer)

    def recover(self) -> bool:
        """Go back to where the loss was finite, if that is possible."""
        return False
