"""Layout of a small directed acyclic graph in columns, from left to right, with room for a label on every link.

The method is Sugiyama's: nodes get ranks by longest path; every link becomes a chain of items, one in each column that
it passes, one of which is its label; items are ordered within columns to avoid crossings; and heights are the exact
least-squares solution that keeps chains straight while items keep their distance. Everything is deterministic.
Lengths are in the caller's unit (`harness.pictures.cells` uses inches); y grows upwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from scipy.optimize import lsq_linear

SWEEPS = 24
STRAIGHTNESS = {0: 1.0, 1: 2.0, 2: 6.0}
"""How much a bend costs between two items, by how many of the two are not nodes (as in the program dot)."""


@dataclass(frozen=True)
class Link:
    """An arrow between two nodes; ``size`` is the width and height of its label, None for a bare arrow."""

    source: str
    target: str
    size: tuple[float, float] | None = None


@dataclass(frozen=True)
class Spacing:
    """Free space: below a node or label, beside a bare line, and on both sides of the labels of a column."""

    node: float
    line: float
    bend: float


@dataclass(frozen=True)
class Route:
    """Where a link passes: its points from left to right, and the centre of its label if it has one."""

    points: list[tuple[float, float]]
    label: tuple[float, float] | None


@dataclass(frozen=True)
class Layout:
    """Centres of the nodes, and the route of every link from its source's right side to its target's left side."""

    nodes: dict[str, tuple[float, float]]
    routes: list[Route]
    width: float
    height: float


@dataclass
class _Item:
    """What a column holds at one height: a node, a link's label or a bare piece of a link."""

    column: int
    width: float = 0.0
    height: float = 0.0
    is_node: bool = False
    before: list["_Item"] = field(default_factory=list)
    after: list["_Item"] = field(default_factory=list)
    order: int = 0
    y: float = 0.0


def arrange(nodes: Mapping[str, tuple[float, float]], links: Sequence[Link], spacing: Spacing) -> Layout:
    """Lay out ``nodes`` (name to width and height) and ``links``, which must go from earlier to later nodes."""
    ranks = _ranks(nodes, links)
    items = {name: _Item(2 * ranks[name], *size, is_node=True) for name, size in nodes.items()}
    chains = _chains(items, links)
    columns = _columns([*items.values(), *(item for chain in chains for item in chain[1:-1])])
    _order(columns)
    _place(columns, spacing)
    return _layout(items, chains, links, columns, spacing)


def _ranks(nodes: Mapping[str, tuple[float, float]], links: Sequence[Link]) -> dict[str, int]:
    ranks: dict[str, int] = {}
    for name in nodes:
        ranks[name] = max((ranks[link.source] + 1 for link in links if link.target == name), default=0)
    return ranks


def _chains(items: Mapping[str, _Item], links: Sequence[Link]) -> list[list[_Item]]:
    """Every link as its items from source to target; short links choose the column of their label first."""
    labels: dict[int, int] = {}
    chains: dict[int, list[_Item]] = {}
    for i in sorted(range(len(links)), key=lambda i: items[links[i].target].column - items[links[i].source].column):
        source, target = items[links[i].source], items[links[i].target]
        middle = [_Item(column) for column in range(source.column + 1, target.column)]
        if size := links[i].size:
            seat = min(middle[::2], key=lambda item: (labels.get(item.column, 0), item.column))
            seat.width, seat.height = size
            labels[seat.column] = labels.get(seat.column, 0) + 1
        chains[i] = [source, *middle, target]
        for left, right in pairwise(chains[i]):
            left.after.append(right)
            right.before.append(left)
    return [chains[i] for i in range(len(links))]


def _columns(items: list[_Item]) -> list[list[_Item]]:
    columns: list[list[_Item]] = [[] for _ in range(1 + max(item.column for item in items))]
    for item in items:
        item.order = len(columns[item.column])
        columns[item.column].append(item)
    return columns


def _order(columns: list[list[_Item]]) -> None:
    """Sweep to and fro, sorting each column by the mean position of its neighbours, and keep the best order seen."""
    best, fewest = [list(column) for column in columns], _crossings(columns)
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        for column in columns if forward else reversed(columns):
            column.sort(key=lambda item: _mean_order(item, item.before if forward else item.after))
            _number(column)
        _swap_neighbours(columns)
        if (crossings := _crossings(columns)) < fewest:
            best, fewest = [list(column) for column in columns], crossings
    columns[:] = best
    for column in columns:
        _number(column)


def _mean_order(item: _Item, neighbours: list[_Item]) -> float:
    return sum(other.order for other in neighbours) / len(neighbours) if neighbours else item.order


def _number(column: list[_Item]) -> None:
    for order, item in enumerate(column):
        item.order = order


