"""A cell with few edges as the paper draws it: inputs left, output right, an arrow for every edge."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path as Curve
from scipy.interpolate import pchip_interpolate

from harness.pictures.layout import Layout, Link, Route, Spacing, arrange
from harness.pictures.looks import COLOURS, LABEL_SIZE, NODE_SIZE, OTHER, Arrow, canvas, draw_node, text_size

SPACING = Spacing(node=0.13, line=0.13, bend=0.32)


def arrow_picture(roles: Mapping[str, str], links: list[Arrow]) -> Figure:
    """Draw the nodes of a cell and an arrow for each of its ``links``."""
    texts = [text for _, _, text in links]
    layout = arrange(
        {node: _node_size(node, links) for node in roles},
        [Link(source, target, text_size(text, LABEL_SIZE) if text else None) for source, target, text in links],
        SPACING,
    )
    figure, axes = canvas(layout.width, layout.height)
    for text, route in zip(texts, layout.routes, strict=True):
        _draw_link(axes, text, route)
    _draw_nodes(axes, roles, layout, links)
    return figure


def _node_size(name: str, links: list[Arrow]) -> tuple[float, float]:
    """Width and height of a node's box, high enough for the heads of its arrows."""
    width, height = text_size(name, NODE_SIZE)
    arrows = max(sum(source == name for source, _, _ in links), sum(target == name for _, target, _ in links))
    return max(width + 0.12, 0.3), max(height + 0.1, 0.14 * arrows)


def _draw_link(axes: Axes, text: str, route: Route) -> None:
    colour = COLOURS.get(text, OTHER) if text else "#9a9a9a"
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


def _draw_nodes(axes: Axes, roles: Mapping[str, str], layout: Layout, links: list[Arrow]) -> None:
    for node, role in roles.items():
        draw_node(axes, node, role, layout.nodes[node], _node_size(node, links))
