"""DARTS (Liu et al., 2018b): train a softmax mixture of all operations, then keep the strongest ones.

The problem trains the mixture (`baselines.darts.relaxed`, `baselines.darts.bilevel`); here a cell is derived from its
weights by the published rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from baselines import checks
from baselines.checks import LIU, at_least, one_of
from baselines.registry import Method, register
from conas.genotype import Cell, Choice, Genotype
from conas.problem import Cost, Outcome, Problem
from conas.questions import Relaxed
from conas.settings import setting
from conas.space import ACTIVATIONS, EIGHT_OPERATIONS, FIVE_OPERATIONS, Space

NONE = "none"
OPERATION_SETS = {
    "five": FIVE_OPERATIONS,
    "eight": EIGHT_OPERATIONS,
    "recurrent": (NONE, *ACTIVATIONS),
}


@dataclass(frozen=True)
class DARTSSettings:
    """What is mixed and how a cell is derived.

    Attributes:
        operations: ``five`` (the paper's own run), ``eight`` (the original, with ``none``) or ``recurrent``.
        order: of the architecture's gradient, 1 or 2.
        inputs: inputs per node.
    """

    operations: str = setting("five", "Table 1: DARTS in the search space of five operations")
    order: int = setting(2, f"{LIU}, the better of its two")
    inputs: int = setting(2, f"{LIU}: two inputs per node, one in the recurrent cell")

    def __post_init__(self) -> None:
        one_of(self, "operations", OPERATION_SETS)
        one_of(self, "order", (1, 2))
        at_least(1, self, "inputs")


def check(space: Space, settings: DARTSSettings) -> None:
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


def search(problem: Problem, seed: int, settings: DARTSSettings) -> Outcome:
    """The cell derived from the trained relaxation; ``seed`` acts through the problem's training alone."""
    operations = OPERATION_SETS[settings.operations]
    shares = problem.ask(Relaxed(operations, settings.order))
    genotype = derive(problem.space, operations, shares, settings.inputs)
    return Outcome(genotype, {"shares": {cell: np.round(rows, 4).tolist() for cell, rows in shares.items()}})


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


METHOD = register(
    Method(
        "darts",
        "differentiable architecture search (Liu et al., 2018b)",
        search,
        DARTSSettings,
        frozenset({Relaxed}),
        lambda s: Cost(),
        {"text": {"operations": "recurrent", "inputs": 1}},
        check=check,
    )
)
