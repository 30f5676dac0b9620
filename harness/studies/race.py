"""`make race`: every method that a table can answer, on tables that are known whole, over hundreds of seeds.

Each method is given a budget of evaluations and is judged by the answer that it returns, not by the best network it has
seen on the way: CoNAS's answer is a network that it never measured. The same seed gives CoNAS and "best of m" the same
measurements; differences between methods are taken seed by seed. A search whose beginning does not depend on its budget
is run once, with the largest. The seeds are none of those with which the Fourier search was designed, 0 to 99.

What is done is kept in the folder ``--out``, line by line: the same command goes on from there, on the same tables.
Delete the folder after a change of a method; a contender that is no more is left out.

Not in the race: DARTS needs weights, published cells belong to other spaces, and ASHA needs the losses of unfinished
trainings, of which these tables have none.
"""

import argparse
import itertools
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd

from conas.refusal import Refused
from harness.config.layers import cores
from harness.console.progress import Reporter
from harness.deadline import passed, within
from harness.records.files import Lines, facts, write_json
from harness.studies.race_boards import Board, Watched, read_boards
from harness.studies.race_contenders import BUDGETS, CONTENDERS, SEARCH, Contender
from harness.studies.race_report import write_report

FIRST, SEEDS = 100, 200
SOME = 30
"""Seeds of slow searches, of variants and of parts."""
KEY = ["table", "group", "method", "budget", "seed"]
"""What names a row."""
_SEEDS_PER_JOB = 5


@dataclass(frozen=True)
class Job:
    """A few searches of one contender on one board."""

    board: str
    group: str
    contender: str
    budgets: tuple[int, ...]
    seeds: range

    @property
    def rows(self) -> Iterator[tuple[str, str, str, int, int]]:
        """What names each of its rows."""
        for budget, seed in itertools.product(self.budgets, self.seeds):
            yield self.board, self.group, self.contender, budget, seed


_boards: dict[str, Board] = {}


def _start_worker(folder: Path, one_shot: Path) -> None:
    _boards.update({board.name: board for board in read_boards(folder, one_shot)})


def run_job(job: Job) -> list[dict[str, Any]]:
    """One row per seed and budget: what was spent, the regret of the answer and of what the search saw of it, how well
    CoNAS's polynomial predicts measurements that it was not made from, and the search's own processor time."""
    board = _boards[job.board]
    contender = next(c for c in CONTENDERS if (c.group, c.name) == (job.group, job.contender))
    return [
        {"table": board.name, "group": contender.group, "method": contender.name, "seed": seed, **row}
        for seed in job.seeds
        for row in (_once if contender.anytime else _each)(board, contender, job.budgets, seed)
    ]


def _once(board: Board, contender: Contender, budgets: Sequence[int], seed: int) -> Iterator[dict[str, Any]]:
    """One search answers for every budget."""
    watched, _ = _search(board, contender, seed, max(budgets))
    for budget in budgets:
        yield _row(board, budget, budget, watched.best(budget), watched.seconds[budget - 1])


def _each(board: Board, contender: Contender, budgets: Sequence[int], seed: int) -> Iterator[dict[str, Any]]:
    """A search of its own for every budget."""
    for budget in budgets:
        start = time.process_time()
        watched, outcome = _search(board, contender, seed, budget)
        seconds = time.process_time() - start
        spent = watched.cost.measurements + watched.cost.stand_alone_epochs // board.table.epochs
        stages = outcome.details.get("stages")
        fit = stages[0]["held_out_r2"] if stages else None
        yield _row(board, budget, spent, watched.answer(outcome), seconds) | {"held_out_r2": fit}


def _search(board: Board, contender: Contender, seed: int, budget: int) -> tuple[Watched, Any]:
    watched = Watched(board)
    return watched, contender.searches(watched, seed, contender.chosen(budget, board.table.epochs))


def _row(board: Board, budget: int, spent: int, answer: int, seconds: float) -> dict[str, Any]:
    regrets = {"regret": board.table.scored, "seen_regret": board.table.seen}
    known = {name: float(board.table.regrets(losses)[answer]) for name, losses in regrets.items()}
    return {"budget": budget, "evaluations": spent, **known, "seconds": seconds}


def jobs(boards: Sequence[Board], seeds: range, most: int, contenders: Sequence[Contender]) -> Iterator[Job]:
    """All jobs with budgets up to ``most``; a few seeds of everything come before the next few, so that a race that is
    stopped is a smaller race."""
    for first in range(seeds.start, seeds.stop, _SEEDS_PER_JOB):
        some = range(first, min(seeds.stop, first + _SEEDS_PER_JOB))
        for board in boards:
            for contender in contenders:
                budgets = contender.budgets(min(board.most, most))
                if budgets and _races(contender, board) and (_whole(contender) or first < seeds.start + SOME):
                    yield Job(board.name, contender.group, contender.name, budgets, some)


def _whole(contender: Contender) -> bool:
    """Whether it races with all seeds, and on all boards."""
    return contender.group == SEARCH and not contender.slow


def _races(contender: Contender, board: Board) -> bool:
    fits = contender.asks(board.table.epochs) <= board.answers
    return fits and (_whole(contender) or not board.clear)


