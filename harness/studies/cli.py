"""What the command lines of the studies of one trained one-shot model share."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from conas.refusal import Refused
from harness.config.load import Config, load
from harness.console.places import add_data_dir, add_store
from harness.console.plain import plain
from harness.console.progress import Reporter
from harness.deadline import TimeIsUp, within
from harness.pictures.plots import write_picture
from harness.records.files import write_atomic, write_json
from harness.training.loop import DivergedError


def study_parser(name: str, about: str | None, dataset: str, profile: str) -> argparse.ArgumentParser:
    """A parser with the options that say which model is studied, and where results go."""
    parser = argparse.ArgumentParser(prog=f"python -m harness.studies.{name}", description=about)
    parser.add_argument("--dataset", default=dataset, help="a data set of images (default: %(default)s)")
    parser.add_argument("--profile", default=profile, help="the sizes (default: %(default)s)")
    add_data_dir(parser)
    parser.add_argument("--allow-subset", action="store_true", help="accept data that are not the complete set")
    add_store(parser, "where trained models are kept")
    parser.add_argument("--seed", type=int, default=0, help="of the one-shot model (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("results/studies") / name, help="where results go")
    return parser


@contextmanager
def studying(parser: argparse.ArgumentParser, reporter: Reporter, minutes: float | None = None) -> Iterator[None]:
    """Run a study inside: what is refused, a training that diverges, the end of ``minutes`` and Ctrl-C end it in one
    line."""
    try:
        with within(None if minutes is None else 60 * minutes):
            yield
    except Refused as error:
        parser.error(str(error))
    except (OSError, DivergedError) as error:
        sys.exit(f"error: {plain(error)}")
    except KeyboardInterrupt as stop:
        reporter.say("stopped; the same command goes on from here")
        sys.exit(0 if isinstance(stop, TimeIsUp) else 130)


def configuration(options: argparse.Namespace, **updates: Any) -> Config:
    """The configuration that the options of `study_parser` name.

    Raises:
        ConfigError: a setting is unknown or impossible.
    """
    named = {name: getattr(options, name) for name in ("dataset", "profile", "seed", "data_dir", "allow_subset")}
    return load({**named, "runs_dir": options.store, **updates})


def write_results(
    out: Path, numbers: Mapping[str, object], rows: pd.DataFrame, draw: Callable[[], Figure], reporter: Reporter
) -> None:
    """Write what a study found to ``out``: JSON, CSV and the picture, each called as the folder is."""
    write_json(out / f"{out.name}.json", numbers)
    write_atomic(out / f"{out.name}.csv", rows.to_csv(index=False, float_format="%.6g").encode())
    for path in write_picture(draw, out / out.name):
        reporter.say(str(path))
