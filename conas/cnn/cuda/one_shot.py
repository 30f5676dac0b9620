"""The one-shot CNN on CUDA: training steps and measurements, one captured graph for every sub-network."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from functools import cache
from math import gcd
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conas import means
from conas.cnn.cuda import kernels, plan
from conas.cnn.cuda.cells import CellPlan
from conas.cnn.cuda.masks import HEAD, STEM, Masks
from conas.cnn.cuda.plan import Bound, Launch, Map, Room, Term, UnsupportedError
from conas.cnn.cuda.state import GROUP, FlatState
from conas.cnn.one_shot_plain import PlainOneShotCNN
from conas.cnn.operations import batch_statistics
from conas.graphs import captured
from conas.space import Alpha

PRECISIONS = {
    "ieee": (torch.float32, "ieee"),
    "float32": (torch.float32, "tf32x3"),
    "tf32": (torch.float32, "tf32"),
    "bf16": (torch.bfloat16, "tf32"),
}
"""Of activations, and of matrix products; sums and weights are float32. ``float32`` has three products on tensor cores
for each one of ``ieee``, to nearly the same bits."""
_BLOCK, _IGNORED = 1024, -100


class Network:
    """The launches of a one-shot CNN for images (N, in_channels, H, W) and the buffers that they work on.

    Args:
        mode: ``train``, or for evaluation what norms normalise by: the ``running`` statistics, as they are now, or
            those of the ``batch``.

    Raises:
        UnsupportedError: there is no kernel for an operation, or a norm or a parameter is none of a one-shot CNN's.
    """

    def __init__(
        self, model: PlainOneShotCNN, state: FlatState, shape: Sequence[int], precision: str, mode: str
    ) -> None:
        dtype, dot = PRECISIONS[precision]
        self.model, self.state = model, state
        self._width = cast(nn.Conv2d, model.stem[0]).out_channels
        self._bits = {
            kind: [i for i, edge in enumerate(model.space.edges) if edge.cell == kind] for kind in model.space.cells
        }
        self.masks = Masks(model.layers, self._bits)
        self._room = Room(state, self.masks, mode, dot, gcd(16, self._width // 3))
        self._plan(shape)
        owners = {"owner": state.owners(self._owners())} if mode == "train" else {}
        self.buffers = self._allocate(dtype) | owners
        self._tap_by_tap = state.tap_by_tap()
        self.read_weights()
        if mode == "running":
            self._read_running()

    def read_weights(self) -> None:
        """Before a forward pass with new weights: lay depthwise ones out as the kernels read them."""
        torch.index_select(self.state.parameters, 0, self._tap_by_tap, out=self.buffers["dep"])

    def _plan(self, shape: Sequence[int]) -> None:
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
        for name, parameter in self.model.named_parameters():
            if id(parameter) not in rows:
                raise UnsupportedError(f"parameter {name}")
        return rows

    def _allocate(self, dtype: torch.dtype) -> dict[str, Tensor]:
        room, state, device = self._room, self.state, self.state.device
        return {
            "act": torch.zeros(room.activations.size, dtype=dtype, device=device),
            "sta": torch.zeros(room.statistics.size, device=device),
            "prt": torch.zeros(room.sums.size, device=device),
            "mask": torch.zeros(len(self.masks), dtype=torch.int32, device=device),
            "par": state.parameters,
            "dep": torch.zeros_like(state.parameters),
            "grad": state.gradients,
            "run": state.running,
            "counts": state.counts,
        }

    def _read_running(self) -> None:
        statistics, running = self.buffers["sta"], self.state.running
        for row in self._room.tracked:
            at, pad, count = row["norm_at"], row["pad_of"], row["channels"]
            statistics[at : at + count] = running[row["mean_at"] :][:count]
            statistics[at + pad : at + pad + count] = (running[row["variance_at"] :][:count] + plan.EPSILON).rsqrt()

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

    def view(self, place: Map) -> Tensor:
        """A map as a tensor (N, C, H, W), in the activations' precision."""
        return place.view(self.buffers["act"])