def race(
    folder: Path,
    one_shot: Path,
    seeds: range,
    kept: Lines,
    most: int = max(BUDGETS),
    contenders: Sequence[Contender] = CONTENDERS,
    processes: int | None = None,
) -> pd.DataFrame:
    """All searches of the race, one row each, in a fixed order; those in ``kept`` are not run again.

    Raises:
        TableError: a table is missing or damaged.
        Refused: the rows in ``kept`` are of other tables.
    """
    boards = read_boards(folder, one_shot)
    _hold(boards, kept.path)
    done = {tuple(row[name] for name in KEY) for row in kept}
    due = [job for job in jobs(boards, seeds, most, contenders) if not done.issuperset(job.rows)]
    count = processes or cores()
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # for the workers: one core each
    with (
        ProcessPoolExecutor(count, get_context("spawn"), _start_worker, (folder, one_shot)) as workers,
        Reporter().bar("race", len(due)) as bar,
    ):
        try:
            for rows in _done([workers.submit(run_job, job) for job in due]):
                kept.append(*rows)
                bar.step()
        finally:
            workers.shutdown(wait=False, cancel_futures=True)
    found = pd.DataFrame(kept)
    return in_order(found[found["budget"] <= most], [board.name for board in boards], seeds)


def _hold(boards: Sequence[Board], rows: Path) -> None:
    """Write beside ``rows`` which tables they are of; those from before this was written are taken to be of these."""
    path, contents = rows.with_name("boards.json"), {board.name: board.content for board in boards}
    known = facts(path, boards=dict)
    if known is None:
        write_json(path, {"boards": contents})
    elif known["boards"] != contents:
        before = known["boards"]
        changed = sorted(name for name in before.keys() | contents.keys() if before.get(name) != contents.get(name))
        raise Refused(f"{rows.parent} holds searches on other tables than these ({', '.join(changed)}): another --out")


def _done(futures: Sequence[Future[list[dict[str, Any]]]]) -> Iterator[list[dict[str, Any]]]:
    """The rows of each job as it ends. When the time is up, those of jobs that are at work still come."""
    left = set(futures)
    for future in as_completed(futures):
        left.remove(future)
        yield future.result()
        if passed():
            break
    for future in [one for one in left if not one.cancel()]:
        yield future.result()


def in_order(rows: pd.DataFrame, boards: Sequence[str], seeds: range) -> pd.DataFrame:
    """The rows of ``seeds`` and of contenders that there are, without repetitions, by board, contender, budget and
    seed."""
    places = {(c.group, c.name): number for number, c in enumerate(CONTENDERS)}
    place = pd.Series([places.get(key) for key in zip(rows["group"], rows["method"], strict=True)], rows.index)
    ordered = rows.assign(board=rows["table"].map(list(boards).index), place=place, held_out_r2=_column(rows))
    ordered = ordered[place.notna()]
    ordered = ordered[ordered["seed"].isin(seeds)].sort_values(["board", "place", "budget", "seed"])
    return ordered.drop(columns=["board", "place"]).drop_duplicates(KEY, ignore_index=True)


def made(rows: pd.DataFrame) -> pd.Series:
    """The processor seconds of every search that was made: one of an ``anytime`` contender answers for all budgets."""
    anytime = {(contender.group, contender.name) for contender in CONTENDERS if contender.anytime}
    several = pd.Series([key in anytime for key in zip(rows["group"], rows["method"], strict=True)], rows.index)
    search = rows["budget"].mask(several, 0)
    return rows.groupby(["table", "group", "method", "seed", search])["seconds"].max()


def _column(rows: pd.DataFrame) -> pd.Series:
    return rows.get("held_out_r2", pd.Series(math.nan, rows.index)).astype(float)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the race and write its picture, its numbers and its findings."""
    parser = argparse.ArgumentParser(prog="python -m harness.studies.race", description=__doc__.splitlines()[0])
    about = "folder with nasbench201.csv and nas-bench-macro_cifar10.json"
    parser.add_argument("--tables", type=Path, default=Path(), help=about)
    parser.add_argument(
        "--one-shot", type=Path, default=Path("docs/race/one-shot-losses.txt"), help="as `make spectrum` writes them"
    )
    parser.add_argument("--out", type=Path, default=Path("results/studies/race"), help="where the results go")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="searches of each method, table and budget")
    parser.add_argument("--most", type=int, default=max(BUDGETS), help="the largest budget (default: %(default)s)")
    parser.add_argument("--minutes", type=float, help="stop after so many, so that the same command goes on")
    options = parser.parse_args(arguments)
    if options.most < BUDGETS[1]:
        parser.error(
            f"--most {options.most} (allowed: {BUDGETS[1]} and more, an area under the regret has two budgets)"
        )
    if options.seeds < 2:
        parser.error(f"--seeds {options.seeds} (allowed: 2 and more, intervals need them)")
    start, seeds = time.monotonic(), range(FIRST, FIRST + options.seeds)
    try:
        with within(None if options.minutes is None else 60 * options.minutes):
            rows = race(options.tables, options.one_shot, seeds, Lines(options.out / "searches.jsonl"), options.most)
        boards = read_boards(options.tables, options.one_shot)
    except (Refused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    for path in write_report(rows, [board.table for board in boards], options.out):
        print(path)
    searches = made(rows)
    print(f"{len(searches)} searches; {searches.sum():.0f} s of their own; {time.monotonic() - start:.0f} s now")
    return 0


if __name__ == "__main__":
    sys.exit(main())