def _crossings(columns: list[list[_Item]]) -> int:
    total = 0
    for column in columns:
        ends = [other.order for item in column for other in sorted(item.after, key=lambda other: other.order)]
        total += sum(first > second for i, first in enumerate(ends) for second in ends[i + 1 :])
    return total


def _swap_neighbours(columns: list[list[_Item]]) -> None:
    improved = True
    while improved:
        improved = False
        for column in columns:
            for i in range(len(column) - 1):
                upper, lower = column[i], column[i + 1]
                if _pair_crossings(lower, upper) < _pair_crossings(upper, lower):
                    column[i], column[i + 1] = lower, upper
                    upper.order, lower.order = i + 1, i
                    improved = True


def _pair_crossings(upper: _Item, lower: _Item) -> int:
    return sum(
        first.order > second.order
        for ours, theirs in ((upper.before, lower.before), (upper.after, lower.after))
        for first in ours
        for second in theirs
    )


def _place(columns: list[list[_Item]], spacing: Spacing) -> None:
    """Heights by bounded least squares: a column is its lowest item's height and the gaps above, bounded from below."""
    items = [item for column in columns for item in reversed(column)]
    index = {id(item): i for i, item in enumerate(items)}
    heights = np.zeros((len(items), len(items)))
    lower = np.full(len(items), -np.inf)
    for column in columns:
        upwards = [index[id(item)] for item in reversed(column)]
        for k, i in enumerate(upwards):
            heights[i, upwards[: k + 1]] = 1
            if k:
                lower[i] = _distance(items[i - 1], items[i], spacing)
    pairs = [(left, right) for left in items for right in left.after]
    rows = np.zeros((len(pairs), len(items)))
    for row, (left, right) in zip(rows, pairs, strict=True):
        weight = STRAIGHTNESS[(not left.is_node) + (not right.is_node)]
        row[index[id(left)]], row[index[id(right)]] = weight, -weight
    centred = 1e-3 * np.eye(len(items))
    system = np.vstack([rows, centred]) @ heights
    solution = lsq_linear(system, np.zeros(len(system)), (lower, np.inf), method="bvls" if len(items) < 60 else "trf")
    for item, y in zip(items, heights @ np.maximum(solution.x, lower), strict=True):
        item.y = round(float(y), 3)


def _distance(below: _Item, above: _Item, spacing: Spacing) -> float:
    free = [spacing.node if item.height else spacing.line for item in (below, above)]
    return (below.height + above.height + sum(free)) / 2


def _layout(
    items: Mapping[str, _Item],
    chains: list[list[_Item]],
    links: Sequence[Link],
    columns: list[list[_Item]],
    spacing: Spacing,
) -> Layout:
    flats = [max(item.width for item in column) for column in columns]
    widths = [flat + (2 * spacing.bend if i % 2 else 0) for i, flat in enumerate(flats)]
    centres = np.cumsum([0.0, *widths])[:-1] + np.array(widths) / 2
    everything = [item for column in columns for item in column]
    bottom = min(item.y - item.height / 2 for item in everything)
    top = max(item.y + item.height / 2 for item in everything)
    for item in everything:
        item.y -= bottom
    routes = [_route(chain, centres, flats, _port(chain, chains, 0), _port(chain, chains, -1)) for chain in chains]
    return Layout(
        {name: (float(centres[item.column]), item.y) for name, item in items.items()}, routes, sum(widths), top - bottom
    )


def _port(chain: list[_Item], chains: list[list[_Item]], end: int) -> float:
    """The height at which ``chain`` leaves its first node (``end`` 0) or enters its last one (-1)."""
    node, inner = chain[end], 1 if end == 0 else -2
    rivals = sorted((other[inner].y, i) for i, other in enumerate(chains) if other[end] is node)
    place = next(k for k, (_, i) in enumerate(rivals) if chains[i] is chain)
    return node.y + (place + 0.5) / len(rivals) * node.height * 0.8 - node.height * 0.4


def _route(chain: list[_Item], centres: np.ndarray, flats: list[float], leave: float, enter: float) -> Route:
    """The points of a link, level across the full width of every column so that it never touches what lies beside."""
    first, last = chain[0], chain[-1]
    points = [(float(centres[first.column]) + first.width / 2, leave)]
    for item in chain[1:-1]:
        x, flat = float(centres[item.column]), flats[item.column]
        points += [(x - flat / 2, item.y), (x + flat / 2, item.y)] if flat else [(x, item.y)]
    points.append((float(centres[last.column]) - last.width / 2, enter))
    label = next(((float(centres[item.column]), item.y) for item in chain[1:-1] if item.height), None)
    return Route(points, label)
