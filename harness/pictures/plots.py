"""How every plot looks and is written: readable in grey and by the colour-blind, the same bytes each time."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import seaborn as sns
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from harness.records.files import write_atomic

MARKERS = "osD^vP*Xhp<>d"
_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
}
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "conas",
    "svg.fonttype": "none",
    "pdf.fonttype": 3,
    "font.family": "DejaVu Sans",
    "axes.axisbelow": True,
}


def write_picture(draw: Callable[[], Figure], stem: Path) -> list[Path]:
    """Draw a figure in the project's style and write it as ``stem``.png, .pdf and .svg; their paths."""
    paths = []
    with sns.axes_style("whitegrid", _STYLE), sns.plotting_context("paper"), rc_context(_STYLE):
        figure = draw()
        for kind, metadata in _METADATA.items():
            buffer = BytesIO()
            figure.savefig(buffer, format=kind, dpi=200, metadata=metadata)
            paths.append(stem.with_name(f"{stem.name}.{kind}"))
            write_atomic(paths[-1], buffer.getvalue())
    return paths


def panels(columns: int, rows: int = 1, width: float = 3.4, height: float = 2.9) -> tuple[Figure, list[Axes]]:
    """A figure with ``rows`` x ``columns`` panels, each ``width`` x ``height`` inches; the panels row by row."""
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for panel in axes:
        sns.despine(ax=panel)
    return figure, axes
