"""The launches of a cell, from its modules."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, cast

from torch import Tensor, nn

from conas.cnn.cuda import plan
from conas.cnn.cuda.plan import Block, Chain, Map, Norm, Pointwise, Pooled, Projection, Room, Term, UnsupportedError
from conas.cnn.operations import FactorizedReduce, NormalisedPool, ReLUConvNorm, Separable, SeparableTwice
from conas.space import Edge


@dataclass(frozen=True)
class Connection:
    """An edge, its operation, and the bits any of which makes it active: ``bits`` is None if it always is.

    ``kept`` is where the factors of its output are, see `plan.Norm`.
    """

    edge: Edge
    module: nn.Module
    bits: frozenset[int] | None = None
    kept: int = -1


@dataclass(frozen=True)
class Wiring:
    """A cell: what brings its two inputs to its width, the edges that add something, and what it returns.

    Nodes 0 and 1 are the inputs, ``nodes`` others follow, of which it returns ``returned`` side by side.
    """

    preprocess: Sequence[nn.Module]
    connections: Sequence[Connection]
    nodes: int
    returned: Sequence[int]
    reduce: bool

    def stride(self, source: int) -> int:
        """2 on the edges out of a reduction cell's two inputs."""
        return 2 if self.reduce and source < 2 else 1


def _weights(module: ReLUConvNorm | FactorizedReduce) -> list[Tensor]:
    """Of the convolutions whose results lie side by side: one, or two that stride."""
    match module:
        case FactorizedReduce():
            return [module.even.weight, module.odd.weight]
        case ReLUConvNorm():
            return [module.convolution.weight]


def any_of(connections: Iterable[Connection]) -> frozenset[int] | None:
    """The bits any of which activates one of the edges."""
    bits = [connection.bits for connection in connections]
    return None if None in bits else frozenset().union(*(some for some in bits if some is not None))


