"""A training step of the one-shot CNN on CUDA: one captured graph for every sub-network."""

import os
from math import gcd
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from conas.cnn.cuda import kernels, plan
from conas.cnn.cuda.cells import CellPlan
from conas.cnn.cuda.masks import HEAD, STEM, Masks
from conas.cnn.cuda.plan import Bound, Launch, Map, Room, Term
from conas.cnn.cuda.state import GROUP, FlatState
from conas.cnn.one_shot_plain import PlainOneShotCNN
from conas.space import Alpha

PRECISIONS = {
    "ieee": (torch.float32, "ieee"),
    "float32": (torch.float32, "tf32x3"),
    "tf32": (torch.float32, "tf32"),
    "bf16": (torch.bfloat16, "tf32"),
}
"""Of activations, and of matrix products; sums and weights are float32. ``float32`` has three products on tensor cores
for each one of ``ieee``, to nearly the same bits."""
_BLOCK = 1024


class Network:
    """The launches of a one-shot CNN for images (N, in_channels, H, W) and the buffers that they work on."""

    def __init__(self, model: PlainOneShotCNN, shape: tuple[int, int, int, int], precision: str, mode: str) -> None:
        dtype, dot = PRECISIONS[precision]
        self.model, self.state = model, FlatState(model)
        self._width = cast(nn.Conv2d, model.stem[0]).out_channels
        self._bits = {
            kind: [i for i, edge in enumerate(model.space.edges) if edge.cell == kind] for kind in model.space.cells
        }
        self.masks = Masks(model.layers, self._bits)
        self._room = Room(self.state, self.masks, mode, dot, gcd(16, self._width // 3))
        self._plan(shape)
        self.owners = self.state.owners(self._owners())
        self.buffers = self._allocate(dtype)

    def _plan(self, shape: tuple[int, int, int, int]) -> None:
        room, (count, _, height, width) = self._room, shape
        self.stem = room.map(Map(0, 0, count, height, width, 0), self._width)
        maps, self.cells = [self.stem, self.stem], list[CellPlan]()
        for cell in self.model.layers:
            self.cells.append(CellPlan(room, cell, maps[-2:], self._bits[cell.kind]))
            maps.append(self.cells[-1].out)
        self.out = maps[-1]
        if room.training:
            self._plan_backward(maps)

    def _plan_backward(self, maps: list[Map]) -> None:
        """``maps[i + 2]`` is the output of layer ``i``; the first two are the stem's."""
        room, always = self._room, self.masks.computed()
        self.out_gradient, self.stem_gradient = room.gradient(self.out), room.gradient(self.stem)
        terms: list[list[Term]] = [[] for _ in maps]
        terms[-1].append(Term(always, self.out_gradient))
        for layer in reversed(range(len(self.cells))):
            for i, gradient in enumerate(self.cells[layer].backward(terms[layer + 2])):
                terms[layer + i].append(Term(always, gradient))
        plan.add(room, room.backward, [(always, self.stem_gradient, terms[0] + terms[1])])
        room.backward.append(plan.weight_gradients(room))
        room.forward.append(plan.tracking(room))

    def _owners(self) -> dict[int, int]:
        masks = self.masks
        rows = {id(p): masks.trained(STEM) for p in self.model.stem.parameters()}
        rows |= {id(p): masks.trained(HEAD) for p in self.model.classifier.parameters()}
        for layer, cell in enumerate(self.cells):
            rows |= {id(p): masks.trained(layer, bits) for p, bits in cell.parameters()}
        return rows

    def _allocate(self, dtype: torch.dtype) -> dict[str, Tensor]:
        room, state, device = self._room, self.state, self.state.device
        return {
            "act": torch.zeros(room.activations.size, dtype=dtype, device=device),
            "sta": torch.zeros(room.statistics.size, device=device),
            "prt": torch.zeros(room.sums.size, device=device),
            "mask": torch.zeros(len(self.masks), dtype=torch.int32, device=device),
            "par": state.parameters,
            "grad": state.gradients,
            "run": state.running,
            "counts": state.counts,
        }

    def bound(self, launches: list[Launch]) -> list[Bound]:
        """The launches on this network's buffers."""
        return [launch.bind(self.buffers, self._room.unit) for launch in launches]

    @property
    def forward(self) -> list[Launch]:
        """From the stem's output to that of the last cell."""
        return self._room.forward

    @property
    def backward(self) -> list[Launch]:
        """From the gradient of the last cell's output to that of the stem's, and of all weights between them."""
        return self._room.backward


class OneShotStep:
    """SGD steps of ``model`` on minibatches of ``shape`` (N, in_channels, H, W), on the device that the model is on.

    Its parameters, momenta and running statistics become views of flat buffers: read them as ever, write them in place.
    Inactive operations are left alone, as an optimiser of torch leaves parameters without a gradient. A step whose
    loss is not finite, and every step after it, changes no parameter.
    """

    def __init__(
        self, model: PlainOneShotCNN, shape: tuple[int, int, int, int], *, momentum: float, weight_decay: float,
        clip: float, precision: str = "float32",
    ) -> None:  # fmt: skip
        self.network = Network(model, shape, precision, "train")
        self._model, state = model, self.network.state
        self._images = torch.zeros(shape, device=state.device)
        self._labels = torch.zeros(shape[0], dtype=torch.int64, device=state.device)
        self._lr = torch.zeros((), device=state.device)
        self._loss = torch.zeros((), device=state.device)
        self._healthy = torch.ones((), dtype=torch.int32, device=state.device)
        self._constants = {"momentum": momentum, "weight_decay": weight_decay, "clip": clip}
        self._forward, self._backward = (
            self.network.bound(self.network.forward),
            self.network.bound(self.network.backward),
        )
        self._update = self._bind_update()
        self._graph: Any = None

    def adopt(self, optimizer: torch.optim.Optimizer) -> None:
        """Train with the momenta of ``optimizer``, which stay its own; again after it loaded others."""
        self.network.state.adopt(optimizer)

    def step(self, images: Tensor, labels: Tensor, alpha: Alpha, lr: float) -> Tensor:
        """Train the sub-network ``alpha`` on one minibatch; its mean loss before the update, on the device."""
        self._fill(images, labels, self.network.masks.values(alpha), lr)
        if self._images.is_cuda:
            self._replay()
        else:
            self._compute()
        return self._loss.clone()

    def _fill(self, images: Tensor, labels: Tensor, mask: NDArray[np.int32], lr: float) -> None:
        self._images.copy_(images, non_blocking=True)
        self._labels.copy_(labels, non_blocking=True)
        self.network.buffers["mask"].copy_(torch.from_numpy(mask), non_blocking=True)
        self._lr.fill_(lr)

    def _replay(self) -> None:
        if self._graph is None:
            self._graph = self._capture()
        self._graph.replay()

    def _capture(self) -> Any:
        """A graph of the step. What the warm-up before it changes is put back."""
        state = self.network.state
        plan.compile_all([*self._forward, *self._backward, *self._update], os.cpu_count() or 1)
        kept = [state.parameters, state.momenta, state.running, state.counts, self._healthy]
        before = [tensor.clone() for tensor in kept]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._compute()
        torch.cuda.current_stream().wait_stream(stream)
        for tensor, old in zip(kept, before, strict=True):
            tensor.copy_(old)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._compute()
        return graph

    def _compute(self) -> None:
        network, model, act = self.network, self._model, self.network.buffers["act"]
        with torch.enable_grad():
            stem = model.stem(self._images)
        network.stem.view(act).copy_(stem.detach())
        for launch in self._forward:
            launch()
        out = network.out.view(act).float().requires_grad_()
        with torch.enable_grad():
            loss = F.cross_entropy(model.classifier(out.mean(dim=(2, 3))), self._labels)
        head = list(model.classifier.parameters())
        gradient, *own = torch.autograd.grad(loss, [out, *head])
        self._keep(head, own)
        network.out_gradient.view(act).copy_(gradient)
        for launch in self._backward:
            launch()
        first = list(model.stem.parameters())
        self._keep(first, torch.autograd.grad(stem, first, network.stem_gradient.view(act).to(stem.dtype)))
        self._loss.copy_(loss.detach())
        self._healthy.mul_(torch.isfinite(self._loss))
        for launch in self._update:
            launch()

    def _keep(self, parameters: list[nn.Parameter], gradients: Any) -> None:
        state = self.network.state
        for parameter, gradient in zip(parameters, gradients, strict=True):
            state.view(state.gradients, parameter).copy_(gradient)

    def _bind_update(self) -> list[Bound]:
        """Clipping and SGD, in two kernels."""
        state, network = self.network.state, self.network
        size = state.parameters.numel()
        blocks = -(-size // _BLOCK)
        buffers = network.buffers | {"mom": state.momenta, "healthy": self._healthy, "lr_at": self._lr}
        buffers |= {"owner": network.owners, "sums": torch.zeros(blocks, device=state.device)}
        sizes = {"SIZE": size, "B": _BLOCK, "GROUP": GROUP}
        squares = Launch(kernels.squares, (blocks, 1, 1), {}, sizes, warps=4)
        sgd = Launch(kernels.sgd, (blocks, 1, 1), {}, sizes | {"BLOCKS": blocks, "BB": 1024} | self._constants, warps=4)
        return [launch.bind(buffers, 1) for launch in (squares, sgd)]
