"""`python -m harness.evaluate RUN`: test a run's network once more, beside what its record says."""

import argparse
import sys
from pathlib import Path

import torch

from conas.architecture import architecture
from conas.refusal import Refused
from conas.saved import read
from harness.config.load import Config, recorded
from harness.console.places import add_data_dir
from harness.records.schema import Record
from harness.records.store import RunFolder
from harness.training.environment import make_deterministic
from harness.training.task import final_training, read_task


def evaluate(folder: Path, data_dir: str) -> tuple[Record, dict[str, float]]:
    """The record of the run in ``folder`` and the figures of its network on the test set.

    Raises:
        Refused: the record, the weights or the data are missing or damaged, or the data are others than the run's.
        OSError: a file cannot be read.
    """
    record = RunFolder(folder).record()
    if record is None:
        raise Refused(f"{folder}: no run (no record.json)")
    weights, description = read(folder)
    config = configuration(record, data_dir)
    make_deterministic(config.threads, config.precision)
    task = read_task(config)
    if config.is_unpinned and record.data.get("fingerprint") not in (None, task.content):
        raise Refused(f"data_dir={data_dir} holds other data than those of {folder}")
    trainee = final_training(task, architecture(description["architecture"]))
    trainee.load_weights(weights)
    with torch.no_grad():
        return record, trainee.tested()


def configuration(record: Record, data_dir: str) -> Config:
    """The configuration of a recorded run, with its data in another place, for whatever device is here."""
    return recorded({**record.config, "data_dir": data_dir, "device": "auto"})


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m harness.evaluate", description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a run")
    add_data_dir(parser)
    chosen = parser.parse_args()
    try:
        record, figures = evaluate(chosen.run, chosen.data_dir)
    except (Refused, OSError) as error:
        sys.exit(f"error: {error}")
    before = record.metrics.get("last", {})
    for name, value in figures.items():
        print(f"{name:16} {value:<12.6g} recorded: {before.get(name, float('nan')):.6g}")


if __name__ == "__main__":
    main()
