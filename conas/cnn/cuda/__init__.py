"""CNNs of cells on CUDA: fused kernels, of the one-shot model one program for every sub-network, captured once."""

from collections.abc import Callable
from typing import TypeVar

from conas import means
from conas.device import raise_fault

T = TypeVar("T")


def fused(what: str, build: Callable[[], T]) -> T | None:
    """The kernels for ``what``, which ``build`` makes of this package; None where they cannot be had, which is said.

    There may be no Triton, no kernel for an operation, or a GPU for which one does not compile: the modules of
    `conas.cnn` compute the same, but for the last bits. All kernels of a step work on the same buffers, so that one
    alone cannot be replaced.

    Raises:
        Exception: the device is full or has failed, see `conas.device.raise_fault`.
    """
    if not means.kernels():
        return None
    try:
        return build()
    except Exception as error:  # compilers and drivers fail in many ways
        raise_fault(error)
        means.replace(f"kernels for {what}", error)
        return None
