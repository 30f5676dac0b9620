"""Small networks that predict losses, several at once: what PNAS and BANANAS choose by."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from conas.seeds import generator
from conas.space import Array
from conas.torch_seeds import torch_generator

_TOGETHER = 4096
"""Strings predicted at a time, to save memory."""


@dataclass(frozen=True)
class Shape:
    """Multilayer perceptrons with rectifiers, and how they learn: Adam on the mean absolute error.

    Attributes:
        members: networks, each with weights and an order of the data of its own.
        layers: hidden ones.
        width: units of each.
        share: of the data, what each member learns from.
    """

    members: int
    layers: int
    width: int
    share: float
    epochs: int
    batch: int
    lr: float


class Ensemble:
    """Networks of one `Shape`, fitted to the finite ones of ``losses``, shape (k,), of the rows of ``inputs``,
    shape (k, n): bits, or what is made of them.

    Args:
        names: with ``seed``, they decide all that is random.

    Raises:
        ValueError: no finite loss.
    """

    def __init__(self, shape: Shape, inputs: NDArray[Any], losses: Array, seed: int, *names: str | int) -> None:
        finite = np.isfinite(losses)
        if not finite.any():
            raise ValueError(f"none of {len(losses)} losses is finite: nothing to learn from")
        known = losses[finite]
        self._centre = float(np.median(known))
        self._scale = float(np.abs(known - self._centre).mean()) or 1.0
        self._layers = _initial(shape, inputs.shape[1], torch_generator(seed, "ensemble", *names))
        known_inputs, targets = _tensor(inputs[finite]), _tensor((known - self._centre) / self._scale)
        self._fit(shape, known_inputs, targets, generator(seed, "ensemble data", *names))

    def predict(self, inputs: NDArray[Any]) -> Array:
        """Losses, shape (members, k), of the rows of ``inputs``, shape (k, n)."""
        members = len(self._layers[0][0])
        with torch.no_grad():
            parts = [self._forward(part.expand(members, -1, -1)) for part in _tensor(inputs).split(_TOGETHER)]
        return self._centre + self._scale * torch.cat(parts, dim=1).numpy()

    def _fit(self, shape: Shape, inputs: Tensor, targets: Tensor, rng: np.random.Generator) -> None:
        size = max(1, round(shape.share * len(targets)))
        own = np.stack([rng.permutation(len(targets))[:size] for _ in range(shape.members)])
        adam = torch.optim.Adam([x for layer in self._layers for x in layer], shape.lr, betas=(0.9, 0.99))
        for _ in range(shape.epochs):
            order = torch.from_numpy(rng.permuted(own, axis=1))
            for rows in order.split(shape.batch, dim=1):
                adam.zero_grad()
                (self._forward(inputs[rows]) - targets[rows]).abs().mean(dim=1).sum().backward()
                adam.step()

    def _forward(self, x: Tensor) -> Tensor:
        """The outputs, shape (members, k), for each member's ``x``, shape (members, k, n)."""
        *hidden, last = self._layers
        for weight, bias in hidden:
            x = torch.baddbmm(bias, x, weight).relu()
        return torch.baddbmm(last[1], x, last[0]).squeeze(2)


def _initial(shape: Shape, inputs: int, rng: torch.Generator) -> list[tuple[Tensor, Tensor]]:
    """Weights by Glorot and Bengio's uniform rule, shape (members, in, out), and biases of zero."""
    sizes: Sequence[int] = (inputs, *[shape.width] * shape.layers, 1)
    layers = []
    for fan_in, fan_out in pairwise(sizes):
        bound = (6 / (fan_in + fan_out)) ** 0.5
        drawn = torch.rand(shape.members, fan_in, fan_out, dtype=torch.float64, generator=rng)
        weight = (bound * (2 * drawn - 1)).requires_grad_()
        layers.append((weight, torch.zeros(shape.members, 1, fan_out, dtype=torch.float64, requires_grad=True)))
    return layers


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.asarray(array, dtype=np.float64))
