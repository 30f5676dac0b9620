"""Harmonica (Hazan et al., 2017): sparse recovery in stages, then random search in what is left.

CoNAS's closest relative: the same recovery and restriction, but the answer is the best network that was ever measured,
and a base search (random search here, one of the authors' two) looks for it once the important bits are fixed. Hazan
et al. train every sample on its own; here the one-shot model answers, so that the searches differ and not the oracles.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from baselines import checks
from baselines.as_conas import CONNECT
from baselines.checks import ASSUMPTION, at_least, share
from baselines.ranking import best
from baselines.registry import Method, register
from conas.algorithm import TooFewLosses
from conas.measurements import Measurements, measure
from conas.oracle import Oracle
from conas.problem import Cost, Outcome, Problem
from conas.questions import OneShot
from conas.recovery.minimiser import minimise
from conas.recovery.solve import lasso
from conas.sampling import Bernoulli
from conas.seeds import generator
from conas.settings import setting
from conas.space import Space

HAZAN = "Hazan et al. (2017), released code"


@dataclass(frozen=True)
class HarmonicaSettings:
    """Stages, measurements and polynomials.

    Attributes:
        stages: of recovery.
        samples: measurements in each stage.
        final: measurements of the random search at the end.
        d: largest degree of a monomial.
        s: monomials kept in each stage, beside the constant.
        lambda_: Lasso penalty, ||y - Ax||^2 + lambda ||x||_1, on losses whose mean is taken off.
        p: probability of an edge to be on while the one-shot model is trained.
        connect: give empty nodes a random edge while it is trained.
    """

    stages: int = setting(3, HAZAN)
    samples: int = setting(300, HAZAN)
    final: int = setting(100, HAZAN)
    d: int = setting(3, HAZAN)
    s: int = setting(5, HAZAN)
    lambda_: float = setting(1.0, f"{ASSUMPTION}: as CoNAS; the authors' penalty belongs to losses in percent")
    p: float = setting(0.5, "as CoNAS, section 3")
    connect: bool = setting(False, "as CoNAS, section 4.3 for the recurrent cell")

    def __post_init__(self) -> None:
        at_least(1, self, "stages", "final", "d", "s")
        at_least(2, self, "samples")
        if not self.lambda_ > 0:
            raise ValueError(f"lambda is {self.lambda_} (allowed: any positive number)")
        share(self, "p")


def search(problem: Problem, seed: int, settings: HarmonicaSettings) -> Outcome:
    """The best network of all that were measured.

    Raises:
        ValueError: a degree above the number of bits.
        TooFewLosses: a stage has fewer than two finite losses.
    """
    space = problem.space
    oracle = problem.ask(OneShot(Bernoulli(settings.p, settings.connect)))
    fixed: dict[int, int] = {}
    seen: list[Measurements] = []
    found: list[list[dict[str, Any]]] = []
    for stage in range(settings.stages):
        seen.append(_sample(oracle, space, seed, stage, settings.samples, fixed))
        losses = seen[-1].losses
        if len(losses) < 2:
            raise TooFewLosses(f"stage {stage + 1}: {len(losses)} of {settings.samples} losses are finite (needed: 2)")
        g = lasso(seen[-1].alphas, losses - losses.mean(), settings.d, settings.lambda_).polynomial
        g = g.top(settings.s, constant_counts=False)
        fixed |= minimise(g, space.groups).assignment
        found.append(g.to_json([str(edge) for edge in space.edges]))
        if len(fixed) == space.n:
            break
    left = settings.final if len(fixed) < space.n else 1
    seen.append(_sample(oracle, space, seed, settings.stages, left, fixed))
    return _outcome(space, seen, {"fixed": len(fixed), "monomials": found})


def _sample(oracle: Oracle, space: Space, seed: int, stage: int, size: int, fixed: dict[int, int]) -> Measurements:
    rng = generator(seed, "harmonica", stage)
    return measure(oracle, space, rng, size, 0.5, fixed, Measurements.none(space.n))


def _outcome(space: Space, seen: list[Measurements], details: dict[str, Any]) -> Outcome:
    alphas = np.concatenate([part.alphas for part in seen])
    losses = np.concatenate([part.losses for part in seen])
    winner = best(losses)
    facts = {
        "alpha": space.format(alphas[winner]),
        "loss": float(losses[winner]),
        "diverged": sum(part.dropped for part in seen),
        "stage_means": [float(part.losses.mean()) for part in seen if len(part.losses)],
    }
    return Outcome(space.build(alphas[winner]), facts | details)


METHOD = register(
    Method(
        "harmonica",
        "sparse recovery in stages, then random search in what is left (Hazan et al., 2017)",
        search,
        HarmonicaSettings,
        frozenset({OneShot}),
        lambda s: Cost(measurements=s.stages * s.samples + s.final),
        {
            "text": {"connect": True},
            "smoke": {"samples": 10, "final": 5},
            "laptop": {"samples": 80, "final": 60},
            "laptop/text": {"samples": 30, "final": 10},
        },
        {"text": {"connect": CONNECT}},
        check=checks.degree,
    )
)
