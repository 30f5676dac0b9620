"""What goes wrong with a CUDA device, in a line that says what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from conas.refusal import Refused


class DeviceFault(Refused):
    """A CUDA device has too little memory, or has failed. What was trained before is kept."""


@contextmanager
def told() -> Iterator[None]:
    """Inside, such an error is raised as a `DeviceFault`."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        smaller = "a smaller oneshot.batch_size or final.batch_size fits; final.accumulate=2 keeps the batch, in halves"
        raise DeviceFault(f"{_memory()}: {smaller}") from error
    except RuntimeError as error:
        first = str(error).splitlines()[0] if str(error) else ""
        if "CUDA error" not in first:
            raise
        raise DeviceFault(f"the device failed ({first}); the same command goes on from the last checkpoint") from error


def _memory() -> str:
    if not torch.cuda.is_available():
        return "out of memory on the device"
    free, whole = (amount / 2**30 for amount in torch.cuda.mem_get_info())
    return f"out of memory on {torch.cuda.get_device_name()}, {free:.1f} of {whole:.1f} GiB free"


def why_not() -> str:
    """Why CUDA cannot be used here: no device, a driver that is too old, a torch without it."""
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return str(error).partition(". ")[0].splitlines()[0]
    return "there is no such device"
