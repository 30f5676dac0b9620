"""A final network in training on CUDA: its cells in fused kernels, to torch one differentiable operation."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import gcd
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from conas.cnn.cuda import plan
from conas.cnn.cuda.cells import Connection, Wiring
from conas.cnn.cuda.masks import Masks
from conas.cnn.cuda.network import PRECISIONS, CellNetwork
from conas.cnn.cuda.plan import Room, UnsupportedError
from conas.cnn.cuda.replay import rehearse, run
from conas.cnn.cuda.state import FlatState
from conas.cnn.network import FinalNetwork
from conas.cnn.operations import Zero
from conas.cnn.sharing import entry
from conas.space import Edge

_SHARED = ("act", "sta", "prt", "dep")
"""Buffers that hold nothing from one pass to the next."""


class FusedFinal:
    """Trains ``model``, on the device that it is on, by kernels of a precision of `network.PRECISIONS`.

    Its parameters and running statistics become views of flat buffers: read them as ever, write them in place.
    """

    def __init__(self, model: FinalNetwork, precision: str) -> None:
        self._model, self._precision = model, precision
        self._state = FlatState(model)
        self._shapes: dict[torch.Size, FinalCells] = {}
        self._memory = Memory()

    @property
    def has_shapes(self) -> bool:
        """Whether anything is prepared."""
        return bool(self._shapes)

    def prepared(self, shape: torch.Size) -> "FinalCells":
        """What images of ``shape`` (N, in_channels, H, W) take; a shape has the memory of one before it that is larger.

        Raises:
            UnsupportedError: there is no kernel for something in the network.
            KernelError: a kernel cannot be compiled or started.
        """
        if shape not in self._shapes:
            cells = FinalCells(self._model, self._state, shape, self._precision, self._memory)
            cells.prepare()
            self._shapes[shape] = cells
        return self._shapes[shape]

    def train_forward(self, images: Tensor, keep: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """`FinalNetwork.train_forward`, of which one backward pass follows before the next is begun."""
        model, cells = self._model, self.prepared(images.shape)
        stem = entry(model.stem, images).value
        outputs = dict(zip(cells.out, _Pass.apply(cells, keep, stem, *cells.parameters), strict=True))
        early = None if model.auxiliary is None else F.relu(outputs[model.auxiliary_layer])
        return model.classified(outputs[len(model.layers) - 1], early)


@dataclass
class Memory:
    """What networks for several shapes share, and how many forward passes have worked on it."""

    buffers: dict[str, Tensor] = field(default_factory=dict)
    passes: int = 0


class FinalCells(CellNetwork):
    """The cells of a final network for images of one shape."""

    def __init__(
        self, model: FinalNetwork, state: FlatState, shape: Sequence[int], precision: str, memory: "Memory"
    ) -> None:
        dtype, dot = PRECISIONS[precision]
        width = model.width
        room = Room(state, Masks((), {}), "train", dot, gcd(16, width // 3), final=True)
        wirings = list(_wirings(model, shape[0]))
        read = [len(wirings) - 1] + ([] if model.auxiliary is None else [model.auxiliary_layer])
        super().__init__(room, wirings, (shape[0], width, *shape[2:]), read)
        self.memory = memory
        self._allocate(dtype, model.choices * shape[0])
        reached = _reached(wirings, read)
        self._reads_stem = min(reached) < 0
        self.parameters = [parameter for cell in model.layers for parameter in cell.parameters()]
        trained = {id(p) for layer in reached if layer >= 0 for p in _trained(wirings[layer])}
        self._trained = [id(parameter) in trained for parameter in self.parameters]
        self._forward, self._backward = self.bound(self.forward), self.bound(self.backward)

    def _allocate(self, dtype: torch.dtype, factors: int) -> None:
        own = self.allocate(dtype, self.memory.buffers)
        self.memory.buffers = {name: own[name] for name in _SHARED}
        own["mask"].fill_(1)
        self.use(own | {"kept": torch.ones(factors, device=self.state.device)})
        self._gaps = [self.view(gap) for gap in self.room.gaps]

    def prepare(self) -> None:
        """Compile the kernels and start each once."""
        launches = [*self._forward, *self._backward]
        plan.compile_all(launches, os.cpu_count() or 1)
        if self.state.device.type == "cuda":
            rehearse(lambda: run(launches), [self.state.running, self.state.counts])

    def forward_pass(self, stem: Tensor, keep: Tensor | None) -> tuple[Tensor, ...]:
        """The outputs that are read, from the stem's."""
        self.view(self.stem).copy_(stem)
        self.buffers["kept"].copy_(keep.flatten()) if keep is not None else self.buffers["kept"].fill_(1)
        self.read_weights()
        run(self._forward)
        self.memory.passes += 1
        return tuple(self.view(out).to(torch.float32, copy=True) for out in self.out.values())

    def backward_pass(self, gradients: Sequence[Tensor]) -> tuple[Tensor | None, list[Tensor | None]]:
        """From the gradients of these outputs to that of the stem's and to those of `parameters`."""
        for place, gradient in zip(self.out_gradient.values(), gradients, strict=True):
            self.view(place).copy_(gradient)
        for gap in self._gaps:
            gap.zero_()
        run(self._backward)
        state = self.state
        flat = state.gradients.clone()
        found = zip(self.parameters, self._trained, strict=True)
        stem = self.view(self.stem_gradient).to(torch.float32, copy=True) if self._reads_stem else None
        return stem, [state.view(flat, p) if own else None for p, own in found]


