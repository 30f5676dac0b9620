"""How every plot looks: readable in grey and by the colour-blind."""

from collections.abc import Callable
from pathlib import Path

import seaborn as sns
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from harness.pictures.style import FORMATS, STYLE, rendered, styled
from harness.records.files import write_atomic

MARKERS = "osD^vP*Xhp<>d"
_STYLE = STYLE | {"axes.axisbelow": True}
"""After seaborn's, which has fonts of its own."""


def write_picture(draw: Callable[[], Figure], stem: Path) -> list[Path]:
    """Draw a figure in the project's style and write it as ``stem``.png, .pdf and .svg; their paths."""
    paths = []
    with styled(), sns.axes_style("whitegrid"), sns.plotting_context("paper"), rc_context(_STYLE):
        figure = draw()
        for kind in FORMATS:
            paths.append(stem.with_name(f"{stem.name}.{kind}"))
            write_atomic(paths[-1], rendered(figure, kind, dpi=200))
    return paths


def panels(columns: int, rows: int = 1, width: float = 3.4, height: float = 2.9) -> tuple[Figure, list[Axes]]:
    """A figure with ``rows`` x ``columns`` panels, each ``width`` x ``height`` inches; the panels row by row."""
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for panel in axes:
        sns.despine(ax=panel)
    return figure, axes
