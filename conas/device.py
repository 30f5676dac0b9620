"""What an error says of a CUDA device: that it is full, or that it has failed."""

import torch

_SOURCES = ("CUDA error", "CUDA driver error", "cuDNN error", "Triton Error [CUDA]")
_FULL = ("out of memory", "ALLOC_FAILED")


def is_fault(error: Exception) -> bool:
    """Whether a CUDA device, its driver or one of its libraries raised it."""
    lost = getattr(torch, "AcceleratorError", torch.OutOfMemoryError)  # older ones raise a RuntimeError
    said = isinstance(error, RuntimeError) and any(source in _line(error) for source in _SOURCES)
    return said or isinstance(error, (torch.OutOfMemoryError, lost))


def is_full(error: Exception) -> bool:
    """Whether it is a fault for want of memory, whichever library ran out of it."""
    said = is_fault(error) and any(full in _line(error) for full in _FULL)
    return said or isinstance(error, torch.OutOfMemoryError)


def raise_fault(error: Exception) -> None:
    """Before other calls take the place of those that failed with ``error``: is the device to blame?

    Raises:
        Exception: ``error`` itself if the device is full, perhaps by others: bits should not depend on that.
        torch.AcceleratorError: the device has failed, so nothing else would work there either.
    """
    if is_full(error):
        raise error
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()  # raises for good where a kernel has gone astray


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
