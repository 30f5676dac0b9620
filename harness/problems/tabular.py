"""Tabular benchmarks as problems: NAS-Bench-201 and NAS-Bench-Macro, read from files that the user names.

A benchmark holds every architecture of an exclusive space, one operation per edge: 5 on 6 edges (30 bits), or 3 on 8
layers (24 bits); a table of free bits is a one-shot model that is measured whole. A string that has no or several
operations on an edge of a benchmark is not an architecture; it is refused, for every method alike, so methods draw,
restrict and minimise over valid strings only.

A loss is an error between 0 and 1, the order of magnitude of the cross-entropies that the Lasso penalty of section 4.1
was chosen for. Methods see one column and are scored by another that they never see:

=================  ====================================  ==========================================
benchmark          seen                                  scored
=================  ====================================  ==========================================
NAS-Bench-201      validation error after 12 epochs      test error after 200 epochs, mean of seeds
NAS-Bench-Macro    test error of the first of 3 runs     mean test error of the 3 runs
=================  ====================================  ==========================================

NAS-Bench-Macro has no validation errors, and the run that is seen is a third of the score.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
from numpy.typing import NDArray

from conas.genotype import Genotype
from conas.names import unknown
from conas.oracle import OfEncoders
from conas.problem import Answer, Cost, Kinds, refuse
from conas.questions import OneShot, OneShotModel, Question, StandAlone
from conas.refusal import Refused
from conas.space import Alpha, Space, space

NASBENCH201_DATASETS = ("cifar10", "cifar100", "imagenet16")
SOURCES = {
    "nasbench201.csv": "the columns arch, DATASET_val_12ep and DATASET_test_200ep, in percent, for cifar10, cifar100 "
    "and imagenet16, exported from the file of https://github.com/D-X-Y/NAS-Bench-201",
    "nas-bench-macro_cifar10.json": "it comes with https://github.com/xiusu/NAS-Bench-Macro",
}
"""Where the tables come from."""
_CELL = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"


class TableError(Refused, ValueError):
    """A table that cannot be used, or a question that it cannot answer."""


@dataclass(frozen=True)
class Table:
    """Two losses for each architecture of an exclusive space, or for each string of a space of free bits.

    Architectures are numbered by their operations, one per edge, the first edge changing slowest; strings as in
    `conas.recovery.fourier.hypercube`.

    Attributes:
        seen: what searches are told, shape (architectures,).
        scored: what their answers are judged by.
        epochs: of the trainings whose loss is seen.
        caption: what the two columns are.
        unit: of regrets: a loss times ``scale``.
    """

    name: str
    space: Space
    seen: NDArray[np.float64]
    scored: NDArray[np.float64]
    epochs: int
    caption: str
    unit: str = "points"
    scale: float = 100.0

    def index(self, alphas: Alpha) -> NDArray[np.int64]:
        """The numbers of the architectures ``alphas``, shape (k, n).

        Raises:
            TableError: an encoder with no or several operations on an edge.
        """
        if not self.space.exclusive:
            return (self.space.check(alphas) < 0) @ 2 ** np.arange(self.space.n)[::-1]
        k = len(self.space.operations)
        edges = self.space.check(alphas).reshape(len(alphas), -1, k) > 0
        if not (edges.sum(axis=2) == 1).all():
            raise TableError(f"an architecture of {self.name} has exactly one operation on every edge")
        return edges.argmax(axis=2) @ k ** np.arange(edges.shape[1])[::-1]

    def regret(self, genotype: Genotype) -> float:
        """How much worse ``genotype`` scores than the best architecture, in ``unit``."""
        (number,) = self.index(self.space.encode(genotype)[None])
        return float(self.regrets(self.scored)[number])

    def regrets(self, losses: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much worse each of ``losses`` is than the least one, in ``unit``."""
        return self.scale * (losses - losses.min())


class TableProblem:
    """A `conas.problem.Problem` that a table answers: nothing is trained. Every measurement counts,
    also a repeated one, and every training once."""

    answers: Kinds = frozenset({OneShot, StandAlone})

    def __init__(self, table: Table) -> None:
        self.table = table
        self.space = table.space
        self.cost = Cost()
        self._trained: set[int] = set()

    def ask(self, question: Question[Answer]) -> Answer:
        """The answer; no table has weights to relax.

        Raises:
            UnsupportedError: a kind of question that is not among ``answers``.
            TableError: another number of epochs than the table's networks were trained for.
        """
        refuse([type(question)], self, "the search")
        answer: Any = self._one_shot(question) if isinstance(question, OneShot) else self._stand_alone(question)
        return answer

    def _one_shot(self, question: OneShot) -> OneShotModel:
        """The table itself; a policy that learns is shown its losses once."""
        policy = question.policy.start(self.space, 0)
        policy.epoch_ended(0, OfEncoders(self._losses))
        return OneShotModel(self, policy)

    def _stand_alone(self, question: Any) -> float:
        """The same loss, at the price of a training."""
        if question.epochs != self.table.epochs:
            raise TableError(
                f"{self.table.name} holds trainings of {self.table.epochs} epochs, not of {question.epochs}"
            )
        (number,) = self.table.index(self.space.encode(question.architecture)[None])
        if number not in self._trained:
            self._trained.add(int(number))
            self.cost.stand_alone_epochs += question.epochs
        return float(self.table.seen[number])

    def measure(self, alphas: Alpha, whole: bool = False) -> NDArray[np.float64]:
        """Losses, shape (k,), of the encoders ``alphas``, shape (k, n); a table knows but one validation set."""
        numbers = self.table.index(alphas)
        self._count(numbers)
        return self.table.seen[numbers]

    def _count(self, numbers: NDArray[np.int64]) -> None:
        """The architectures ``numbers`` are about to be measured."""
        self.cost.measurements += len(numbers)

    def _losses(self, alphas: Alpha, whole: bool) -> NDArray[np.float64]:
        return self.table.seen[self.table.index(alphas)]


