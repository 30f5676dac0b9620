"""`python -m harness.curves [RUN ...]`: loss, error and perplexity over the epochs of recorded runs, pictured.

Runs that differ in their seeds alone are one line, the mean, in a band from the lowest to the highest of them. One
picture per data set and stage of a run, the numbers behind all as curves.csv, and TensorBoard's files if asked for.
"""

import argparse
import itertools
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from pymongo.errors import PyMongoError

from conas.refusal import Refused
from harness import events, results
from harness.compare import NoSuchRun, settings
from harness.config.grammar import written
from harness.config.layers import CHOICES
from harness.config.load import recorded
from harness.console.places import add_store
from harness.console.plain import plain
from harness.console.progress import spoken
from harness.pictures.plots import panels, write_picture
from harness.records.files import write_atomic
from harness.records.schema import Record

UNITS = {"loss": "loss (nats)", "error": "error (%)", "perplexity": "perplexity"}
_SEEDS = {"seed", "search_seed"}
_WIDE = 20.0
"""An axis on which the highest is so many times the lowest is logarithmic."""


def frame(records: Sequence[Record], metrics: pd.DataFrame) -> pd.DataFrame:
    """The figures of ``metrics`` (see `harness.results.Results`) of the runs ``records``, one per row: columns dataset,
    stage, label, seed, run, epoch, unit, split and value. Runs of one label differ in their seeds alone."""
    labels, runs = _labels(records), {record.id: record for record in records}
    known = metrics[metrics["run"].isin(runs)].astype({"run": str, "stage": str})
    names = [name for name in known.columns if "_" in name and name.rpartition("_")[2] in UNITS]
    long = known.melt(["run", "stage", "epoch"], names, "figure", "value").dropna(subset="value")
    long["split"] = [figure.rpartition("_")[0] for figure in long["figure"]]
    long["unit"] = [figure.rpartition("_")[2] for figure in long["figure"]]
    for name in ("dataset", "seed"):
        long[name] = [getattr(runs[run], name) for run in long["run"]]
    long["label"] = [labels[run] for run in long["run"]]
    columns = ["dataset", "stage", "label", "seed", "run", "epoch", "unit", "split", "value"]
    return long[columns].sort_values(columns[:-1], ignore_index=True)


def _labels(records: Sequence[Record]) -> dict[str, str]:
    """What tells each run from the others of its data set, by its name: the method and what was typed differently."""
    labels = {}
    for kind in dict.fromkeys((record.dataset, record.method) for record in records):
        alike = [record for record in records if (record.dataset, record.method) == kind]
        configs = [recorded(record.config) for record in alike]
        typed = {*CHOICES, *(name for config in configs for name in config.updates)} - _SEEDS
        telling = {name: values for name, values in settings(configs).items() if name in typed}
        for place, record in enumerate(alike):
            said = [_told(name, values[place]) for name, values in telling.items() if values[place] is not None]
            labels[record.id] = ", ".join([record.method, *said])
    return labels


def _told(name: str, value: Any) -> str:
    return str(value) if name in CHOICES else f"{name.rpartition('.')[2]}={written(value)}"


def draw(rows: pd.DataFrame, title: str) -> Figure:
    """The ``rows`` of one data set and stage: a panel per unit, a colour per label, a dash per split."""
    units = [unit for unit in UNITS if unit in set(rows["unit"])]
    labels, splits = sorted(set(rows["label"])), sorted(set(rows["split"]))
    height = 2.9 + 0.19 * (len(labels) + len(splits))
    figure, axes = panels(len(units), width=4.2, height=height)
    palette = sns.color_palette("colorblind" if len(labels) <= 10 else "husl", len(labels))
    colours = dict(zip(labels, palette, strict=True))
    dashes = dict(zip(splits, itertools.cycle(("-", "--", ":", "-.")), strict=False))
    for axis, unit in zip(axes, units, strict=True):
        of_it = rows[rows["unit"] == unit]
        for (label, split), line in of_it.groupby(["label", "split"]):
            _line(axis, line.groupby("epoch")["value"], colours[str(label)], dashes[str(split)])
        axis.set(xlabel="epoch", ylabel=UNITS[unit])
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        if of_it["value"].min() > 0 and of_it["value"].max() / of_it["value"].min() > _WIDE:
            axis.set_yscale("log")
    handles = [Line2D([], [], color=colours[label], label=label) for label in labels]
    handles += [Line2D([], [], color="0.2", linestyle=dashes[split], label=split) for split in splits]
    figure.legend(handles=handles, loc="outside lower center", frameon=False, fontsize="small")
    figure.suptitle(title)
    return figure


def _line(axis: Axes, values: Any, colour: Any, dash: str) -> None:
    mean, lowest, highest = values.mean(), values.min(), values.max()
    axis.plot(mean.index, mean, color=colour, linestyle=dash, marker="o", markersize=3)
    axis.fill_between(mean.index, lowest, highest, color=colour, alpha=0.15, linewidth=0)


def write(rows: pd.DataFrame, out: Path) -> list[Path]:
    """Write a picture per data set and stage, and the numbers; their paths."""
    paths = [out / "curves.csv"]
    write_atomic(paths[0], rows.to_csv(index=False, lineterminator="\n").encode())
    for (dataset, stage), part in rows.groupby(["dataset", "stage"]):
        seeds = part.groupby("label")["seed"].nunique().max()
        about = "" if seeds == 1 else f": mean of up to {seeds} seeds, band from the lowest to the highest"
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", f"curves_{dataset}_{stage}")
        paths += write_picture(partial(draw, part, f"{dataset}, {spoken(str(stage))}{about}"), out / name)
    return paths


def among(records: Iterable[Record], patterns: Sequence[str]) -> list[Record]:
    """Those whose names match one of ``patterns``, such as ``digits-conas-*``; all if there are none.

    Raises:
        NoSuchRun: none does.
    """
    found = [one for one in records if not patterns or any(fnmatch(one.id, pattern) for pattern in patterns)]
    if not found:
        raise NoSuchRun(f"no run is called {' or '.join(patterns)}" if patterns else "there are no runs")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 if there is nothing to draw."""
    parser = argparse.ArgumentParser(prog="python -m harness.curves", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", nargs="*", metavar="RUN", help="names, with * for any part (default: all runs)")
    add_store(parser, "the folder, packed .jsonl file or mongodb:// address of the runs")
    parser.add_argument("--out", type=Path, default=Path("results/curves"), help="where the pictures go")
    about = "write them as TensorBoard's event files, too, in this folder"
    parser.add_argument("--tensorboard", type=Path, metavar="FOLDER", help=about)
    options = parser.parse_args(arguments)
    try:
        if options.tensorboard:
            events.check_installed()
        where = results.source(options.store)
        records = among(results.records(where)[0], options.runs)
        rows = frame(records, results.metrics(where))
        if rows.empty:
            raise NoSuchRun("these runs have recorded no epoch yet")
        print(*write(rows, options.out), sep="\n")
        if options.tensorboard:
            files = events.write_events(rows, {record.id: record for record in records}, options.tensorboard)
            print(f"{len(files)} runs: tensorboard --logdir {shlex.quote(str(options.tensorboard))}")
    except (Refused, PyMongoError, OSError) as error:
        print(f"error: {plain(error)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
