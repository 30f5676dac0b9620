"""What the searches of DARTS have in common, on images and on text."""

import numpy as np
from numpy.typing import NDArray
from torch import nn

STEPS = {1: 4, 2: 12}
"""One step by the order of the gradient, in steps of the one-shot model: all edges instead of half, and one gradient or
five more."""


def shares(architecture: nn.ParameterDict) -> dict[str, NDArray[np.float64]]:
    """The softmax weights of every cell's edges, shape (edges, operations)."""
    return {cell: row.detach().cpu().double().softmax(-1).numpy() for cell, row in architecture.items()}
