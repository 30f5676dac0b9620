"""Launches run as one, and rehearsed before they count."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor

from conas import means
from conas.cnn.cuda import plan
from conas.cnn.cuda.plan import Bound
from conas.graphs import captured


def run(launches: Iterable[Bound]) -> None:
    """Start them, one after the other."""
    for launch in launches:
        launch()


class Replay:
    """A body, on CUDA as one graph. It is handed in with every call: kept, a method would keep its object alive, and
    with it gigabytes on the device, until Python looks for cycles.

    Args:
        launches: its kernels, to be compiled together.
        changed: what the body changes beside what it computes anew; put back after the warm-up.
    """

    def __init__(self, launches: Sequence[Bound], changed: Sequence[Tensor]) -> None:
        self._launches, self._changed = launches, changed
        self._mask: Tensor = launches[0].arguments["mask"]
        self._graph: Any = None

    def __call__(self, body: Callable[[], None]) -> None:
        """Compute it."""
        if self._graph is None:
            body()
        else:
            self._graph.replay()

    def prepare(self, body: Callable[[], None]) -> None:
        """Compile it and, on CUDA, capture it; if that cannot be, its kernels are started one by one.

        Raises:
            KernelError: one of them cannot be compiled or started.
            torch.AcceleratorError: one of them made the device fail.
        """
        plan.compile_all(self._launches, os.cpu_count() or 1)
        if self._on_cuda:
            self._mask.fill_(1)  # all rows
            rehearse(body, self._changed)
            self._graph = captured(body)[0] if means.graphs() else None

    @property
    def _on_cuda(self) -> bool:
        return self._mask.is_cuda


def rehearse(body: Callable[[], None], changed: Sequence[Tensor]) -> None:
    """Compute it once: what a kernel does wrong is to show here, not in a step.

    What it changes is put back, also if it fails: training then goes on by other means.
    """
    before = [tensor.clone() for tensor in changed]
    try:
        with _aside():
            body()
    finally:
        for tensor, old in zip(changed, before, strict=True):
            tensor.copy_(old)


@cache
def _side(device: int) -> torch.cuda.Stream:
    """One for all: cuBLAS keeps a workspace, 32 MiB where sums are deterministic, for every stream that it ever saw."""
    return torch.cuda.Stream(device)


@contextmanager
def _aside() -> Iterator[None]:
    """Inside, work is on a stream of its own, as is fit before a capture; it is waited for, so that its errors show."""
    stream = _side(torch.cuda.current_device())
    stream.wait_stream(torch.cuda.current_stream())
    try:
        with torch.cuda.stream(stream):
            yield
        stream.synchronize()
    finally:
        torch.cuda.current_stream().wait_stream(stream)
