"""What all plots of the runs share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.pictures.plots import MARKERS, write_picture
from tables.runs import Runs, Sample


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
        return [runs.sample(sweep, name) for sweep, row in self.needs for name in ([row] if row else runs.rows(sweep))]

    def done(self, runs: Runs) -> tuple[str, ...]:
        """The ids of the finished runs that it shows."""
        return tuple(dict.fromkeys(record.id for sample in self.samples(runs) for record in sample.done))

    def missing(self, runs: Runs) -> tuple[str, ...]:
        """The commands of the runs that it still waits for."""
        return tuple(dict.fromkeys(config.command for sample in self.samples(runs) for config in sample.missing))

    def write(self, frame: pd.DataFrame, folder: Path) -> list[Path]:
        """Draw ``frame`` to PNG, PDF and SVG files in ``folder``."""
        return write_picture(lambda: self.draw(frame), folder / self.name)


def legend_below(axis: Axes) -> None:
    """The legend under the axis, where it hides nothing."""
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False)


def looks(names: list[str]) -> dict[str, dict[str, Any]]:
    """A colour and a marker for every name; of up to ten names either is enough, of more both are needed."""
    kind = "colorblind" if len(names) <= 10 else "husl"  # the first has ten colours and then repeats them
    colours = sns.color_palette(kind, len(names))
    return {
        name: {
            "color": colours[i],
            "marker": MARKERS[i % len(MARKERS)],
            "markersize": 7,
            "markeredgecolor": "black",
            "markeredgewidth": 0.7,
        }
        for i, name in enumerate(names)
    }
