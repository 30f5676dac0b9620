"""A published cell taken as it is: no search, only the final training is run here."""

from dataclasses import dataclass

from baselines import genotypes
from baselines.registry import Method, register
from conas.problem import Cost, Outcome, Problem
from conas.settings import setting


@dataclass(frozen=True)
class FixedSettings:
    """Which cell.

    Attributes:
        genotype: its name in `baselines.genotypes`.
    """

    genotype: str = setting("darts_v2", "the cell behind the row DARTS of Tables 1 and 3")

    def __post_init__(self) -> None:
        genotypes.fixed(self.genotype)


def search(problem: Problem, seed: int, settings: FixedSettings) -> Outcome:
    """The published cell; ``seed`` decides nothing.

    Raises:
        ValueError: a cell of another kind than the problem's.
    """
    genotype, space = genotypes.fixed(settings.genotype), problem.space
    if set(genotype.cells) != set(space.cells) or genotype.inputs != space.inputs:
        raise ValueError(
            f"genotype {settings.genotype!r} has the cells {', '.join(genotype.cells)} with {genotype.inputs} inputs; "
            f"space {space.name!r} has {', '.join(space.cells)} with {space.inputs}"
        )
    return Outcome(genotype, {"name": settings.genotype, "source": genotypes.source(settings.genotype)})


METHOD = register(
    Method(
        "fixed",
        "a published cell, nothing searched",
        search,
        FixedSettings,
        frozenset(),
        lambda s: Cost(),
        {"text": {"genotype": "darts_v2_rnn"}},
    )
)
