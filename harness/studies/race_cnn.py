"""`make race-cnn`: searches on one trained one-shot model, of 140 free bits that no table holds.

The model is trained once; every measurement is remembered by its string, so a search that asks what another has asked
costs nothing. A search sees losses on a few batches; its answer is judged on the whole validation set, which no search
sees.

Searches that are done are kept in the folder ``--out``, line by line: a race that was stopped is a smaller race, and
the same command goes on from there. Delete the folder after a change of a method.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import pandas as pd

from conas.oracle import Oracle
from conas.questions import OneShot
from conas.sampling import Bernoulli
from harness.config.identity import digest
from harness.config.load import Config
from harness.console.progress import Reporter
from harness.deadline import TimeIsUp, stop_if_passed
from harness.problems.trained import TrainedProblem
from harness.records.files import Lines, write_atomic
from harness.records.store import Store
from harness.studies.cli import configuration, study_parser, studying, write_results
from harness.studies.race_cnn_page import draw, page, summary
from harness.studies.race_contenders import CONTROL, FOURIER, SEARCHES, Contender
from harness.training.environment import make_deterministic
from harness.training.task import load_task

FIRST = 100
LEARNERS = (FOURIER, "CoNAS", "CoNAS + local search", "Harmonica", "COMEX")
CONTROLS = (CONTROL, "hill climbing", "regularised evolution")
RACERS = tuple(contender for contender in SEARCHES if contender.name in LEARNERS + CONTROLS)


Key = tuple[int, int, str]
"""The seed, the budget and the search."""


@dataclass(frozen=True)
class Entry:
    """One search of the race."""

    seed: int
    budget: int
    contender: Contender

    @property
    def key(self) -> Key:
        """What names its row."""
        return self.seed, self.budget, self.contender.name


def entries(budgets: Sequence[int], seeds: int) -> list[Entry]:
    """All searches, seed after seed."""
    chosen = product(range(FIRST, FIRST + seeds), sorted(set(budgets)), RACERS)
    return [Entry(seed, budget, contender) for seed, budget, contender in chosen]


def study(config: Config, due: Sequence[Entry], kept: Lines, reporter: Reporter) -> pd.DataFrame:
    """One row per search of the seeds with which all have raced: the loss that it saw of its answer, and that on the
    whole validation set.

    Raises:
        TimeIsUp: it is time, and all have raced with fewer than two seeds.
    """
    task, of = load_task(config), digest(config.identity)
    done = {(row["seed"], row["budget"], row["method"]): row for row in kept if row["of"] == of}
    try:
        with reporter.bar("race", len(due)) as bar:
            for entry in due:
                if entry.key not in done:
                    stop_if_passed()
                    row = _search(TrainedProblem(config, task, Store(config.runs_dir), reporter), entry)
                    done[entry.key] = {"of": of, **row}
                    kept.append(done[entry.key])
                bar.step()
    except TimeIsUp:
        if len({entry.seed for entry in due} - missing(done, due)) < 2:
            raise
        reporter.say("stopped; the same command goes on from here")
    absent = missing(done, due)
    rows = [done[entry.key] for entry in due if entry.seed not in absent]
    return pd.DataFrame(rows).drop(columns="of")


def missing(done: Container[Key], due: Sequence[Entry]) -> set[int]:
    """The seeds with which not all that is ``due`` is ``done``."""
    return {entry.seed for entry in due if entry.key not in done}


def _search(problem: TrainedProblem, entry: Entry) -> dict[str, Any]:
    chosen = entry.contender.chosen(entry.budget, 0)
    outcome = entry.contender.searches(problem, entry.seed, chosen)
    spent = problem.cost.measurements
    oracle: Oracle = problem.ask(OneShot(Bernoulli(0.5)))
    alpha = problem.space.parse(outcome.details["alpha"])[None]
    seen, whole = (float(oracle.measure(alpha, whole)[0]) for whole in (False, True))
    named = {"method": entry.contender.name, "budget": entry.budget, "seed": entry.seed, "evaluations": spent}
    return {**named, "seen": seen, "whole": whole}


def model(config: Config) -> dict[str, Any]:
    """What the page says of the one-shot model and of what is measured on it."""
    one_shot, measure = config.oneshot, config.measure  # type: ignore[attr-defined]
    return {
        "dataset": config.dataset,
        "profile": config.profile,
        "channels": one_shot.channels,
        "cells": one_shot.layers,
        "epochs": one_shot.epochs,
        "images": measure.batches * measure.batch_size,
    }


def main() -> None:
    """The command line."""
    parser = study_parser("race_cnn", __doc__, dataset="cifar10", profile="laptop")
    parser.add_argument("--searches", type=int, default=5, help="of each method and budget (default: %(default)s)")
    parser.add_argument("--budgets", type=int, nargs="+", default=[50, 200], help="measurements (default: 50 200)")
    parser.add_argument("--minutes", type=float, help="stop after so many, so that the same command goes on")
    options = parser.parse_args()
    reporter = Reporter()
    if min(options.budgets) < 20 or options.searches < 2:
        parser.error("--budgets and --searches (allowed: 20 and more, 2 and more)")
    with studying(parser, reporter, options.minutes):
        config = configuration(options)
        make_deterministic(config.threads)
        kept = Lines(options.out / "searches.jsonl")
        rows = study(config, entries(options.budgets, options.searches), kept, reporter)
        about = {"model": model(config), **summary(rows)}
        write_results(options.out, about, rows, lambda: draw(rows), reporter)
        path = options.out / f"{options.out.name}.md"
        write_atomic(path, page(options.out).encode())
        reporter.say(str(path))


if __name__ == "__main__":
    main()
