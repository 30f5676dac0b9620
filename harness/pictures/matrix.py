"""A cell with many edges as a matrix: a row for every pair of nodes, a column for every operation, filled where active.

Rows are grouped by the node that they lead to, whose box stands at their right; a dashed line names the nodes that lead
to a node without an operation.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from harness.pictures.looks import COLOURS, LABEL_SIZE, NODE_SIZE, OTHER, Arrow, canvas, draw_node, text_size

ROW, GAP, BESIDE, INSET = 0.2, 0.1, 0.08, 0.02
"""Inches: the height of a row, between groups of rows, beside names, and round the squares."""
HEAD = 0.3
EMPTY = "#efefef"


@dataclass(frozen=True)
class Group:
    """The rows that lead to one node: its possible sources, and the nodes that reach it without an operation."""

    target: str
    sources: list[str]
    bare: list[str]

    @property
    def rows(self) -> int:
        """How many rows they take."""
        return len(self.sources) + bool(self.bare)


@dataclass(frozen=True)
class Frame:
    """Where the columns lie, from the left, in inches."""

    operations: list[str]
    left: float
    column: float

    @property
    def right(self) -> float:
        """The right end of the last column."""
        return self.left + self.column * len(self.operations)

    def middle(self, operation: str) -> float:
        """The middle of a column."""
        return self.left + (self.operations.index(operation) + 0.5) * self.column


def matrix_picture(roles: Mapping[str, str], links: list[Arrow], operations: list[str]) -> Figure:
    """Draw which of ``operations`` lead from node to node; a number says how often, if more than once."""
    groups, counts = _groups(roles, links), Counter(links)
    width = max(text_size(name, NODE_SIZE)[0] for name in roles)
    box = max(text_size(group.target, NODE_SIZE)[0] for group in groups) + 2 * BESIDE
    column = max(text_size(line, LABEL_SIZE)[0] for name in operations for line in _head(name).split("\n"))
    frame = Frame(operations, width + BESIDE, column)
    top = sum(group.rows * ROW + GAP for group in groups) - GAP
    middle = frame.right + BESIDE + box / 2
    figure, axes = canvas(middle + box / 2, top + HEAD)
    heads = [(frame.middle(name), _head(name)) for name in operations]
    for x, text in [(frame.left - BESIDE - width / 2, "from"), *heads, (middle, "to")]:
        axes.text(x, top + INSET, text, size=LABEL_SIZE, ha="center", va="bottom", linespacing=1.1)
    for group in groups:
        _draw_group(axes, frame, group, counts, top)
        height = group.rows * ROW
        draw_node(axes, group.target, roles[group.target], (middle, top - height / 2), (box, height))
        top -= height + GAP
    return figure


def _groups(roles: Mapping[str, str], links: list[Arrow]) -> list[Group]:
    """Every node that something leads to, with the earlier nodes that lead anywhere by an operation."""
    senders = {source for source, _, operation in links if operation}
    receivers = {target for _, target, operation in links if operation}
    groups, order = [], list(roles)
    for place, target in enumerate(order):
        earlier = order[:place]
        sources = [name for name in earlier if name in senders and target in receivers]
        groups.append(Group(target, sources, [name for name in earlier if (name, target, "") in links]))
    return [group for group in groups if group.rows]


def _head(operation: str) -> str:
    """Its name on two lines, the size of the kernel on the second."""
    return "\n".join(operation.rsplit("_", 1))


def _draw_group(axes: Axes, frame: Frame, group: Group, counts: Counter[Arrow], top: float) -> None:
    for i, source in enumerate(group.sources):
        y = top - (i + 0.5) * ROW
        axes.text(frame.left - BESIDE, y, source, size=NODE_SIZE, ha="right", va="center_baseline")
        for operation in frame.operations:
            _draw_square(axes, frame, operation, y, counts[source, group.target, operation])
    if group.bare:
        y = top - (len(group.sources) + 0.5) * ROW
        axes.plot([frame.left, frame.right + BESIDE], [y, y], color="#9a9a9a", linewidth=0.8, linestyle=(0, (4, 2)))
        axes.text(
            (frame.left + frame.right) / 2,
            y,
            ",  ".join(group.bare),
            size=NODE_SIZE,
            ha="center",
            va="center_baseline",
            bbox={"boxstyle": "square,pad=0.2", "facecolor": "white", "edgecolor": "none"},
        )


def _draw_square(axes: Axes, frame: Frame, operation: str, y: float, count: int) -> None:
    x, width, height = frame.middle(operation), frame.column - 2 * INSET, ROW - 2 * INSET
    colour = COLOURS.get(operation, OTHER) if count else EMPTY
    axes.add_patch(Rectangle((x - width / 2, y - height / 2), width, height, facecolor=colour, edgecolor="none"))
    if count > 1:
        axes.text(x, y, f"{count}", size=LABEL_SIZE, ha="center", va="center_baseline", color="white")
