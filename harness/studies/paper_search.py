"""`make paper-search`: the paper's CIFAR-10 search, published settings, on whatever machine this is.

25,000 training and 25,000 validation images, 100 epochs, 1,000 measurements, one stage of recovery. The command
continues where it stopped, and says how long the rest will take. The cell that it finds serves every later run.
--method has another search run at its own published settings: most measure the same one-shot model, as often or not.

With --minutes it stops cleanly, and with --pieces it leaves its store there in files of at most 16 MB, which the same
command goes on from on another machine of the same kind, to the same bits. --packed takes the images from a file of
``python -m harness.data pack``, for the searches that read no others.
"""

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

from conas.questions import OneShot
from conas.refusal import Refused
from harness.config.load import Config, load
from harness.console.places import add_data_dir, add_store
from harness.console.progress import Reporter, duration
from harness.data.packed import unpack
from harness.deadline import TimeIsUp, interrupt, within
from harness.estimates.asking import questions
from harness.execution.execute import search
from harness.records.pieces import bring, split
from harness.training.environment import device_of, make_deterministic
from harness.training.faults import device_faults
from harness.training.image.task import ImageTask
from harness.training.task import remember


def run(config: Config, minutes: float | None = None, pieces: Path | None = None, packed: Path | None = None) -> str:
    """Search, or continue; one line that says where things stand.

    Raises:
        Refused: the data, the settings or the pieces are not what they should be.
    """
    store = Path(config.runs_dir)
    device_of(config)  # a refusal comes before anything is unpacked
    if pieces is not None:
        bring(pieces, store)
    make_deterministic(config.threads, config.precision)
    task = None if packed is None else packed_task(config, packed)
    try:
        with within(None if minutes is None else 60 * minutes), device_faults():
            found = search(config.for_search(), Reporter(), task)
    except TimeIsUp:
        return "time is up; the same command continues where this one stopped"
    finally:
        if pieces is not None and store.exists():
            split(store, pieces)
    return f"found in {duration(found.record.seconds)}: {found.architecture}"


def packed_task(config: Any, path: Path) -> ImageTask:
    """The task of a search on packed images.

    Raises:
        Refused: they were packed for other searches, the search reads more than was packed, or the store has others
            of this name.
    """
    data, purpose = unpack(path)
    if data.name != config.dataset or config.seed not in purpose["seeds"]:
        seeds = ", ".join(map(str, purpose["seeds"]))
        raise Refused(f"{path} is for seed {seeds} on {data.name}, not for seed {config.seed} on {config.dataset}")
    if not _reads_no_others(config):  # images that were left out are black, with the labels of the real ones
        raise Refused(f"{path} lacks images that {config.method} reads; give --data-dir instead of --packed")
    task = ImageTask(config, data)
    remember(config, task)
    return task


def _reads_no_others(config: Config) -> bool:
    """Whether a search reads only the images of `harness.training.image.one_shot.searched`: it measures a one-shot
    model that was trained without measurements, and always on the same few batches."""
    networks, _ = questions(config)
    asked = [question for network in networks.values() for question in network.questions]
    return (
        config.measure.mode == "common"  # type: ignore[attr-defined]
        and all(isinstance(question, OneShot) and not question.measures() for question in asked)
        and not any(network.oracle.whole for network in networks.values())
    )


def main() -> None:
    """The command line."""
    signal.signal(signal.SIGTERM, interrupt)
    parser = argparse.ArgumentParser(prog="python -m harness.studies.paper_search", description=__doc__)
    add_data_dir(parser, "where CIFAR-10 lies")
    parser.add_argument("--allow-subset", action="store_true", help="accept data that are not the published files")
    add_store(parser, "where the search is kept")
    parser.add_argument("--seed", type=int, default=0, help="of the search (default: %(default)s)")
    parser.add_argument("--method", default="conas", help="the search (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="cuda, cpu, auto (default: %(default)s)")
    parser.add_argument("--minutes", type=float, help="stop after so many, so that the same command goes on")
    parser.add_argument("--pieces", type=Path, help="a folder that takes the store away, and brings it back")
    parser.add_argument("--packed", type=Path, help="a file with the images, instead of --data-dir")
    chosen = parser.parse_args()
    updates = {"dataset": "cifar10", "profile": "paper", "seed": chosen.seed, "runs_dir": chosen.store}
    updates["method"] = chosen.method
    updates |= {"data_dir": chosen.data_dir, "allow_subset": chosen.allow_subset, "device": chosen.device}
    try:
        print(run(load(updates), chosen.minutes, chosen.pieces, chosen.packed))
    except (Refused, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command continues where this one stopped")


if __name__ == "__main__":
    main()
