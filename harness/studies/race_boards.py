"""What is raced on: tables whose every entry is known, so that an answer's regret is exact.

- *The benchmarks* (noisy): a search sees the loss of a short or single training and is judged by another column.
- *The same, noise-free*: it sees what it is judged by.
- *A one-shot model measured whole* (`make spectrum`), of 12 free bits: the loss that is seen is what judges.
"""

import time
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conas.problem import Kinds, Outcome
from conas.questions import OneShot
from conas.space import space
from harness.problems.tabular import Table, TableError, TableProblem, read_tables

_ONE_SHOT_SPACE = "cnn-tiny"


@dataclass(frozen=True)
class Board:
    """A table.

    Attributes:
        most: the largest budget on it.
        clear: a benchmark without its noise.
        answers: the kinds of question that make sense there.
    """

    table: Table
    most: int
    clear: bool = False
    answers: Kinds = TableProblem.answers

    @property
    def name(self) -> str:
        """The table's."""
        return self.table.name

    @property
    def content(self) -> str:
        """A digest of what is seen and of what judges."""
        table = self.table
        return sha256(table.seen.tobytes() + table.scored.tobytes()).hexdigest()[:12]


def read_boards(folder: Path, one_shot: Path) -> list[Board]:
    """All boards: from the benchmarks' files in ``folder`` and the losses of a one-shot model in ``one_shot``.

    Raises:
        TableError: a file is missing or damaged.
    """
    noisy = read_tables(folder)
    boards = [*(Board(table, 2000) for table in noisy), *(Board(_clear(table), 200, clear=True) for table in noisy)]
    return [*boards, Board(one_shot_table(one_shot), 500, answers=frozenset({OneShot}))]


def _clear(table: Table) -> Table:
    judged = table.caption.partition("regret: ")[2]
    return replace(table, name=f"{table.name}, noise-free", seen=table.scored, caption=f"seen and regret: {judged}")


def one_shot_table(path: Path) -> Table:
    """The losses of all sub-networks of the one-shot model of `make spectrum`, one a line.

    Raises:
        TableError: they are not there, or not all.
    """
    bits = space(_ONE_SHOT_SPACE)
    try:
        losses = np.array(path.read_text().split(), dtype=np.float64)
    except (OSError, ValueError) as error:
        raise TableError(f"{path}: not the losses of a one-shot model ({error})") from error
    if losses.shape != (2**bits.n,):
        raise TableError(f"{path}: {len(losses)} losses (expected: {2**bits.n}, as `make spectrum` writes)")
    caption = "seen and judged by: the one-shot loss on digits"
    return Table("one-shot model, 12 bits", bits, losses, losses, 1, caption, "nats", 1.0)


class Watched(TableProblem):
    """A table that remembers what it was asked, in order, and when.

    Attributes:
        asked: numbers of strings.
        seconds: processor time since the start, at each of them.
    """

    def __init__(self, board: Board) -> None:
        super().__init__(board.table)
        self.answers = board.answers
        self.asked: list[int] = []
        self.seconds: list[float] = []
        self._start = time.process_time()

    def _count(self, numbers: NDArray[np.int64]) -> None:
        self.seconds += [time.process_time() - self._start] * len(numbers)
        self.asked += numbers.tolist()
        super()._count(numbers)

    def answer(self, outcome: Outcome) -> int:
        """The number of the string that a search ended with, before its repair if it says so."""
        alpha: Any = outcome.details.get("alpha")
        chosen = self.space.encode(outcome.genotype) if alpha is None else self.space.parse(alpha)
        return int(self.table.index(chosen[None])[0])

    def best(self, budget: int) -> int:
        """The number of the first of the best strings among the ``budget`` first."""
        asked = np.array(self.asked[:budget])
        return int(asked[self.table.seen[asked].argmin()])
