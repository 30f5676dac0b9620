"""A graph hypernetwork (Zhang et al., 2019): from the graph of a cell, the weights of its operations.

Vertices are a cell's nodes and its edges' operations. They exchange messages in the order of computation and back
again, a few rounds long; then, for every cell of the network, a decoder makes each active operation's weights of what
its vertex has become. The weights around the cells (stem, preprocessing, classifier) are learned as such, where Zhang
et al. predict all; normal and reduction cells have one graph each, and the places of cells in the network an embedding
each, where theirs pass messages from cell to cell.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from conas.cnn.one_shot import OneShotCNN
from conas.cnn.operations import default_initialisation
from conas.space import Alpha, Space

_DECODER = 64
"""Units of a decoder's hidden layer."""


class CellGraphs(nn.Module):
    """Vertices of ``units`` units that learn by ``rounds`` rounds of messages which graph they are part of."""

    def __init__(self, space: Space, units: int, rounds: int) -> None:
        super().__init__()
        self.space, self.rounds = space, rounds
        self.targets = range(space.inputs, space.inputs + space.nodes)
        self.operation = nn.Embedding(len(space.operations), units)
        self.node = nn.Embedding(space.inputs + 1, units)  # each input, and a sum
        self.message = nn.Sequential(nn.Linear(units, units), nn.ReLU(), nn.Linear(units, units))
        self.update = nn.GRUCell(units, units)

    def forward(self, alpha: Alpha) -> Tensor:
        """The vertices of all edges, shape (cells, edges of a cell, units), in the graph ``alpha``, shape (n,)."""
        on = self._active(alpha)
        cells, operations = len(self.space.cells), len(self.space.operations)
        kinds = [min(node, self.space.inputs) for node in range(self.targets.stop)]
        nodes = [self.node.weight[kind].expand(cells, -1) for kind in kinds]
        edges = {t: self.operation.weight.expand(cells, t, operations, -1) for t in self.targets}
        for _ in range(self.rounds):
            self._forwards(nodes, edges, on)
            self._backwards(nodes, edges, on)
        return torch.cat([edges[target].flatten(1, 2) for target in self.targets], dim=1)

    def _active(self, alpha: Alpha) -> dict[int, Tensor]:
        """Which edges into each node are active, shape (cells, sources, operations, 1)."""
        operations = len(self.space.operations)
        sizes = [target * operations for target in self.targets]
        like = self.node.weight
        bits = torch.from_numpy(np.asarray(alpha) > 0).to(like).reshape(len(self.space.cells), -1).split(sizes, dim=1)
        return {t: part.reshape(-1, t, operations, 1) for t, part in zip(self.targets, bits, strict=True)}

    def _forwards(self, nodes: list[Tensor], edges: dict[int, Tensor], on: dict[int, Tensor]) -> None:
        """Each operation hears of its source, then each node of the active operations into it."""
        for target in self.targets:
            sources = torch.stack(nodes[:target], dim=1)
            edges[target] = self._heard(edges[target], self.message(sources)[:, :, None].expand_as(edges[target]))
            sent = self.message(edges[target]) * on[target]
            nodes[target] = self.update(sent.sum(dim=(1, 2)), nodes[target])

    def _backwards(self, nodes: list[Tensor], edges: dict[int, Tensor], on: dict[int, Tensor]) -> None:
        """Each node hears of the active operations that read it, then the operations into it of the node."""
        for node in reversed(range(self.targets.stop)):
            readers = [target for target in self.targets if target > node]
            sent = [(self.message(edges[t][:, node]) * on[t][:, node]).sum(dim=1) for t in readers]
            if sent:
                nodes[node] = self.update(torch.stack(sent).sum(dim=0), nodes[node])
            if node in edges:
                edges[node] = self._heard(edges[node], self.message(nodes[node])[:, None, None].expand_as(edges[node]))

    def _heard(self, vertices: Tensor, messages: Tensor) -> Tensor:
        return self.update(messages.flatten(0, 2), vertices.flatten(0, 2)).view_as(vertices)


class GraphHypernetwork(nn.Module):
    """The sub-networks of ``skeleton``, with operations whose weights are predicted.

    Args:
        skeleton: its operations' own weights are not used.
        seed: decides the initial weights.
    """

    def __init__(self, skeleton: OneShotCNN, units: int, rounds: int, *, seed: int) -> None:
        super().__init__()
        self.skeleton = skeleton
        self._used = {name for name, _ in skeleton.named_parameters() if ".operations." not in name}
        with default_initialisation(seed):
            self.graphs = CellGraphs(skeleton.space, units, rounds)
            self.place = nn.Embedding(len(skeleton.layers), units)
            self.decoders = nn.ModuleDict()
            for cell in skeleton.layers:
                for edge, module in zip(cell.edges, cell.operations, strict=True):
                    self._add_decoder(edge.operation, module, 2 * units)

    def _add_decoder(self, operation: str, module: nn.Module, inputs: int) -> None:
        size = sum(parameter.numel() for parameter in module.parameters())
        if size and _key(operation, size) not in self.decoders:
            layers = nn.Linear(inputs, _DECODER), nn.ReLU(), nn.Linear(_DECODER, size)
            self.decoders[_key(operation, size)] = nn.Sequential(*layers)

    def trained(self) -> list[nn.Parameter]:
        """What is learned: all but the operations' own weights."""
        own = [parameter for name, parameter in self.skeleton.named_parameters() if name in self._used]
        return own + [p for part in (self.graphs, self.place, self.decoders) for p in part.parameters()]

    def predict(self, alpha: Alpha) -> dict[str, Tensor]:
        """The weights of the active operations of ``alpha``, shape (n,), by their names in the skeleton."""
        vertices = dict(zip(self.skeleton.space.cells, self.graphs(alpha), strict=True))
        active = self.skeleton.active(alpha)
        weights: dict[str, Tensor] = {}
        for layer, cell in enumerate(self.skeleton.layers):
            for i, on in enumerate(active[cell.kind]):
                if on:
                    seen = torch.cat([vertices[cell.kind][i], self.place.weight[layer]])
                    made = self._decoded(cell.edges[i].operation, cell.operations[i], seen)
                    weights |= {f"cells.{layer}.operations.{i}.{name}": value for name, value in made.items()}
        return weights

    def _decoded(self, operation: str, module: nn.Module, seen: Tensor) -> dict[str, Tensor]:
        """The weights of one operation; none if it has none."""
        shapes = {name: parameter.shape for name, parameter in module.named_parameters()}
        sizes = [shape.numel() for shape in shapes.values()]
        if not sizes:
            return {}
        parts = self.decoders[_key(operation, sum(sizes))](seen).split(sizes)
        return {name: _scaled(part.view(shapes[name])) for name, part in zip(shapes, parts, strict=True)}

    def with_weights(self, weights: dict[str, Tensor], images: Tensor, alpha: Alpha) -> Tensor:
        """Logits, shape (N, classes), for ``images`` (N, C, H, W), with weights that were predicted for ``alpha``."""
        logits: Tensor = functional_call(self.skeleton, weights, (images, alpha))
        return logits

    def forward(self, images: Tensor, alpha: Alpha) -> Tensor:
        """Logits, shape (N, classes), of the sub-network ``alpha``, shape (n,), with its predicted weights."""
        return self.with_weights(self.predict(alpha), images, alpha)


def _key(operation: str, size: int) -> str:
    return f"{operation} {size}"


def _scaled(weight: Tensor) -> Tensor:
    """By the root of 2 over the inputs of a unit, as initial weights are."""
    return weight * math.sqrt(2 / weight[0].numel())
