"""Pictures of cells as the paper's figures 3 and 5-13 draw them: inputs left, output right, an arrow for every edge.

Drawn by matplotlib alone, so no graph program has to be installed; the same genotype gives the same bytes.
"""

from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Curve
from matplotlib.textpath import TextPath
from scipy.interpolate import pchip_interpolate

from conas.genotype import Genotype
from conas.names import unknown
from harness.pictures.layout import Layout, Link, Route, Spacing, arrange
from harness.records.files import write_atomic

POINTS = 72.0
LABEL_SIZE, NODE_SIZE = 8.0, 10.0
SPACING = Spacing(node=0.13, line=0.13, bend=0.32)
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
FILLS = {"input": "#cfe8cf", "node": "#cfe2f3", "output": "#f3e6b3"}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "path",
    "svg.hashsalt": "conas",
    "pdf.fonttype": 3,
    "font.family": "DejaVu Sans",
}
METADATA: dict[str, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def draw_cells(genotype: Genotype, folder: Path, formats: tuple[str, ...] = ("svg", "png")) -> list[Path]:
    """Draw every cell of ``genotype`` to ``folder``/cell_NAME.FORMAT; the files written."""
    return [path for name in genotype.cells for path in draw_cell(genotype, name, folder / f"cell_{name}", formats)]


def draw_cell(genotype: Genotype, name: str, stem: Path, formats: tuple[str, ...] = ("svg", "png")) -> list[Path]:
    """Draw one cell to ``stem``.FORMAT for every format (svg, png, pdf); the files written.

    Raises:
        ValueError: the genotype has no such cell.
        OSError: the files cannot be written.
    """
    if name not in genotype.cells:
        raise ValueError(unknown("cell", name, genotype.cells))
    with rc_context(STYLE):
        figure = _figure(genotype, name)
        contents = {kind: _render(figure, kind) for kind in formats}
    paths = {kind: stem.parent / f"{stem.name}.{kind}" for kind in formats}
    for kind, path in paths.items():
        write_atomic(path, contents[kind])
    return list(paths.values())


def _render(figure: Figure, kind: str) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format=kind, dpi=160, metadata=METADATA[kind])
    return buffer.getvalue()


def _figure(genotype: Genotype, name: str) -> Figure:
    roles, links = _graph(genotype, name)
    texts = [text for _, _, text in links]
    layout = arrange(
        {node: _node_size(node, links) for node in roles},
        [Link(source, target, _text_size(text, LABEL_SIZE) if text else None) for source, target, text in links],
        SPACING,
    )
    width, height = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-MARGIN, width - MARGIN), ylim=(-MARGIN, height - MARGIN))
    axes.axis("off")
    for text, route in zip(texts, layout.routes, strict=True):
        _draw_link(axes, text, route)
    _draw_nodes(axes, roles, layout, links)
    return figure


def _graph(genotype: Genotype, name: str) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
    """The cell's nodes with their roles, and its arrows (source, target, operation or nothing)."""
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
def _text_size(text: str, points: float) -> tuple[float, float]:
    extents = TextPath((0, 0), text, size=points).get_extents()
    return extents.width / POINTS + 0.08, points * 1.35 / POINTS


def _node_size(name: str, links: list[tuple[str, str, str]]) -> tuple[float, float]:
    """Width and height of a node's box, high enough for the heads of its arrows."""
    width, height = _text_size(name, NODE_SIZE)
    arrows = max(sum(source == name for source, _, _ in links), sum(target == name for _, target, _ in links))
    return max(width + 0.12, 0.3), max(height + 0.1, 0.14 * arrows)


def _draw_link(axes: Axes, text: str, route: Route) -> None:
    colour = COLOURS.get(text, "#222222") if text else "#9a9a9a"
    axes.add_patch(
        FancyArrowPatch(
            path=_curve(route.points),
            arrowstyle="-|>,head_length=3.2,head_width=1.5",
            mutation_scale=1.6,
            linewidth=1.15 if text else 0.8,
            linestyle="-" if text else (0, (4, 2)),
            color=colour,
            zorder=1,
        )
    )
    if route.label:
        axes.text(
            *route.label,
            text,
            size=LABEL_SIZE,
            ha="center",
            va="center",
            zorder=2,
            bbox={"boxstyle": "square,pad=0.12", "facecolor": "white", "edgecolor": "none"},
        )


def _curve(points: list[tuple[float, float]]) -> Curve:
    """A smooth curve through ``points`` that rises and falls only between them, horizontal at both ends."""
    xs, ys = zip(*points, strict=True)
    slopes = pchip_interpolate(xs, ys, xs, der=1)
    slopes[0] = slopes[-1] = 0
    vertices, codes = [points[0]], [Curve.MOVETO]
    for i in range(len(points) - 1):
        step = (xs[i + 1] - xs[i]) * 0.4
        vertices += [
            (xs[i] + step, ys[i] + slopes[i] * step),
            (xs[i + 1] - step, ys[i + 1] - slopes[i + 1] * step),
            points[i + 1],
        ]
        codes += [Curve.CURVE4] * 3
    return Curve(vertices, codes)


def _draw_nodes(axes: Axes, roles: Mapping[str, str], layout: Layout, links: list[tuple[str, str, str]]) -> None:
    for node, role in roles.items():
        x, y = layout.nodes[node]
        width, height = _node_size(node, links)
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
        axes.text(x, y, node, size=NODE_SIZE, ha="center", va="center_baseline", zorder=4)
