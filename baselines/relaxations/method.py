"""What searches by relaxation have in common: the problem trains the mixture, a cell is derived from its weights.

A cell is derived by the rule of DARTS (Liu et al., 2018b), whatever trained the mixture, so that the searches differ in
nothing else.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines import checks
from baselines.checks import ASSUMPTION, LIU, at_least, one_of
from baselines.registry import Method, register
from conas.genotype import Cell, Choice, Genotype
from conas.problem import Cost, Outcome, Problem
from conas.questions import Relaxed, Rule
from conas.settings import setting
from conas.space import ACTIVATIONS, EIGHT_OPERATIONS, FIVE_OPERATIONS, Space

NONE = "none"
OPERATION_SETS = {
    "five": FIVE_OPERATIONS,
    "eight": EIGHT_OPERATIONS,
    "recurrent": (NONE, *ACTIVATIONS),
}
RECURRENT = {"operations": "recurrent", "inputs": 1}
"""What is mixed in recurrent cells, and how many inputs their nodes have."""
RECURRENT_SOURCES = dict.fromkeys(RECURRENT, f"{ASSUMPTION}: as in {LIU}")


@dataclass(frozen=True)
class RelaxationSettings:
    """What is mixed and how a cell is derived.

    Attributes:
        operations: ``five`` (the paper's space), ``eight`` (that of DARTS, with ``none``) or ``recurrent``.
        inputs: inputs per node.
    """

    operations: str = setting(
        "five", f"{ASSUMPTION}: the paper's space, as every search here; its authors mixed others"
    )
    inputs: int = setting(2, f"{ASSUMPTION}: derived as in {LIU}, as every relaxation here")

    def __post_init__(self) -> None:
        one_of(self, "operations", OPERATION_SETS)
        at_least(1, self, "inputs")


def check(space: Space, settings: Any) -> None:
    """Refuse operations of another kind of cell, and more inputs than the first node can have.

    Raises:
        ValueError: one line that says what is allowed.
    """
    fitting = [name for name, operations in OPERATION_SETS.items() if set(operations) & set(space.operations) - {NONE}]
    if settings.operations not in fitting:
        raise ValueError(
            f"operations={settings.operations!r} fit no cell of {space.name!r} (allowed: {', '.join(fitting)})"
        )
    checks.inputs(space, settings)


def relaxation(name: str, summary: str, settings: type, rule: Callable[[Any], Rule], **rest: Any) -> Method:
    """Register the search that trains a relaxation by a ``rule``, made of its settings, and derives a cell.

    ``rest`` are further fields of `baselines.registry.Method`.
    """

    def search(problem: Problem, seed: int, settings: Any) -> Outcome:
        """The cell derived from the trained relaxation; ``seed`` acts through the problem's training alone."""
        operations = OPERATION_SETS[settings.operations]
        shares = problem.ask(Relaxed(operations, rule(settings)))
        genotype = derive(problem.space, operations, shares, settings.inputs)
        return Outcome(genotype, {"shares": {cell: np.round(rows, 4).tolist() for cell, rows in shares.items()}})

    asks = frozenset({Relaxed})
    return register(Method(name, summary, search, settings, asks, lambda s: Cost(), check=check, **rest))


def derive(
    space: Space, operations: tuple[str, ...], shares: Mapping[str, NDArray[np.float64]], inputs: int
) -> Genotype:
    """The strongest operation other than ``none`` on the ``inputs`` strongest edges into every node.

    Args:
        shares: for every cell the softmax weights of its edges, shape (edges, operations), edges ordered by target,
            then by source. Of equal edges the one from the earlier node wins, of equal operations the earlier one.
    """
    return Genotype(space.inputs, {cell: _cell(space, operations, shares[cell], inputs) for cell in space.cells})


def _cell(space: Space, operations: tuple[str, ...], shares: NDArray[np.float64], inputs: int) -> Cell:
    real = [k for k, name in enumerate(operations) if name != NONE]
    targets = range(space.inputs, space.inputs + space.nodes)
    nodes, first = [], 0
    for target in targets:
        into = shares[first : first + target, real]
        sources = np.sort(np.argsort(-into.max(axis=1), kind="stable")[:inputs])
        nodes.append(tuple(Choice(operations[real[into[source].argmax()]], int(source)) for source in sources))
        first += target
    return Cell(tuple(nodes), tuple(targets))
