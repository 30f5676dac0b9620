"""What all plots share: a look that survives grey printing and colour blindness, and files that are always the same."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from harness.files import write_atomic
from tables.runs import Runs, Sample

MARKERS = "osD^vP*Xhp<>d8"
METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
_STYLE: dict[Any, Any] = {"pdf.fonttype": 3, "font.family": "DejaVu Sans", "axes.axisbelow": True}


@dataclass(frozen=True)
class Plot:
    """A figure: its numbers, how they are drawn, and the rows of the sweeps that it needs.

    Attributes:
        needs: (sweep, row) pairs; no row means all of them.
        rows: the numbers; an empty frame where no run that it needs is done.
    """

    name: str
    title: str
    needs: tuple[tuple[str, str | None], ...]
    rows: Callable[[Runs], pd.DataFrame]
    draw: Callable[[pd.DataFrame], Figure]
    notes: tuple[str, ...] = ()

    def samples(self, runs: Runs) -> list[Sample]:
        """The runs of every row that it needs."""
        return [
            runs.sample(sweep, name) for sweep, row in self.needs for name in ([row] if row else runs.planned(sweep))
        ]

    def done(self, runs: Runs) -> tuple[str, ...]:
        """The ids of the finished runs that it shows."""
        return tuple(dict.fromkeys(record.id for sample in self.samples(runs) for record in sample.done))

    def missing(self, runs: Runs) -> tuple[str, ...]:
        """The commands of the runs that it still waits for."""
        return tuple(dict.fromkeys(config.command for sample in self.samples(runs) for config in sample.missing))

    def write(self, frame: pd.DataFrame, folder: Path) -> list[Path]:
        """Draw ``frame`` to PNG and PDF files in ``folder``."""
        paths = []
        with sns.axes_style("whitegrid", _STYLE), sns.plotting_context("paper"), rc_context(_STYLE):
            figure = self.draw(frame)
            for kind, metadata in METADATA.items():
                buffer = BytesIO()
                figure.savefig(buffer, format=kind, dpi=200, metadata=metadata)
                paths.append(folder / f"{self.name}.{kind}")
                write_atomic(paths[-1], buffer.getvalue())
        return paths


def panels(count: int, width: float = 3.4, height: float = 2.9) -> tuple[Figure, list[Axes]]:
    """A figure with ``count`` panels side by side."""
    figure = Figure(figsize=(width * count, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, count, squeeze=False)[0]
    for panel in axes:
        sns.despine(ax=panel)
    return figure, list(axes)


def legend_below(axis: Axes) -> None:
    """The legend under the axis, where it hides nothing."""
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False)


def looks(names: list[str]) -> dict[str, dict[str, Any]]:
    """A colour and a marker for every name; both differ, so that either is enough."""
    colours = sns.color_palette("colorblind", len(names))
    return {
        name: {"color": colours[i], "marker": MARKERS[i % len(MARKERS)], "markeredgecolor": "black"}
        for i, name in enumerate(names)
    }