class _Pass(torch.autograd.Function):
    """The cells, from the stem's output to theirs."""

    @staticmethod
    def forward(
        ctx: Any, cells: FinalCells, keep: Tensor | None, stem: Tensor, *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        outputs = cells.forward_pass(stem, keep)
        ctx.cells, ctx.number = cells, cells.memory.passes
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.cells.memory.passes != ctx.number:
            raise RuntimeError("another forward pass has taken the memory that this backward pass reads")
        stem, others = ctx.cells.backward_pass(gradients)
        return None, None, stem, *others


def _wirings(model: FinalNetwork, images: int) -> Iterator[Wiring]:
    """The cells; every operation but an identity has factors of its own, one for each image."""
    choices = 0
    for layer in model.layers:
        connections = []
        choice_of = [(choice, target) for target, node in enumerate(layer.cell.nodes, 2) for choice in node]
        for (choice, target), module in zip(choice_of, layer.operations, strict=True):
            kept = -1 if isinstance(module, nn.Identity) else choices * images
            choices += kept >= 0
            if not isinstance(module, Zero):
                edge = Edge("", choice.source, target, choice.operation)
                connections.append(Connection(edge, module, None, kept))
        yield _checked(
            Wiring(list(layer.preprocess), connections, len(layer.cell.nodes), layer.cell.concat, layer.reduce)
        )


def _checked(cell: Wiring) -> Wiring:
    """The cell, in which all nodes are read.

    Raises:
        UnsupportedError: nothing reads one of them.
    """
    read = {*cell.returned, *(connection.edge.source for connection in cell.connections)}
    if not read >= set(range(2, 2 + cell.nodes)):
        raise UnsupportedError("a cell with a node that nothing reads")
    return cell


def _reached(cells: Sequence[Wiring], read: Sequence[int]) -> list[int]:
    """The layers that the outputs of ``read`` depend on; the stem is -2 to the first cell and -1 to the first two."""
    found = set(read)
    for layer in reversed(range(len(cells))):
        if layer in found:
            found |= {layer - 2 + source for source in _sources(cells[layer])}
    return sorted(found)


def _sources(cell: Wiring) -> set[int]:
    """The inputs that the cell reads or returns."""
    return {0, 1} & {*cell.returned, *(connection.edge.source for connection in cell.connections)}


def _trained(cell: Wiring) -> Iterator[nn.Parameter]:
    """The parameters that the output of the cell depends on."""
    for source in _sources(cell):
        yield from cell.preprocess[source].parameters()
    for connection in cell.connections:
        yield from connection.module.parameters()
