"""Work on a GPU as CUDA graphs: thousands of small kernels started as one, where Python would start them one by one."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, TypeVar
from weakref import WeakMethod

import torch
from torch import Tensor

from conas import means

_PLAIN_CALLS = 2
"""Calls before a shape is captured: what a library sets up on first use does not belong into a graph."""

Body = Callable[..., Tensor]
T = TypeVar("T")


class Graphs:
    """``body(*inputs)``, captured once for each combination of shapes that the inputs come in.

    The body computes from its inputs and from tensors that stay where they are, and may change the latter in place. It
    must not synchronise, draw random numbers or depend on anything else. Plain calls and replays run the same kernels
    on the same numbers, so a captured body has the bits of a plain one. On a CPU, and where CUDA cannot capture the
    body, which is said once, all calls are plain.

    Args:
        body: returns one tensor.

    Attributes:
        enabled: whether anything is captured from now on.
    """

    def __init__(self, body: Body) -> None:
        self._body, self.enabled = body, means.graphs()
        self._shapes: dict[tuple[torch.Size, ...], _Shape] = {}
        self._pool: Any = None

    def __call__(self, *inputs: Tensor) -> Tensor:
        """What the body returns for ``inputs``, a new tensor."""
        key = tuple(x.shape for x in inputs)
        if key not in self._shapes:
            self._shapes[key] = _Shape(self._body, inputs)
        shape = self._shapes[key]
        if self._due(shape, inputs[0].device):
            self._capture(shape)
        return shape(inputs)

    def clear(self) -> None:
        """Forget all graphs: something that the body uses lies elsewhere now."""
        self._shapes.clear()
        self._pool = None  # torch refuses a pool that no graph is left in

    @property
    def captured(self) -> int:
        """How many shapes are captured."""
        return sum(shape.graph is not None for shape in self._shapes.values())

    def _due(self, shape: "_Shape", device: torch.device) -> bool:
        return self.enabled and device.type == "cuda" and shape.graph is None and shape.calls == _PLAIN_CALLS

    def _capture(self, shape: "_Shape") -> None:
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()  # graphs that run one after the other can share their memory
        self.enabled = shape.capture(self._pool)


class _Shape:
    """The body for inputs of one shape, which are copied to where its graph reads them."""

    def __init__(self, body: Body, like: tuple[Tensor, ...]) -> None:
        self._body = body
        self._inputs = [torch.empty_like(x) for x in like]
        self.calls = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self._output: Tensor | None = None

    def __call__(self, inputs: tuple[Tensor, ...]) -> Tensor:
        for own, given in zip(self._inputs, inputs, strict=True):
            own.copy_(given, non_blocking=True)
        self.calls += 1
        if self.graph is None or self._output is None:
            return self._body(*self._inputs)
        self.graph.replay()
        return self._output.clone()

    def capture(self, pool: Any) -> bool:
        """Whether it is captured."""
        self.graph, self._output = captured(partial(self._body, *self._inputs), pool)
        return self.graph is not None


def loosely(method: Callable[..., T]) -> Callable[..., T]:
    """A bound method that does not keep its object alive.

    For what the object itself holds: in a circle, gigabytes stay on a device until Python looks for circles.
    """
    reference = WeakMethod(method)

    def call(*inputs: Any) -> T:
        bound = reference()
        assert bound is not None
        return bound(*inputs)

    return call


def _back_to_this_stream() -> AbstractContextManager[Any]:
    """A capture that fails as it begins would leave its own stream as the current one."""
    stream: AbstractContextManager[Any] = torch.cuda.stream(torch.cuda.current_stream())
    return stream


_UNFINISHED: list[torch.cuda.CUDAGraph | None] = []
"""Graphs whose capture failed: torch's allocator may go on asking them which streams are theirs."""


def captured(body: Callable[[], T], pool: Any = None) -> tuple[torch.cuda.CUDAGraph, T] | tuple[None, None]:
    """The graph of a body and what it returns; nothing where CUDA cannot capture it, which is said once.

    Nothing is computed while a graph is captured. The bits are those of plain calls, so a full device is no error here.

    Raises:
        torch.AcceleratorError: the device has failed.
    """
    graph = None
    try:
        graph = torch.cuda.CUDAGraph()
        with _back_to_this_stream(), torch.cuda.graph(graph, pool=pool):
            returned = body()
    except RuntimeError as error:
        _UNFINISHED.append(graph)
        torch.cuda.synchronize()
        means.replace("CUDA graphs", error)
        return None, None
    return graph, returned
