"""A cell taken as it is, a published one or one's own: no search, only the final training is run here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from baselines import genotypes
from baselines.registry import Method, register
from conas import cells
from conas.genotype import Genotype
from conas.names import unknown
from conas.problem import Cost, Outcome, Problem
from conas.settings import setting
from conas.space import ACTIVATIONS, Space


@dataclass(frozen=True)
class FixedSettings:
    """Which cell.

    Attributes:
        genotype: its name in `baselines.genotypes`; or a cell of one's own: JSON, such as the genotype.json of a run,
            the notation of DARTS, or the path of a file with one of them. It is kept as its name or as JSON.
    """

    genotype: str | Mapping[str, Any] = setting("darts_v2", "the cell behind the row DARTS of Tables 1 and 3")

    def __post_init__(self) -> None:
        object.__setattr__(self, "genotype", genotypes.canonical(self.genotype))

    @property
    def cells(self) -> Genotype:
        """The cell as data."""
        return genotypes.named_or_own(str(self.genotype))


def check(space: Space, settings: FixedSettings) -> None:
    """Refuse a cell of another kind than the space's, or with an operation that there is not.

    Raises:
        ValueError: one line that says where.
    """
    genotype = settings.cells
    if set(genotype.cells) != set(space.cells) or genotype.inputs != space.inputs:
        name = repr(settings.genotype) if settings.genotype in genotypes.names() else "of one's own"
        raise ValueError(
            f"genotype {name} has the cells {', '.join(genotype.cells)} with {genotype.inputs} inputs; "
            f"space {space.name!r} has {', '.join(space.cells)} with {space.inputs}"
        )
    if settings.genotype in genotypes.names():
        return
    allowed = ACTIVATIONS if set(space.cells) == {"recurrent"} else _convolutional()
    for name, cell in genotype.cells.items():
        for target, node in enumerate(cell.nodes, start=genotype.inputs):
            if not node:
                raise ValueError(f"genotype, {name} cell, node {target}: it reads nothing")
            for choice in node:
                if choice.operation not in allowed:
                    said = unknown("operation", choice.operation, allowed)
                    raise ValueError(f"genotype, {name} cell, node {target}: {said}")


def _convolutional() -> Iterable[str]:
    from conas.cnn.operations import OPERATIONS

    return OPERATIONS


def search(problem: Problem, seed: int, settings: FixedSettings) -> Outcome:
    """The cell; ``seed`` decides nothing.

    Raises:
        ValueError: a cell of another kind than the problem's.
    """
    check(problem.space, settings)
    name = str(settings.genotype)
    source = cells.source(name) if name in genotypes.names() else "given by the user"
    return Outcome(settings.cells, {"name": name, "source": source})


METHOD = register(
    Method(
        "fixed",
        "a published cell, nothing searched",
        search,
        FixedSettings,
        frozenset(),
        lambda s: Cost(),
        {"text": {"genotype": "darts_v2_rnn"}},
        check=check,
    )
)