class OneShotStep:
    """SGD steps of ``model``, on the device that it is on, whatever the sub-network.

    Its parameters, momenta and running statistics become views of flat buffers: read them as ever, write them in place.
    Inactive operations are left alone, as an optimiser of torch leaves parameters without a gradient. A step whose
    loss is not finite, and every step after it, changes no parameter.
    """

    def __init__(
        self, model: PlainOneShotCNN, *, momentum: float, weight_decay: float, clip: float, precision: str = "float32"
    ) -> None:
        self._model, self._precision = model, precision
        self.state = FlatState(model)
        self._constants = {"momentum": momentum, "weight_decay": weight_decay, "clip": clip}
        self._healthy = torch.ones((), dtype=torch.int32, device=self.state.device)
        self._shapes: dict[torch.Size, _ShapedStep] = {}

    def adopt(self, optimizer: torch.optim.Optimizer) -> None:
        """Train with the momenta of ``optimizer``, which stay its own; again after it loaded others."""
        self.state.adopt(optimizer)
        self._healthy.fill_(1)

    def step(self, images: Tensor, labels: Tensor, alpha: Alpha, lr: float) -> Tensor:
        """Train the sub-network ``alpha`` on one minibatch; its mean loss before the update, on the device.

        The model is in training mode.
        """
        return self.prepared(images.shape)(images, labels, alpha, lr)

    def prepared(self, shape: torch.Size) -> "_ShapedStep":
        """The step for images of ``shape`` (N, in_channels, H, W), which has a graph and memory of its own."""
        if shape not in self._shapes:
            network = Network(self._model, self.state, shape, self._precision, "train")
            self._shapes[shape] = _ShapedStep(network, shape, self._healthy, self._constants)
        return self._shapes[shape]


class _ShapedStep:
    """The step for minibatches of one shape."""

    def __init__(self, network: Network, shape: Sequence[int], healthy: Tensor, constants: dict[str, float]) -> None:
        device = network.state.device
        self._network, self._healthy = network, healthy
        self._images = torch.zeros(tuple(shape), device=device)
        self._labels = torch.zeros(shape[0], dtype=torch.int64, device=device)
        self._lr, self._loss = torch.zeros((), device=device), torch.zeros((), device=device)
        self._forward, self._backward = network.bound(network.forward), network.bound(network.backward)
        launches, buffers = update(network, healthy, self._lr, constants)
        self._update = [launch.bind(buffers, 1) for launch in launches]
        self._replay = Replay([*self._forward, *self._backward, *self._update], self._changed())
        self._replay.prepare(self._compute)

    def __call__(self, images: Tensor, labels: Tensor, alpha: Alpha, lr: float) -> Tensor:
        mask = torch.from_numpy(self._network.masks.values(alpha))
        self._images.copy_(images, non_blocking=True)
        self._labels.copy_(labels, non_blocking=True)
        self._network.buffers["mask"].copy_(mask, non_blocking=True)
        self._lr.fill_(lr)
        self._replay(self._compute)
        return self._loss.clone()

    def _changed(self) -> list[Tensor]:
        state = self._network.state
        return [state.parameters, state.momenta, state.running, state.counts, self._healthy]

    def _compute(self) -> None:
        network, model = self._network, self._network.model
        with torch.enable_grad():
            stem = model.stem(self._images)
        network.view(network.stem).copy_(stem.detach())
        network.read_weights()
        _run(self._forward)
        out = network.view(network.out).float().requires_grad_()
        with torch.enable_grad():
            loss = F.cross_entropy(model.classifier(out.mean(dim=(2, 3))), self._labels)
        head, first = list(model.classifier.parameters()), list(model.stem.parameters())
        gradient, *own = torch.autograd.grad(loss, [out, *head])
        network.view(network.out_gradient).copy_(gradient)
        _run(self._backward)
        own += torch.autograd.grad(stem, first, network.view(network.stem_gradient).to(stem.dtype))
        self._keep([*head, *first], own)
        self._loss.copy_(loss.detach())
        self._healthy.mul_(torch.isfinite(self._loss))
        _run(self._update)

    def _keep(self, parameters: list[nn.Parameter], gradients: Sequence[Tensor]) -> None:
        state = self._network.state
        for parameter, gradient in zip(parameters, gradients, strict=True):
            state.view(state.gradients, parameter).copy_(gradient)


