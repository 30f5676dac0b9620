"""The one-shot CNN on CUDA: one program of fused kernels for every sub-network, captured once."""

import warnings
from collections.abc import Callable
from functools import cache
from typing import TypeVar

import torch

from conas import means

T = TypeVar("T")


def fused(build: Callable[[], T]) -> T | None:
    """What ``build`` makes of this package, or None where it cannot be had, which is said in one line.

    There may be no Triton, no kernel for an operation, or a GPU for which one does not compile: the modules of
    `conas.cnn` compute the same, but for the last bits.

    Raises:
        torch.OutOfMemoryError: the device is full, perhaps by others: bits should not depend on that.
    """
    if not means.kernels():
        return None
    try:
        return build()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # compilers and drivers fail in many ways
        _warn(f"no fused kernels, so this is slower: {type(error).__name__}: {str(error).strip().splitlines()[:1]}")
        return None


@cache
def _warn(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=2)
