"""A network of cells as launches, and the buffers that they work on."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from conas.cnn.cuda import plan
from conas.cnn.cuda.cells import CellPlan, Wiring
from conas.cnn.cuda.plan import Bound, Launch, Map, Room, Term

PRECISIONS = {
    "ieee": (torch.float32, "ieee"),
    "float32": (torch.float32, "tf32x3"),
    "tf32": (torch.float32, "tf32"),
    "bf16": (torch.bfloat16, "tf32"),
}
"""Of activations, and of matrix products; sums and weights are float32. ``float32`` has three products on tensor cores
for each one of ``ieee``, to nearly the same bits."""


class CellNetwork:
    """The launches of cells, each of which reads the outputs of the two before it; the first two read the stem's.

    Args:
        cells: the cells in order.
        stem: the shape of the stem's output, (N, C, H, W).
        read: layers whose output is read by something other than cells.
    """

    def __init__(self, room: Room, cells: Sequence[Wiring], stem: Sequence[int], read: Sequence[int]) -> None:
        self.room, self.state, (count, channels, height, width) = room, room.state, stem
        self.stem = room.map(Map(0, 0, count, height, width, 0), channels)
        maps, self.cells = [self.stem, self.stem], list[CellPlan]()
        for cell in cells:
            self.cells.append(CellPlan(room, cell, maps[-2:]))
            maps.append(self.cells[-1].out)
        self.out = {layer: maps[layer + 2] for layer in read}
        if room.training:
            self._plan_backward(maps)

    def _plan_backward(self, maps: Sequence[Map]) -> None:
        """``maps[i + 2]`` is the output of layer ``i``; the first two are the stem's."""
        room, always = self.room, self.room.masks.computed()
        self.out_gradient = {layer: room.lasting(out) for layer, out in self.out.items()}
        self.stem_gradient = room.lasting(self.stem)
        terms: list[list[Term]] = [[] for _ in maps]
        for layer, gradient in self.out_gradient.items():
            terms[layer + 2].append(Term(always, gradient))
        for layer in reversed(range(len(self.cells))):
            for i, gradient in enumerate(self.cells[layer].backward(terms[layer + 2])):
                terms[layer + i].append(Term(always, gradient))
        plan.add(room, room.backward, [(always, self.stem_gradient, terms[0] + terms[1])])
        plan.complete(room)

    def allocate(self, dtype: torch.dtype, there: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """The buffers: those ``there`` that are large enough, else new ones, beside what the model keeps."""
        room, state, device, there = self.room, self.state, self.state.device, there or {}
        sizes = {"act": room.activations.size, "sta": room.statistics.size, "prt": room.sums.size}
        sizes |= {"dep": state.parameters.numel()}
        large = {name: there[name] for name, size in sizes.items() if name in there and there[name].numel() >= size}
        new = {
            name: torch.zeros(size, dtype=dtype if name == "act" else torch.float32, device=device)
            for name, size in sizes.items()
            if name not in large
        }
        kept = {"par": state.parameters, "grad": state.gradients, "run": state.running, "counts": state.counts}
        mask = torch.zeros(len(room.masks), dtype=torch.int32, device=device)
        return large | new | kept | {"mask": mask, "kept": torch.ones(1, device=device)}

    def use(self, buffers: Mapping[str, Tensor]) -> None:
        """Work on ``buffers``, as `allocate` makes them."""
        self.buffers = dict(buffers)
        self._tap_by_tap = self.state.tap_by_tap()
        self.read_weights()

    def read_weights(self) -> None:
        """Before a forward pass with new weights: lay depthwise ones out as the kernels read them."""
        torch.index_select(self.state.parameters, 0, self._tap_by_tap, out=self.buffers["dep"])

    def bound(self, launches: Sequence[Launch]) -> list[Bound]:
        """The launches on this network's buffers."""
        return [launch.bind(self.buffers, self.room.unit) for launch in launches]

    @property
    def forward(self) -> list[Launch]:
        """From the stem's output to that of the last cell."""
        return self.room.forward

    @property
    def backward(self) -> list[Launch]:
        """From the gradients of the outputs that are read to that of the stem's, and of all weights between them."""
        return self.room.backward

    def view(self, place: Map) -> Tensor:
        """A map as a tensor (N, C, H, W), in the activations' precision."""
        return place.view(self.buffers["act"])
