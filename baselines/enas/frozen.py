"""ENAS's controller on a one-shot model that is trained already: its search alone, at exactly CoNAS's measurements.

The weights are those of CoNAS's one-shot model, so that nothing but the search differs: the controller draws cells of
two inputs per node (recurrent: one), measures them, and learns from every few of them. The best cell of all that were
measured is the answer. With ``trained=wired`` the weights are trained on such cells, as those of random search with
weight sharing are.
"""

from dataclasses import dataclass
from typing import Literal

from baselines import as_conas, checks
from baselines.checks import ASSUMPTION, at_least, one_of, share
from baselines.enas.controller import LM, USUAL, Controlled, ControllerSettings
from baselines.history import History
from baselines.registry import Method, register
from baselines.wiring import Wired
from conas.oracle import OfEncoders
from conas.problem import Cost, Outcome, Problem
from conas.questions import OneShot
from conas.sampling import Bernoulli, Sampler
from conas.seeds import derive, generator
from conas.settings import setting

_TOLD = 10
"""How often the record says how sharp the controller is."""
OWN = f"{ASSUMPTION}: a thousand measurements are too few for the published steps; first trials on random polynomials"


@dataclass(frozen=True)
class FrozenSettings(ControllerSettings):
    """The controller, and how many cells are measured.

    Attributes:
        m: measurements.
        trained: the weights are those of CoNAS's model (``bernoulli``), or trained on cells as they are drawn
            (``wired``).
        p: as in CoNAS, of the training.
        connect: as in CoNAS, of the training.
    """

    temperature: float = setting(5.0, USUAL)
    source_tanh: float = setting(2.5, USUAL)
    operation_tanh: float = setting(2.5, USUAL)
    bias: float | None = setting(None, f"{USUAL}: nothing is preferred")
    prior: float | None = setting(None, f"{USUAL}: nothing is preferred")
    lr: float = setting(0.01, OWN)
    eps: float = setting(1e-8, OWN)
    decay: float = setting(0.9, OWN)
    baseline: Literal["zero", "first"] = setting("first", OWN)
    m: int = setting(1000, "as CoNAS, theorem 3.2")
    trained: Literal["bernoulli", "wired"] = setting("bernoulli", "as CoNAS: the same one-shot model")
    p: float = setting(0.5, "as CoNAS, section 3")
    connect: bool = setting(False, "as CoNAS, section 4.3 for the recurrent cell")

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "m")
        one_of(self, "trained", ("bernoulli", "wired"))
        share(self, "p")

    def sampler(self) -> Sampler:
        """How the weights are trained."""
        return Bernoulli(self.p, self.connect) if self.trained == "bernoulli" else Wired(self.inputs)


def search(problem: Problem, seed: int, settings: FrozenSettings) -> Outcome:
    """The best cell of all that were measured.

    Raises:
        NothingFinite: every measurement diverged.
    """
    space = problem.space
    history = History(problem.ask(OneShot(settings.sampler())), space)
    oracle = OfEncoders(lambda alphas, whole: history.ask(alphas))
    learning = Controlled(settings, 1).start(space, derive(seed, "enas, frozen"))
    told = []
    for first in range(0, settings.m, settings.samples):
        rng = generator(seed, "enas, frozen", first)
        told.append(learning.update(rng, oracle, min(settings.samples, settings.m - first)))
    sharp = [figures._asdict() for figures in told[:: -(-len(told) // _TOLD)]]
    return history.outcome({"policy_share": learning.share(), "policy": sharp})


METHOD = register(
    Method(
        "enas_frozen",
        "ENAS's controller on CoNAS's trained one-shot model",
        search,
        FrozenSettings,
        frozenset({OneShot}),
        lambda s: Cost(measurements=s.m),
        {
            **as_conas.SIZES,
            "text": {**as_conas.SIZES["text"], "inputs": 1, "near": 6.0, "reward": "inverse"},
            "smoke": {**as_conas.SIZES["smoke"], "samples": 5},
        },
        {"text": {"inputs": LM, "near": LM, "reward": LM, "connect": "section 4.3", "m": "as both stages of CoNAS"}},
        check=checks.inputs,
    )
)
