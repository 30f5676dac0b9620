"""What a call of something costs on a CUDA device: time, kernels, how much of the time the device works, memory."""

import time
from collections.abc import Callable
from typing import Any

import torch


def cost(work: Callable[[int], object], warm: int) -> dict[str, float]:
    """Of ``work(i)``, after ``warm`` calls of it.

    ``ms`` is the mean of as many calls in a row as take half a second, at most 100, waited for once; ``kernels`` and
    ``busy_ms`` are those of one call under the profiler, ``gib`` the most memory allocated.
    """
    torch.cuda.reset_peak_memory_stats()
    ready = _seconds(work, range(warm))
    times = min(100, max(3, int(0.5 / _seconds(work, range(warm, warm + 1)))))
    each = 1000 * _seconds(work, range(warm + 1, warm + 1 + times)) / times
    gib = torch.cuda.max_memory_allocated() / 2**30
    kernels, busy = _profiled(lambda: work(warm + 1 + times))
    return {"ms": each, "kernels": kernels, "busy_ms": busy, "gib": gib, "set_up_s": ready}


def _seconds(work: Callable[[int], object], numbers: range) -> float:
    """The time of some calls, until the device is done with them."""
    torch.cuda.synchronize()
    start = time.monotonic()
    for i in numbers:
        work(i)
    torch.cuda.synchronize()
    return time.monotonic() - start


def _profiled(work: Callable[[], object]) -> tuple[int, float]:
    """Kernels of one call, and the milliseconds that they take."""
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities, acc_events=True) as profile:
        work()
        torch.cuda.synchronize()
    rows: list[Any] = [row for row in profile.key_averages() if row.self_device_time_total > 0]
    return sum(row.count for row in rows), sum(row.self_device_time_total for row in rows) / 1000