def nasbench201(path: Path, dataset: str) -> Table:
    """NAS-Bench-201 on ``dataset`` from a CSV with the columns ``arch``, ``DATASET_val_12ep``, ``DATASET_test_200ep``.

    Raises:
        TableError: no such data set, or a column, an architecture or a value that is missing or makes no sense.
    """
    if dataset not in NASBENCH201_DATASETS:
        raise TableError(unknown("NAS-Bench-201 data set", dataset, NASBENCH201_DATASETS))
    columns = ["arch", f"{dataset}_val_12ep", f"{dataset}_test_200ep"]
    try:
        rows = pd.read_csv(path, usecols=columns, dtype=dict(zip(columns, (str, float, float), strict=True)))[columns]
    except (OSError, ValueError) as error:
        raise TableError(f"{path}: not NAS-Bench-201's table ({error})") from error
    cells = space("nasbench201")
    every = [_CELL.format(*chosen) for chosen in itertools.product(cells.operations, repeat=6)]
    errors = _errors(path, every, rows["arch"].tolist(), rows[columns[1:]].to_numpy())
    caption = "seen: validation error after 12 epochs; regret: test error after 200 epochs"
    return Table(f"NAS-Bench-201 {dataset}", cells, errors[:, 0], errors[:, 1], 12, caption)


def nasbench_macro(path: Path) -> Table:
    """NAS-Bench-Macro (CIFAR-10) from the benchmark's own JSON file.

    Raises:
        TableError: an architecture or a value that is missing or makes no sense.
    """
    try:
        entries = orjson.loads(path.read_bytes())
        runs = np.array([entry["test_acc"] for entry in entries.values()], dtype=np.float64).reshape(len(entries), 3)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TableError(f"{path}: not NAS-Bench-Macro's file ({type(error).__name__}: {error})") from error
    every = ["".join(digits) for digits in itertools.product("012", repeat=8)]
    errors = _errors(path, every, list(entries), np.column_stack([runs[:, 0], runs.mean(axis=1)]))
    caption = "seen: test error of the first of 3 runs; regret: mean test error of the 3 runs"
    return Table("NAS-Bench-Macro", space("nasbench-macro"), errors[:, 0], errors[:, 1], 50, caption)


def read_tables(folder: Path) -> list[Table]:
    """The three data sets of ``nasbench201.csv`` and NAS-Bench-Macro's ``nas-bench-macro_cifar10.json`` in ``folder``.

    Raises:
        TableError: a file is missing, with where it comes from, or damaged.
    """
    for name, source in SOURCES.items():
        if not (folder / name).is_file():
            raise TableError(f"{folder / name} is missing: {source}; TABLES=FOLDER says where both files are")
    rows = [nasbench201(folder / "nasbench201.csv", dataset) for dataset in NASBENCH201_DATASETS]
    return [*rows, nasbench_macro(folder / "nas-bench-macro_cifar10.json")]


def _errors(path: Path, every: list[str], names: list[str], accuracies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Errors in the order of the names ``every``, from ``accuracies`` in percent of the ``names`` in a file."""
    numbers = {name: number for number, name in enumerate(every)}
    errors = np.full((len(every), accuracies.shape[1]), np.nan)
    for name, row in zip(names, accuracies, strict=True):
        if name not in numbers:
            raise TableError(f"{path}: {name!r} is not an architecture of this benchmark (such as {every[0]!r})")
        if not ((row >= 0) & (row <= 100)).all():
            raise TableError(f"{path}: {name!r} has the accuracies {row.tolist()} (expected: percent)")
        errors[numbers[name]] = 1 - row / 100
    missing = np.flatnonzero(np.isnan(errors[:, 0]))
    if len(missing):
        raise TableError(
            f"{path}: {len(missing)} of {len(every)} architectures are missing, first {every[missing[0]]!r}"
        )
    if len(names) > len(every):
        raise TableError(f"{path}: {len(names)} rows for {len(every)} architectures, some are listed twice")
    return errors
