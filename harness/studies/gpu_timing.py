"""What a call of something costs on a CUDA device: time, kernels, how much of the time the device works, memory."""

import time
from collections.abc import Callable
from typing import Any

import torch


def cost(work: Callable[[int], object], warm: int, times: int) -> dict[str, float]:
    """Of ``work(i)``, after ``warm`` calls of it.

    ``ms`` is the mean of ``times`` calls in a row, waited for once; ``kernels`` and ``busy_ms`` are those of one call
    under the profiler, ``gib`` the most memory allocated.
    """
    torch.cuda.reset_peak_memory_stats()
    start = time.monotonic()
    for i in range(warm):
        work(i)
    torch.cuda.synchronize()
    ready = time.monotonic() - start
    start = time.monotonic()
    for i in range(times):
        work(warm + i)
    torch.cuda.synchronize()
    each = 1000 * (time.monotonic() - start) / times
    gib = torch.cuda.max_memory_allocated() / 2**30
    kernels, busy = _profiled(lambda: work(warm + times))
    return {"ms": each, "kernels": kernels, "busy_ms": busy, "gib": gib, "set_up_s": ready}


def _profiled(work: Callable[[], object]) -> tuple[int, float]:
    """Kernels of one call, and the milliseconds that they take."""
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        work()
        torch.cuda.synchronize()
    rows: list[Any] = [row for row in profile.key_averages() if row.self_device_time_total > 0]
    return sum(row.count for row in rows), sum(row.self_device_time_total for row in rows) / 1000
