"""How a recurrent language model is trained: windows of text, regularisers and the switch to averaging.

Nothing here has a state; only `averaged_weights` overwrites parameters, for a while. The values are those of the
DARTS recipe (Liu et al., 2018b), which section 4.3 takes over. The loop around them: SGD of rate 20, scaled by the
window's length; gradients clipped to a norm of 0.25; weight decay 8e-7 at 850 units and 5e-7 at 300.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.optim import ASGD

from conas.seeds import generator


def batchify(tokens: Tensor, batch: int) -> Tensor:
    """A text of N word numbers as ``batch`` parallel columns, shape (N // batch, batch); the rest is cut off.

    Raises:
        ValueError: fewer than two rows, so that there is nothing to predict.
    """
    rows = len(tokens) // batch
    if rows < 2:
        raise ValueError(f"a text of {len(tokens)} words is too short for {batch} columns (needed: {2 * batch})")
    return tokens[: rows * batch].view(batch, rows).t().contiguous()


def window(text: Tensor, start: int, length: int) -> tuple[Tensor, Tensor]:
    """Words and the words that follow them, shape (length, B) each, from row ``start`` of a `batchify`-ed text."""
    return text[start : start + length], text[start + 1 : start + 1 + length]


def windows(text: Tensor, length: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The whole text in windows of ``length`` rows, the last one shorter: what evaluation reads."""
    last = len(text) - 1
    return (window(text, start, min(length, last - start)) for start in range(0, last, length))


@dataclass(frozen=True)
class Lengths:
    """How long a training window is, in rows.

    The DARTS recipe draws max(5, N(``bptt``, ``deviation``)) for final training, the mean halved with
    probability ``short``, at most ``bptt`` + 20; while searching it draws no deviation (``deviation`` 0):
    35 rows, or 17 with probability 0.05.
    """

    bptt: int = 35
    deviation: float = 5.0
    short: float = 0.05

    def draw(self, rng: np.random.Generator) -> int:
        """The length of one window."""
        mean = self.bptt / 2 if rng.random() < self.short else float(self.bptt)
        length = max(5, int(rng.normal(mean, self.deviation))) if self.deviation else max(1, int(mean))
        return min(length, self.bptt + 20)

    def epoch(self, rows: int, seed: int, epoch: int) -> list[tuple[int, int]]:
        """(start, length) of every window of an epoch over a text of ``rows`` rows; the last one is cut to fit."""
        rng = generator(seed, "windows", epoch)
        cuts: list[tuple[int, int]] = []
        start = 0
        while start < rows - 1:
            length = min(self.draw(rng), rows - 1 - start)
            cuts.append((start, length))
            start += length
        return cuts

    def rate(self, base: float, length: int) -> float:
        """The learning rate of a window of ``length`` rows, given that of a window of ``bptt`` rows."""
        return base * length / self.bptt


def regularisation(outputs: Tensor, dropped: Tensor, activation: float = 0.0, temporal: float = 1e-3) -> Tensor:
    """Activation and temporal activation regularisation (Merity et al., 2017) of a window's outputs (T, B, size).

    ``activation`` times the mean square of the outputs after dropout, and ``temporal`` times the mean square
    of the differences of successive outputs before it. The DARTS recipe: 0 and 1e-3.
    """
    penalty = outputs.new_zeros(())
    if activation:
        penalty = penalty + activation * dropped.square().mean()
    if temporal and len(outputs) > 1:
        penalty = penalty + temporal * (outputs[1:] - outputs[:-1]).square().mean()
    return penalty


def averaging_starts(history: Sequence[float], loss: float, patience: int = 5) -> bool:
    """Whether SGD gives way to averaged SGD, ``ASGD(t0=0, lambd=0)``, after an epoch of validation loss ``loss``.

    The non-monotone trigger of Merity et al. (2017), as in the DARTS recipe: there are more than ``patience``
    earlier losses in ``history``, and ``loss`` is worse than the best one that is older than the last ``patience``.
    """
    return len(history) > patience and loss > min(history[:-patience])


@contextmanager
def averaged_weights(optimizer: ASGD) -> Iterator[None]:
    """Inside, the parameters are the averages that ``optimizer`` has gathered; afterwards they are as before.

    Parameters that the optimiser has not moved yet stay as they are.
    """
    average = {parameter: state["ax"] for parameter, state in optimizer.state.items() if "ax" in state}
    current = {parameter: parameter.detach().clone() for parameter in average}
    _assign(average)
    try:
        yield
    finally:
        _assign(current)


@torch.no_grad()
def _assign(values: dict[Tensor, Tensor]) -> None:
    for parameter, value in values.items():
        parameter.copy_(value)
