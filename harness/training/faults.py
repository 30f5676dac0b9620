"""What goes wrong with a CUDA device, in a line that says what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from conas.device import is_fault, is_full
from conas.refusal import Refused
from harness.config.load import Config

_CONTINUES = "the same command goes on from the last checkpoint"


class DeviceFault(Refused):
    """A CUDA device has too little memory, or has failed. What was trained before is kept."""


@contextmanager
def device_faults(advice: str = _CONTINUES) -> Iterator[None]:
    """Inside, such an error is raised as a `DeviceFault`, with ``advice`` where the memory is full."""
    try:
        yield
    except RuntimeError as error:
        if not is_fault(error):
            raise
        if is_full(error):
            raise DeviceFault(f"{_memory()}: {advice}") from error
        line = (str(error).splitlines() or [""])[0]
        raise DeviceFault(f"the device failed ({line}); {_CONTINUES}") from error


def fitting(config: Config, section: str) -> str:
    """What to try when the work of a group of settings needs more memory than there is."""
    settings = getattr(config, section)
    batch, pieces = settings.batch_size, getattr(settings, "accumulate", None)
    if pieces is None:
        return f"{section}.batch_size={max(1, batch // 2)} takes about half of what {batch} does"
    return f"{section}.accumulate={2 * pieces} keeps the batch of {batch}, {-(-batch // (2 * pieces))} at a time"


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
