"""What pictures of cells have in common: colours, sizes of letters, the cell as nodes and named links."""

from functools import lru_cache

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.textpath import TextPath

from conas.genotype import Genotype

Arrow = tuple[str, str, str]
"""Source, target, and the operation or nothing."""
POINTS = 72.0
LABEL_SIZE, NODE_SIZE = 8.0, 10.0
MARGIN = 0.1
COLOURS = {
    "sep_conv_3x3": "#0173b2",
    "sep_conv_5x5": "#023858",
    "max_pool_3x3": "#d55e00",
    "avg_pool_3x3": "#a35c9a",
    "skip_connect": "#6e6e6e",
    "dil_conv_3x3": "#007a5a",
    "dil_conv_5x5": "#00482f",
    "tanh": "#0173b2",
    "relu": "#d55e00",
    "sigmoid": "#007a5a",
    "identity": "#6e6e6e",
}
"""Dark enough to be read in grey, and told apart by colour-blind readers; the labels say the same."""
OTHER = "#222222"
FILLS = {"input": "#cfe8cf", "node": "#cfe2f3", "output": "#f3e6b3"}


def graph(genotype: Genotype, name: str) -> tuple[dict[str, str], list[Arrow]]:
    """The cell's nodes with their roles, and its arrows."""
    cell = genotype.cells[name]
    if name == "recurrent":
        inputs, names, output = ["$x_{t}$", "$h_{t-1}$"], ["0"], "$h_{t}$"
        links = [(node, "0", "") for node in inputs]
    elif genotype.inputs == 2:
        inputs, names, output = ["$c_{k-2}$", "$c_{k-1}$"], ["$c_{k-2}$", "$c_{k-1}$"], "$c_{k}$"
        links = []
    else:
        inputs = names = [f"in {i}" if genotype.inputs > 1 else "in" for i in range(genotype.inputs)]
        output, links = "out", []
    first = 1 if name == "recurrent" else 0
    names = [*names, *(str(i + first) for i in range(len(cell.nodes)))]
    for target, node in zip(names[genotype.inputs :], cell.nodes, strict=True):
        links += [(names[choice.source], target, choice.operation) for choice in node]
    links += [(names[node], output, "") for node in cell.concat]
    roles = dict.fromkeys(inputs, "input") | dict.fromkeys((n for n in names if n not in inputs), "node")
    return roles | {output: "output"}, links


@lru_cache(maxsize=1024)
def text_size(text: str, points: float) -> tuple[float, float]:
    """Width and height of ``text`` in inches, with some room beside it."""
    extents = TextPath((0, 0), text, size=points).get_extents()
    return extents.width / POINTS + 0.08, points * 1.35 / POINTS


def operations(genotype: Genotype) -> list[str]:
    """The operations of all cells, in the order of `COLOURS`."""
    names = {choice.operation for cell in genotype.cells.values() for node in cell.nodes for choice in node}
    return [name for name in COLOURS if name in names] + sorted(names - COLOURS.keys())


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure with room for ``width`` x ``height`` inches from (0, 0), and a margin round it."""
    whole = width + 2 * MARGIN, height + 2 * MARGIN
    figure = Figure(figsize=whole)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-MARGIN, whole[0] - MARGIN), ylim=(-MARGIN, whole[1] - MARGIN))
    axes.axis("off")
    return figure, axes


def draw_node(axes: Axes, name: str, role: str, centre: tuple[float, float], size: tuple[float, float]) -> None:
    """Draw the box of a node with its name in it."""
    (x, y), (width, height) = centre, size
    box = FancyBboxPatch(
        (x - width / 2, y - height / 2),
        width,
        height,
        boxstyle="round,pad=0,rounding_size=0.06",
        facecolor=FILLS[role],
        edgecolor="#333333",
        linewidth=0.9,
        zorder=3,
    )
    axes.add_patch(box)
    axes.text(x, y, name, size=NODE_SIZE, ha="center", va="center_baseline", zorder=4)