def update(
    network: Network, healthy: Tensor, lr: Tensor, constants: dict[str, float]
) -> tuple[list[Launch], dict[str, Tensor]]:
    """Clipping and SGD, in two kernels, and the buffers that they work on.

    Args:
        network: in training.
        healthy: int32, shape (); nothing changes where it is 0.
        lr: the learning rate, shape ().
        constants: ``momentum``, ``weight_decay`` and ``clip``, the largest norm of all gradients.
    """
    state = network.state
    size = state.parameters.numel()
    blocks = -(-size // _BLOCK)
    buffers = network.buffers | {"mom": state.momenta, "healthy": healthy, "lr_at": lr}
    buffers |= {"sums": torch.zeros(blocks, device=state.device)}
    sizes = {"SIZE": size, "B": _BLOCK, "GROUP": GROUP}
    squares = Launch(kernels.squares, (blocks, 1, 1), {}, sizes, warps=4)
    sgd = Launch(kernels.sgd, (blocks, 1, 1), {}, sizes | {"BLOCKS": blocks, "BB": 1024} | constants, warps=4)
    return [squares, sgd], buffers


class Evaluation:
    """Losses of sub-networks of ``model``, as it is now, on minibatches of ``shape`` (N, in_channels, H, W)."""

    def __init__(self, model: PlainOneShotCNN, shape: Sequence[int], precision: str, mode: str) -> None:
        model = deepcopy(model).eval()
        self._network = Network(model, FlatState(model), shape, precision, mode)
        device = self._network.state.device
        self._images, self._loss = torch.zeros(tuple(shape), device=device), torch.zeros((), device=device)
        self._labels = torch.zeros(shape[0], dtype=torch.int64, device=device)
        self._batch = mode == "batch"
        self._forward = self._network.bound(self._network.forward)
        self._replay = Replay(self._forward, [])
        self._replay.prepare(self._compute)

    @torch.no_grad()
    def losses(self, images: Tensor, labels: Tensor, alphas: Alpha) -> Tensor:
        """The sum of the cross-entropies of each of ``alphas``, shape (k, n): shape (k,), in float64, on the device.

        There may be fewer images than the shape says, unless norms look at the batch; labels of -100 do not count.
        """
        masks = torch.from_numpy(np.stack([self._network.masks.values(alpha) for alpha in alphas]))
        masks = masks.to(self._labels.device)
        self._images[: len(images)].copy_(images)
        self._labels.fill_(_IGNORED)
        self._labels[: len(labels)].copy_(labels)
        sums = torch.zeros(len(alphas), dtype=torch.float64, device=self._labels.device)
        for mask, total in zip(masks, sums, strict=True):
            self._network.buffers["mask"].copy_(mask)
            self._replay(self._compute)
            total.copy_(self._loss)
        return sums

    def _compute(self) -> None:
        network, model = self._network, self._network.model
        with torch.no_grad(), batch_statistics(model) if self._batch else nullcontext():
            network.view(network.stem).copy_(model.stem(self._images))
            _run(self._forward)
            logits = model.classifier(network.view(network.out).float().mean(dim=(2, 3)))
            self._loss.copy_(F.cross_entropy(logits, self._labels, reduction="sum", ignore_index=_IGNORED))


def _run(launches: Iterable[Bound]) -> None:
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
            self._warm_up(body)
            self._graph = captured(body)[0] if means.graphs() else None

    @property
    def _on_cuda(self) -> bool:
        return self._mask.is_cuda

    def _warm_up(self, body: Callable[[], None]) -> None:
        """Compute all its rows once: what a kernel does wrong is to show here, not in a step.

        What it changes is put back, also if it fails: training then goes on by other means.
        """
        before = [tensor.clone() for tensor in self._changed]
        self._mask.fill_(1)
        try:
            with _aside():
                body()
        finally:
            for tensor, old in zip(self._changed, before, strict=True):
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
