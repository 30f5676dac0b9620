"""What else the measurements of a finished paper search lead to, and how good every answer is.

CoNAS as published, variants of its recovery and the best of m, all on the same measurements of the same one-shot model,
and what other searches found there (``make paper-search METHOD=...``) that are finished in the pieces:
the loss of each answer on the same images, and the size of its network. The pieces stay as they are.
"""

import argparse
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from conas.algorithm import search_on
from conas.measurements import first_stage
from conas.oracle import Oracle
from conas.questions import OneShot
from conas.refusal import Refused
from conas.sampling import Bernoulli
from conas.space import SPACES, Alpha, Space
from harness.config.load import load
from harness.console.places import add_data_dir
from harness.console.progress import Reporter
from harness.execution.execute import search_key
from harness.problems.trained import TrainedProblem
from harness.records.files import write_atomic
from harness.records.pieces import join
from harness.records.search_results import kept, place
from harness.records.store import Store
from harness.studies.cli import studying
from harness.studies.losses import share_below
from harness.studies.paper_search import packed_task
from harness.training.environment import make_deterministic
from harness.training.image import ImageTask
from harness.training.task import load_task

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "as published": {},
    "by the other tie rule": {"ties": "first_bit_fastest"},
    "without losses above 1.5, as released": {"threshold": 1.5},
    "of the losses' logarithms": {"target": "log"},
    "of the losses' normal scores": {"target": "normal_score"},
    "of logarithms, 50 monomials": {"target": "log", "s": 50},
    "refitted by least squares": {"debias": True},
    "by orthogonal matching pursuit": {"solver": "omp"},
    "bits that g leaves open from the best that agrees": {"completion": "agreeing"},
    "the same, of logarithms": {"target": "log", "completion": "agreeing"},
}

OTHERS = ("fourier_search", "hill_climbing", "local_search", "regularised_evolution")
"""Searches that measure the same one-shot model, each its own sub-networks and at its own published number of them."""

_COLUMNS = ["answer", "measurements", "active", "loss", "better", "params_M", "mult_adds_M", "r2", "held_out_r2"]

Answer = tuple[str, int, Alpha, float | None, float | None]
"""Its name, how many measurements led to it, its encoder, and R² within them and on those held out."""


def answers(oracle: Oracle, space: Space, seed: int, settings: Any, reporter: Reporter) -> Iterator[Answer]:
    """What CoNAS's variants find in the measurements; one that finds nothing says why."""
    for name, changed in VARIANTS.items():
        try:
            found = search_on(oracle, space, seed, dataclasses.replace(settings, **changed))
        except ValueError as error:
            reporter.say(f"{name}: no answer: {error}")
        else:
            stage = found.details["stages"][-1]
            yield name, settings.m, space.parse(found.details["alpha"]), stage["fit_r2"], stage["held_out_r2"]


def of_others(store: Store, updates: Mapping[str, Any]) -> Iterator[Answer]:
    """What the finished ones of `OTHERS` found."""
    for name in OTHERS:
        search = load({**updates, "method": name}).for_search()
        found = kept(place(store, search_key(search)))
        if found is not None:
            alpha = SPACES[search.space].parse(found.record.details["alpha"])
            yield name, found.record.measurements, alpha, None, None


def judge(
    problem: TrainedProblem, task: ImageTask, seed: int, settings: Any, others: Iterable[Answer], reporter: Reporter
) -> pd.DataFrame:
    """One line per answer; ``better`` is the share of CoNAS's own measurements below its loss, in percent.

    ``measurements`` are those that its search asked for, ``r2`` is of the kept monomials, ``held_out_r2`` of the same
    recovery from four fifths of the measurements on the rest; both are of what was fitted, so of logarithms where these
    were.
    """
    space, oracle = problem.space, problem.ask(OneShot(Bernoulli(settings.p, settings.connect)))
    known = first_stage(oracle, space, seed, settings.m, settings.p)
    lines = []
    best: Answer = ("best of m", settings.m, known.best, None, None)
    for name, measured, alpha, *r2 in (*answers(oracle, space, seed, settings, reporter), best, *others):
        loss, counts = float(oracle.measure(alpha[None])[0]), task.count(space.build(alpha))
        judged = int((alpha > 0).sum()), loss, share_below(known.losses, loss)
        lines.append((name, measured, *judged, *_millions(counts), *r2))
    return pd.DataFrame(lines, columns=_COLUMNS)


def _millions(counts: Mapping[str, Any]) -> tuple[float, float]:
    return counts["params"] / 1e6, counts["mult_adds"] / 1e6


def run(pieces: Path, updates: Mapping[str, Any], packed: Path | None, reporter: Reporter) -> pd.DataFrame:
    """The answers to the search in ``pieces``, judged; ``updates`` are its settings.

    Raises:
        Refused: that search is not finished there, or the data are not its own.
    """
    with TemporaryDirectory() as unpacked:
        store = Store(Path(unpacked) / "store")
        join(pieces, store.root)
        updates = {**updates, "runs_dir": str(store.root)}
        config = load(updates)
        search = config.for_search()
        if kept(place(store, search_key(search))) is None:
            raise Refused(f"{pieces} holds no finished search of seed {config.seed} on these data with these settings")
        make_deterministic(config.threads, config.precision)
        task: Any = load_task(config) if packed is None else packed_task(config, packed)
        problem, others = TrainedProblem(search, task, store, reporter), of_others(store, updates)
        return judge(problem, task, config.seed, search.settings, others, reporter)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m harness.studies.paper_answers", description=__doc__)
    add_data_dir(parser, "where CIFAR-10 lies")
    parser.add_argument("--allow-subset", action="store_true", help="accept data that are not the published files")
    parser.add_argument("--seed", type=int, default=0, help="of the search (default: %(default)s)")
    parser.add_argument("--pieces", type=Path, required=True, help="where `make paper-search PIECES=...` left it")
    parser.add_argument("--packed", type=Path, help="a file with the images, instead of --data-dir")
    parser.add_argument("--out", type=Path, default=Path("results/studies/paper_answers.csv"), help="(%(default)s)")
    options, reporter = parser.parse_args(), Reporter()
    updates = {"dataset": "cifar10", "profile": "paper", "seed": options.seed, "device": "cpu"}
    updates |= {"data_dir": options.data_dir, "allow_subset": options.allow_subset}
    with studying(parser, reporter):
        table = run(options.pieces, updates, options.packed, reporter)
        write_atomic(options.out, table.to_csv(index=False, float_format="%.4g").encode())
        reporter.say(table.to_string(index=False, float_format="{:.3g}".format))


if __name__ == "__main__":
    main()
