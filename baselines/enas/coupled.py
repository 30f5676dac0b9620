"""ENAS (Pham et al., 2018): a controller that learns while the shared weights are trained.

Every minibatch trains the weights of a cell that the controller draws; after every epoch the controller makes its
updates, each by a few cells measured on one minibatch of validation data. In the end a few cells are drawn, and the
best of them on one minibatch is the answer. The published micro search squashes the logits so much that its controller
cannot become sure of anything: the figures of every epoch say how sharp it is.

Departures from the released code: the space is the paper's (four nodes instead of five, all of them concatenated, and
no 1x1 convolutions on the way there); the inputs of a node are distinct; the cells of one update share a minibatch; the
weights' learning rate is one cosine, without restarts, Nesterov's momentum, dropout and auxiliary head. Of recurrent
cells, the anchors and the operations' logits are those of micro search, the entropy is exact, and the weights belong to
nodes, not to pairs of a source and an operation.
"""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from baselines import checks, equal_time
from baselines.checks import ASSUMPTION, at_least
from baselines.enas.controller import LM, RECURRENT, SEARCH, Controlled, ControllerSettings
from baselines.ranking import best, diverged
from baselines.registry import Method, register
from conas.problem import Cost, Outcome, Problem
from conas.questions import OneShot
from conas.seeds import generator
from conas.settings import setting

if TYPE_CHECKING:
    from baselines.enas.learning import Learning


@dataclass(frozen=True)
class ENASSettings(ControllerSettings):
    """The controller, and how often it is asked.

    Attributes:
        updates: of the controller after every epoch.
        candidates: cells that are measured in the end.
        device_seconds: training takes this long, whatever its epochs; ``conas``: as long as CoNAS's search under the
            same seed (the harness knows how long that was).
    """

    updates: int = setting(30, SEARCH)
    candidates: int = setting(10, f"{SEARCH}: as many are printed after an epoch; {ASSUMPTION}: the best of them")

    device_seconds: float | Literal["conas"] | None = setting(None, f"{SEARCH}: training ends with its epochs")

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "updates", "candidates")
        equal_time.device_seconds(self.device_seconds)


def policy(settings: ENASSettings) -> Controlled:
    """The controller that ``settings`` describe."""
    kept = {field.name: getattr(settings, field.name) for field in fields(ControllerSettings)}
    return Controlled(ControllerSettings(**kept), settings.updates)


def question(settings: ENASSettings) -> OneShot:
    """The training that ``settings`` describe.

    Raises:
        ValueError: ``device_seconds`` is not a number.
    """
    given = settings.device_seconds
    if isinstance(given, str):
        raise ValueError(f"device_seconds is {given!r} (allowed here: a number)")
    return OneShot(policy(settings), given, to_the_limit=given is not None)


def search(problem: Problem, seed: int, settings: ENASSettings) -> Outcome:
    """The best of the cells that the controller draws in the end.

    Raises:
        NothingFinite: every one of them diverged.
        ValueError: ``device_seconds`` is not a number.
    """
    space, started = problem.space, problem.cost.seconds
    model = problem.ask(question(settings))
    learned, rng = cast("Learning", model.policy), generator(seed, "enas")
    alphas = np.stack([learned.draw(rng) for _ in range(settings.candidates)])
    losses = model.measure(alphas)
    winner = best(losses)
    details = {
        "alpha": space.format(alphas[winner]),
        "loss": float(losses[winner]),
        "diverged": diverged(losses),
        "policy_share": learned.share(),
    }
    if isinstance(given := settings.device_seconds, float | int):
        details |= equal_time.reached("ENAS", given, problem.cost.seconds - started)
    return Outcome(space.build(alphas[winner]), details)


METHOD = register(
    Method(
        "enas",
        "a controller that learns with the one-shot model (Pham et al., 2018)",
        search,
        ENASSettings,
        frozenset({OneShot}),
        lambda s: Cost(measurements=s.candidates),
        {
            "text": RECURRENT | {"updates": 25},
            "smoke": {"updates": 2, "samples": 4, "candidates": 4},
            "laptop": {"updates": 10},
        },
        {"text": dict.fromkeys((*RECURRENT, "updates"), LM)},
        check=checks.inputs,
        learns=True,
    )
)
