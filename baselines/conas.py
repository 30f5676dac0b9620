"""CoNAS itself, Algorithm 1 of the paper, among the methods that it is compared with."""

from typing import Any

from baselines import checks
from baselines.registry import Method, register
from conas.algorithm import Settings, search
from conas.problem import Cost, Kinds
from conas.questions import OneShot, StandAlone

SIZES: dict[str, dict[str, Any]] = {
    "text": {"t": 2, "s": (10, 5), "connect": True},
    "smoke": {"m": 30},
    "laptop/text": {"m": 300},
    "release/image": {"m": 3000, "s": 12, "lambda_": 20.0, "threshold": 1.5, "ties": "first_bit_fastest"},
}
SOURCES = {
    "text": {
        "m": "appendix A.7: 1,000 measurements of each stage",
        "s": "section 4.3",
        "d": "assumption: section 4.3 does not say; as on CIFAR-10",
        "t": "section 4.3",
        "lambda_": "assumption: section 4.3 does not say; as on CIFAR-10",
        "connect": "section 4.3",
    }
}


def budget(settings: Settings) -> Cost:
    """What ``t`` stages ask for; less if a stage decides every bit or none."""
    if settings.oracle == "stand_alone":
        return Cost(stand_alone_epochs=settings.m * settings.t * settings.epochs)
    return Cost(measurements=settings.m * settings.t)


def needs(settings: Settings) -> Kinds:
    """What the chosen oracle asks for."""
    return frozenset({StandAlone if settings.oracle == "stand_alone" else OneShot})


METHOD = register(
    Method(
        "conas",
        "sparse recovery of the one-shot loss (Algorithm 1)",
        search,
        Settings,
        needs,
        budget,
        SIZES,
        SOURCES,
        longest=lambda s: s.epochs if s.oracle == "stand_alone" else 0,
        check=checks.degree,
    )
)
