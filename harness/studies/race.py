"""`make race`: every method that a table can answer, on NAS-Bench-201 and NAS-Bench-Macro, over hundreds of seeds.

Each method is given a budget of evaluations and is judged by the answer that it returns, not by the best network it has
seen on the way: CoNAS's answer is a network that it never measured. Budgets are raised step by step, each with searches
of its own, so a curve shows what one would have got for that budget. The same seed gives CoNAS and "best of m" the same
measurements; differences between methods are taken seed by seed.

Not in the race: DARTS needs weights, published cells belong to other spaces, and ASHA needs the losses of unfinished
trainings, of which these tables have none.
"""

import argparse
import itertools
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd

from baselines.registry import method
from harness.console.progress import Reporter
from harness.problems.tabular import Table, TableError, TableProblem, read_tables
from harness.studies.race_report import write_report

BUDGETS = (50, 100, 200, 500, 1000)
_SEEDS_A_JOB = 20

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Contender:
    """A method with the settings that make it spend a budget.

    Attributes:
        settings: (budget, epochs of the table's trainings) -> the method's settings that differ from its defaults.
        ablation: not a contestant but a part of CoNAS taken away.
    """

    name: str
    method: str
    settings: Callable[[int, int], Values]
    ablation: bool = False


def _rsws(budget: int, epochs: int) -> Values:
    refined = min(10, budget // 10)
    return {"rounds": 1, "samples": budget - refined, "refined": refined}


def _harmonica(budget: int, epochs: int) -> Values:
    final = budget // 10
    return {"stages": 3, "samples": (budget - final) // 3, "final": final}


def _local_search(budget: int, epochs: int) -> Values:
    return {"m": budget // 2, "flips": budget - budget // 2}


def _evolution(budget: int, epochs: int) -> Values:
    return {"m": budget, "population": max(10, budget // 20), "sample": max(3, budget // 100)}


def _bananas(budget: int, epochs: int) -> Values:
    tenth = max(10, budget // 10)
    return {"m": budget, "first": tenth, "together": tenth, "batch": 200}


CONTENDERS = (
    Contender("CoNAS", "conas", lambda budget, epochs: {"m": budget}),
    Contender("CoNAS + local search", "local_search", _local_search),
    Contender("Harmonica", "harmonica", _harmonica),
    Contender("BOCS", "bocs", lambda budget, epochs: {"m": budget}),
    Contender("COMBO", "combo", lambda budget, epochs: {"m": budget}),
    Contender("COMEX", "comex", lambda budget, epochs: {"m": budget}),
    Contender("q-SFT", "qsft", lambda budget, epochs: {"m": budget}),
    Contender("best of m", "best_of_m", lambda budget, epochs: {"m": budget}),
    Contender("regularised evolution", "regularised_evolution", _evolution),
    Contender("BANANAS", "bananas", _bananas),
    Contender("random search", "random_search", lambda budget, epochs: {"samples": budget, "epochs": epochs}),
    Contender("RSWS", "rsws", _rsws),
    Contender("random wiring", "random_wiring", lambda budget, epochs: {}),
    Contender("CoNAS, d = 1", "conas", lambda budget, epochs: {"m": budget, "d": 1}, ablation=True),
    Contender("CoNAS, least squares", "conas", lambda budget, epochs: {"m": budget, "debias": True}, ablation=True),
    Contender("CoNAS, all monomials", "conas", lambda budget, epochs: {"m": budget, "s": budget}, ablation=True),
)


@dataclass(frozen=True)
class Job:
    """A few searches of one contender on one table with one budget."""

    table: str
    contender: str
    budget: int
    seeds: range


_tables: dict[str, Table] = {}


def _start_worker(folder: Path) -> None:
    _tables.update({table.name: table for table in read_tables(folder)})


def run_job(job: Job) -> list[dict[str, Any]]:
    """One row per seed: what was spent, the regret of the answer in percentage points, and how well CoNAS's polynomial
    predicts measurements that it was not made from."""
    table = _tables[job.table]
    contender = next(contender for contender in CONTENDERS if contender.name == job.contender)
    chosen = method(contender.method)
    settings = chosen.settings(**contender.settings(job.budget, table.epochs))
    rows = []
    for seed in job.seeds:
        problem = TableProblem(table)
        outcome = chosen(problem, seed, settings)
        row = {"table": table.name, "method": contender.name, "ablation": contender.ablation}
        row |= {"budget": job.budget, "seed": seed}
        row["evaluations"] = problem.cost.measurements + problem.cost.stand_alone_epochs // table.epochs
        row["regret"] = table.regret(outcome.genotype)
        stages = outcome.details.get("stages")
        fit = stages[0]["held_out_r2"] if stages else None
        row["held_out_r2"] = math.nan if fit is None else fit
        rows.append(row)
    return rows


def race(folder: Path, seeds: int, budgets: Sequence[int] = BUDGETS, processes: int | None = None) -> pd.DataFrame:
    """All searches of the race on the tables in ``folder``, one row each, in a fixed order.

    Raises:
        TableError: a table is missing or damaged.
    """
    tables = read_tables(folder)
    jobs = list(_jobs([table.name for table in tables], seeds, budgets))
    count = processes or len(os.sched_getaffinity(0))
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # for the workers: one core each
    rows: list[dict[str, Any]] = []
    with (
        ProcessPoolExecutor(count, get_context("spawn"), _start_worker, (folder,)) as workers,
        Reporter().bar("race", len(jobs)) as bar,
    ):
        for done in workers.map(run_job, jobs):
            rows.extend(done)
            bar.step()
    return pd.DataFrame(rows)


def _jobs(tables: Sequence[str], seeds: int, budgets: Sequence[int]) -> Iterator[Job]:
    for table, contender, budget in itertools.product(tables, CONTENDERS, budgets):
        for first in range(0, seeds, _SEEDS_A_JOB):
            yield Job(table, contender.name, budget, range(first, min(seeds, first + _SEEDS_A_JOB)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the race and write its picture, its numbers and its findings."""
    parser = argparse.ArgumentParser(prog="python -m harness.studies.race", description=__doc__.splitlines()[0])
    about = "folder with nasbench201.csv and nas-bench-macro_cifar10.json"
    parser.add_argument("--tables", type=Path, default=Path(), help=about)
    parser.add_argument("--out", type=Path, default=Path("results/studies/race"), help="where the results go")
    parser.add_argument("--seeds", type=int, default=200, help="searches of each method, table and budget")
    options = parser.parse_args(arguments)
    if options.seeds < 2:
        parser.error(f"--seeds {options.seeds} (allowed: 2 and more, intervals need them)")
    start = time.monotonic()
    try:
        rows = race(options.tables, options.seeds)
        captions = {table.name: table.caption for table in read_tables(options.tables)}
    except TableError as error:
        print(error, file=sys.stderr)
        return 1
    for path in write_report(rows, captions, options.out):
        print(path)
    print(f"{len(rows)} searches in {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