class CellPlan:
    """The launches of one cell whose inputs are the maps ``inputs``."""

    def __init__(self, room: Room, cell: Wiring, inputs: Sequence[Map]) -> None:
        self._room, self._cell = room, cell
        self._always = room.masks.computed()
        self._inner = range(2, 2 + cell.nodes)
        self._chains: list[tuple[Edge, Chain]] = []
        self._reductions: list[tuple[Edge, Projection]] = []
        self._pools: list[Pooled] = []
        self._terms: list[tuple[Edge, Term]] = []
        self._gradient_terms: list[tuple[Edge, Term]] = []
        self._forward(inputs)
        room.reuse()

    def _forward(self, inputs: Sequence[Map]) -> None:
        room = self._room
        self._preprocess = [
            self._projection(cast(Any, module), x, None, self._always)
            for module, x in zip(self._cell.preprocess, inputs, strict=True)
        ]
        self._place_nodes()
        self._project(self._preprocess)
        plan.statistics(room, [projection.norm for projection in self._preprocess])
        sums = zip(self._nodes[:2], self._preprocess, strict=True)
        self._add([(node, [Term(self._always, p.y, p.norm)]) for node, p in sums])
        for sources in self._steps():
            self._out_of(sources)
            target = sources[-1] + 1
            self._add([(self._nodes[target], [term for edge, term in self._terms if edge.target == target])])

    def _steps(self) -> list[list[int]]:
        """The nodes in the order in which their edges can be computed; the two inputs together."""
        return [[0, 1], *([node] for node in self._inner[:-1])]

    def _add(self, sums: Sequence[tuple[Map, Sequence[Term]]]) -> None:
        plan.add(self._room, self._room.forward, [(self._always, node, terms) for node, terms in sums])

    def _project(self, projections: Iterable[Projection]) -> None:
        plan.pointwise_forward(self._room, [block for p in projections for block in p.blocks])

    def _place_nodes(self) -> None:
        """Room for the nodes and their gradients; those that the cell returns lie side by side."""
        room, cell, inputs = self._room, self._cell, [p.y for p in self._preprocess]
        channels = inputs[0].channels
        self.out = room.map(inputs[0], len(cell.returned) * channels, cell.stride(0))
        self._first = {node: i * channels for i, node in enumerate(cell.returned)}
        self._nodes = [
            self.out.part(self._first[node], channels)
            if node in self._first
            else room.map(inputs[0], channels, 1 if node < 2 else cell.stride(0))
            for node in range(2 + cell.nodes)
        ]
        self._gradients = [*(p.g for p in self._preprocess), *(room.gradient(node) for node in self._nodes[2:])]

    def _out_of(self, sources: Sequence[int]) -> None:
        """All edges out of ``sources``, nodes of the same size."""
        room = self._room
        chains, reductions, pooled = [], [], []
        for connection in self._cell.connections:
            edge, module, mask = connection.edge, connection.module, room.masks.computed(connection.bits)
            if edge.source not in sources:
                continue
            match module:
                case Separable() | SeparableTwice():
                    chains.append(self._chain(edge, module, mask, connection.kept))
                case FactorizedReduce():
                    reductions.append(self._reduction(edge, module, mask, connection.kept))
                case NormalisedPool():
                    pooled.append(connection)
                case nn.Identity():
                    self._term(edge, Term(mask, self._nodes[edge.source]), Term(mask, self._gradients[edge.target]))
                case _:
                    raise UnsupportedError(f"operation {edge.operation}")
        pools = self._pools_of(pooled)
        plan.separable_forward(room, [chain.first for chain in chains])
        plan.pool_forward(room, pools)
        self._project(reductions)
        norms = [*(chain.first.norm for chain in chains), *(pool.norm for pool in pools)]
        plan.statistics(room, [*norms, *(reduction.norm for reduction in reductions)])
        seconds = [chain.last for chain in chains if len(chain.blocks) > 1]
        plan.separable_forward(room, seconds)
        plan.statistics(room, [block.norm for block in seconds])

    def _term(self, edge: Edge, term: Term, gradient: Term) -> None:
        self._terms.append((edge, term))
        self._gradient_terms.append((edge, gradient))

    def _chain(self, edge: Edge, module: Separable | SeparableTwice, mask: int, kept: int) -> Chain:
        modules = [module] if isinstance(module, Separable) else [module.first, module.second]
        target, x, before, blocks = self._gradients[edge.target], self._nodes[edge.source], None, list[Block]()
        gx = self._room.gradient(x)
        for separable in modules:
            last = separable is modules[-1]
            block = self._block(separable, mask, x, before, target if last else None, gx, kept if last else -1)
            blocks.append(block)
            x, before, gx = block.y, block.norm, block.g
        chain = Chain(blocks)
        self._chains.append((edge, chain))
        self._term(edge, Term(mask, x, before), Term(mask, chain.first.gx))
        return chain

    def _block(
        self, module: Separable, mask: int, x: Map, before: Norm | None, g: Map | None, gx: Map, kept: int
    ) -> Block:
        room = self._room
        y = room.map(x, x.channels, module.depthwise.stride[0])
        norm = room.norm(module.norm, y, mask, kept)
        return Block(module, mask, x, before, room.lasting(y), y, norm, g or room.gradient(y), room.gradient(y), gx)

    def _reduction(self, edge: Edge, module: FactorizedReduce, mask: int, kept: int) -> Projection:
        projection = self._projection(module, self._nodes[edge.source], self._gradients[edge.target], mask, kept)
        self._reductions.append((edge, projection))
        self._term(edge, Term(mask, projection.y, projection.norm), Term(mask, projection.gx))
        return projection

    def _projection(
        self, module: ReLUConvNorm | FactorizedReduce, x: Map, g: Map | None, mask: int, kept: int = -1
    ) -> Projection:
        room, weights = self._room, _weights(module)
        stride = len(weights)
        y = room.map(x, sum(len(weight) for weight in weights), stride)
        norm, g = room.norm(module.norm, y, mask, kept), g or room.gradient(y)
        gx = room.lasting(x, stride)
        blocks, first = [], 0
        for shift, weight in enumerate(weights):
            part = norm.part(first, len(weight))
            to, from_ = y.part(first, len(weight)), g.part(first, len(weight))
            blocks.append(Pointwise(weight, mask, x, shift, stride, to, part, from_, gx))
            first += len(weight)
        return Projection(blocks, y, norm, g, gx)

    def _pools_of(self, connections: Iterable[Connection]) -> list[Pooled]:
        """The pools out of nodes, each computed once for all edges that have it; not if their norms have weights."""

        def key(connection: Connection) -> tuple[int, str, int]:
            return connection.edge.source, connection.edge.operation, connection.kept

        groups = [list(group) for _, group in groupby(sorted(connections, key=key), key)]
        pools = [self._pool(group) for group in groups]
        self._pools += pools
        return pools

    def _pool(self, connections: Sequence[Connection]) -> Pooled:
        room, edge, module = self._room, connections[0].edge, connections[0].module
        assert isinstance(module, NormalisedPool)
        x, mask = self._nodes[edge.source], room.masks.computed(any_of(connections))
        y = room.map(x, x.channels, self._cell.stride(edge.source))
        shared, gx = room.shared_norm(y, mask), room.gradient(x)
        norms, g_terms = [], []
        for connection in connections:
            own, target = room.masks.computed(connection.bits), connection.edge.target
            assert isinstance(connection.module, NormalisedPool)
            norms.append(room.own_norm(connection.module.norm, shared, y, own, connection.kept))
            g_terms.append(Term(own, self._gradients[target]))
            self._terms.append((connection.edge, Term(own, y, norms[-1])))
        self._gradient_terms.append((edge, Term(mask, gx)))
        average = isinstance(module.pool, nn.AvgPool2d)
        norm = norms[0] if room.final else shared
        return Pooled(average, edge.source, mask, x, y, room.lasting(y), norm, room.gradient(y), gx, g_terms)

    def backward(self, terms: Sequence[Term]) -> list[Map]:
        """From the gradient of the output, the sum of ``terms``, to those of the two inputs."""
        for node in reversed(self._inner):
            self._complete({node: self._returned(node, terms)})
            self._into(node)
        self._complete({node: self._returned(node, terms) for node in (0, 1)})
        room, projections = self._room, self._preprocess
        plan.gradient_sums(room, [(p.norm, p.g, p.y) for p in projections])
        plan.gradient_statistics(room, [p.norm for p in projections])
        plan.pointwise_backward(room, [block for p in projections for block in p.blocks])
        return [p.gx for p in projections]

    def _returned(self, node: int, terms: Sequence[Term]) -> list[Term]:
        """Of the gradient of the output, the sum of ``terms``, what is the node's."""
        if node not in self._first:
            return []
        first, width = self._first[node], self._nodes[node].channels
        return [Term(term.mask, term.value.part(first, width)) for term in terms]

    def _complete(self, nodes: dict[int, list[Term]]) -> None:
        """The gradients of ``nodes``, when those of all their targets are there."""
        room, pools = self._room, [pool for pool in self._pools if pool.source in nodes]
        plan.add(room, room.backward, [(pool.mask, pool.g, pool.terms) for pool in pools])
        plan.gradient_sums(room, [(pool.norm, pool.g, pool.y) for pool in pools])
        plan.gradient_statistics(room, [pool.norm for pool in pools])
        plan.pool_backward(room, pools)
        sums = [
            (self._always, self._gradients[node], own + [t for edge, t in self._gradient_terms if edge.source == node])
            for node, own in nodes.items()
        ]
        plan.add(room, room.backward, sums)

    def _into(self, target: int) -> None:
        """All edges into ``target``, whose gradient is there."""
        room = self._room
        chains = [chain for edge, chain in self._chains if edge.target == target]
        reductions = [reduction for edge, reduction in self._reductions if edge.target == target]
        own = [(chain.last.norm, chain.last.g, chain.last.y) for chain in chains]
        plan.gradient_sums(room, own + [(r.norm, r.g, r.y) for r in reductions])
        plan.gradient_statistics(room, [norm for norm, _, _ in own] + [r.norm for r in reductions])
        longer = [chain for chain in chains if len(chain.blocks) > 1]
        plan.separable_backward(room, [chain.last for chain in longer])
        plan.gradient_statistics(room, [chain.first.norm for chain in longer], plan.STRIP)
        plan.separable_backward(room, [chain.first for chain in chains])
        plan.pointwise_backward(room, [block for r in reductions for block in r.blocks])
