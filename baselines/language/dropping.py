"""Dropout of a language model, all of it drawn from one generator in the order of the calls."""

import torch
import torch.nn.functional as F
from torch import Tensor


class Dropping:
    """Draws factors, 0 or 1 / (1 - rate), and multiplies by them; without a generator it leaves everything as it is."""

    def __init__(self, generator: torch.Generator | None) -> None:
        self._generator = generator

    @classmethod
    def of(cls, training: bool, generator: torch.Generator | None) -> "Dropping":
        """For a model that is training or not.

        Raises:
            ValueError: it is training, and there is no generator.
        """
        if training and generator is None:
            raise ValueError("a language model in training mode needs a generator for its dropout masks")
        return cls(generator if training else None)

    def __call__(self, x: Tensor, rate: float, *shape: int) -> Tensor:
        """``x`` times factors of ``shape``, that of ``x`` if there is none; it broadcasts."""
        if self._generator is None or not rate:
            return x
        keep = torch.empty(shape or x.shape, device=x.device)
        return x * keep.bernoulli_(1 - rate, generator=self._generator).div_(1 - rate)

    def locked(self, x: Tensor, rate: float) -> Tensor:
        """A window (T, B, size) under one mask (B, size) for all its words."""
        return self(x, rate, 1, *x.shape[1:])

    def words(self, table: Tensor, tokens: Tensor, rate: float, apart: bool = False) -> Tensor:
        """The rows of ``table`` (words, size) for ``tokens`` (T, B), whole words dropped wherever they stand.

        ``apart``: every column of text drops words of its own.
        """
        embedded, columns = F.embedding(tokens, table), tokens.shape[1]
        if self._generator is None or not rate:
            return embedded
        factors = self(table.new_ones(len(table), columns if apart else 1), rate).expand(-1, columns)
        return embedded * factors[tokens, torch.arange(columns, device=tokens.device), None]
