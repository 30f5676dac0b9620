"""Random search by a score of untrained networks: NASWOT (Mellor et al., 2021) and synflow (Abdelfattah et al., 2021).

Nothing is trained. A search that needs a one-shot model should do better than these. Cells are drawn as random search
draws them: both scores tend to rise with every operation that is added, and would otherwise choose the largest network.
"""

from dataclasses import dataclass
from functools import partial

from baselines import checks
from baselines.checks import ASSUMPTION, LIU, at_least
from baselines.ranking import best, diverged
from baselines.registry import Method, register
from baselines.wiring import Wired, draw
from conas.problem import Cost, Outcome, Problem
from conas.questions import Untrained
from conas.seeds import generator
from conas.settings import setting

MELLOR = "Mellor et al. (2021), BayesWatch/nas-without-training"


@dataclass(frozen=True)
class ZeroCostSettings:
    """Which cells are scored.

    Attributes:
        m: cells.
        inputs: inputs per node.
    """

    m: int = setting(1000, f"{ASSUMPTION}: as many as CoNAS measures")
    inputs: int = setting(2, f"{LIU}: two inputs per node")

    images = 1
    """The ones that synflow sees."""

    def __post_init__(self) -> None:
        at_least(1, self, "m", "inputs")


@dataclass(frozen=True)
class NaswotSettings(ZeroCostSettings):
    """The same.

    Attributes:
        images: whose codes are compared.
    """

    images: int = setting(128, MELLOR)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(2, self, "images")


def search(score: str, problem: Problem, seed: int, settings: ZeroCostSettings) -> Outcome:
    """The random cell with the highest score.

    Raises:
        NothingFinite: no score is finite.
    """
    space = problem.space
    alphas = draw(Wired(settings.inputs), space, generator(seed, "zero cost"), settings.m)
    losses = problem.ask(Untrained(score, settings.images)).measure(alphas)
    winner = best(losses)
    details = {"alpha": space.format(alphas[winner]), "score": -float(losses[winner]), "diverged": diverged(losses)}
    return Outcome(space.build(alphas[winner]), details)


def _method(score: str, summary: str, settings: type) -> Method:
    return Method(
        score,
        summary,
        partial(search, score),
        settings,
        frozenset({Untrained}),
        lambda s: Cost(measurements=s.m),
        {"smoke": {"m": 10}, "laptop": {"m": 100}},
        check=checks.inputs,
        tasks=("image",),
    )


NASWOT = register(
    _method(
        "naswot", "random cells by how an untrained network's rectifiers respond (Mellor et al., 2021)", NaswotSettings
    )
)
register(
    _method(
        "synflow", "random cells by an untrained network's synaptic flow (Abdelfattah et al., 2021)", ZeroCostSettings
    )
)
