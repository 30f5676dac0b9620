"""The one-shot CNN on CUDA: training steps and measurements, one captured graph for every sub-network."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from copy import deepcopy
from math import gcd
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conas.cnn.cuda import kernels, plan
from conas.cnn.cuda.cells import Connection, Wiring, any_of
from conas.cnn.cuda.masks import HEAD, STEM, Masks
from conas.cnn.cuda.network import PRECISIONS, CellNetwork
from conas.cnn.cuda.plan import Launch, Room, UnsupportedError
from conas.cnn.cuda.replay import Replay, run
from conas.cnn.cuda.state import GROUP, FlatState
from conas.cnn.one_shot_plain import OneShotCell, PlainOneShotCNN
from conas.cnn.operations import Zero, batch_statistics
from conas.space import Alpha

_BLOCK, _IGNORED = 1024, -100


class Network(CellNetwork):
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
        self.model, width = model, cast(nn.Conv2d, model.stem[0]).out_channels
        bits = {
            kind: [i for i, edge in enumerate(model.space.edges) if edge.cell == kind] for kind in model.space.cells
        }
        self.masks = Masks(model.layers, bits)
        self._wirings = [_wiring(cell, bits[cell.kind]) for cell in model.layers]
        room = Room(state, self.masks, mode, dot, gcd(16, width // 3))
        super().__init__(room, self._wirings, (shape[0], width, *shape[2:]), [self.last])
        owners = {"owner": state.owners(self._owners())} if mode == "train" else {}
        self.use(self.allocate(dtype) | owners)
        if mode == "running":
            self._read_running()

    @property
    def last(self) -> int:
        """The layer that the classifier reads."""
        return len(self._wirings) - 1

    def _owners(self) -> dict[int, int]:
        masks = self.masks
        rows = {id(p): masks.trained(STEM) for p in self.model.stem.parameters()}
        rows |= {id(p): masks.trained(HEAD) for p in self.model.classifier.parameters()}
        for layer, cell in enumerate(self._wirings):
            rows |= {id(p): masks.trained(layer, bits) for p, bits in _parameters(cell)}
        for name, parameter in self.model.named_parameters():
            if id(parameter) not in rows:
                raise UnsupportedError(f"parameter {name}")
        return rows

    def _read_running(self) -> None:
        statistics, running = self.buffers["sta"], self.state.running
        for row in self.room.tracked:
            at, pad, count = row["norm_at"], row["pad_of"], row["channels"]
            statistics[at : at + count] = running[row["mean_at"] :][:count]
            statistics[at + pad : at + pad + count] = (running[row["variance_at"] :][:count] + plan.EPSILON).rsqrt()


def _wiring(cell: OneShotCell, bits: Sequence[int]) -> Wiring:
    """The cell, whose edge ``i`` has the bit ``bits[i]``."""
    connections = [
        Connection(edge, module, frozenset([bit]))
        for edge, module, bit in zip(cell.edges, cell.operations, bits, strict=True)
        if not isinstance(module, Zero)  # which adds nothing and passes no gradient
    ]
    return Wiring(list(cell.preprocess), connections, cell.nodes, range(2, 2 + cell.nodes), cell.reduce)


def _parameters(cell: Wiring) -> Iterator[tuple[nn.Parameter, frozenset[int]]]:
    """Each parameter with the bits any of which gives it a gradient."""
    for source, module in enumerate(cell.preprocess):
        bits = any_of(connection for connection in cell.connections if connection.edge.source == source)
        yield from ((parameter, bits or frozenset()) for parameter in module.parameters())
    for connection in cell.connections:
        yield from ((parameter, connection.bits or frozenset()) for parameter in connection.module.parameters())


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
        run(self._forward)
        out = network.view(network.out[network.last]).float().requires_grad_()
        with torch.enable_grad():
            loss = F.cross_entropy(model.classifier(out.mean(dim=(2, 3))), self._labels)
        head, first = list(model.classifier.parameters()), list(model.stem.parameters())
        gradient, *own = torch.autograd.grad(loss, [out, *head])
        network.view(network.out_gradient[network.last]).copy_(gradient)
        run(self._backward)
        own += torch.autograd.grad(stem, first, network.view(network.stem_gradient).to(stem.dtype))
        self._keep([*head, *first], own)
        self._loss.copy_(loss.detach())
        self._healthy.mul_(torch.isfinite(self._loss))
        run(self._update)

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
            run(self._forward)
            logits = model.classifier(network.view(network.out[network.last]).float().mean(dim=(2, 3)))
            self._loss.copy_(F.cross_entropy(logits, self._labels, reduction="sum", ignore_index=_IGNORED))
