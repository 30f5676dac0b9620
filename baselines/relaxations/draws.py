"""What rules draw: Gumbel noise, and choices that pass gradients on."""

import torch
from torch import Tensor


def gumbel(like: Tensor, generator: torch.Generator) -> Tensor:
    """Independent standard Gumbel noise of the shape, type and device of ``like``."""
    exponential = torch.empty(like.shape, dtype=torch.float64).exponential_(generator=generator)
    return -exponential.clamp_min(torch.finfo(torch.float64).tiny).log().to(like)


def straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    """``hard``, with the gradient of ``soft``."""
    return hard + (soft - soft.detach())


def one_hot(columns: Tensor, like: Tensor) -> Tensor:
    """1 in one column of each row and 0 elsewhere, in the shape of ``like``; ``columns`` has shape (rows,)."""
    return torch.zeros_like(like).scatter(-1, columns[:, None], 1.0)


def positive(choices: Tensor) -> list[bool]:
    """Which entries are above 0, row by row."""
    return [bool(choice) for choice in (choices > 0).flatten().tolist()]
