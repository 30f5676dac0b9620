"""Dropout of a language model, all of it drawn from one generator in the order of the calls."""

import torch
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

    def words(self, table: Tensor, tokens: Tensor, rate: float) -> Tensor:
        """The rows of ``table`` (words, size) for ``tokens`` (T, B), whole words dropped wherever they stand."""
        ones = table.new_ones(len(table), 1)
        return table[tokens] * self(ones, rate)[tokens]

    def words_of_columns(self, table: Tensor, tokens: Tensor, rate: float) -> Tensor:
        """As `words`, but every column of text drops words of its own."""
        ones = table.new_ones(len(table), tokens.shape[1])
        return table[tokens] * self(ones, rate)[tokens, torch.arange(tokens.shape[1], device=tokens.device), None]
