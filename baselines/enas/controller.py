"""ENAS's controller as a policy: an LSTM that decides a cell node by node and learns by REINFORCE (Pham et al., 2018).

Here are its settings and its description; the LSTM, which needs torch, is in `baselines.enas.lstm`.
"""

from dataclasses import asdict, dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from baselines.checks import ASSUMPTION, adam, at_least, one_of, positive, share
from baselines.rewards import REWARDS
from conas.sampling import Policy
from conas.settings import setting
from conas.space import Space

if TYPE_CHECKING:
    from baselines.enas.learning import Learning

PHAM = "Pham et al. (2018), released code"
LM = "Pham et al. (2018), corrected released code (enas_lm)"
SEARCH = f"{PHAM}, micro search"
USUAL = "Dong & Yang (2020), released code: ENAS on NAS-Bench-201"
_SIZES = ("inputs", "units", "samples")
_POSITIVE = ("temperature", "source_tanh", "operation_tanh", "bias", "prior", "near", "init", "lr", "eps", "entropy")


@dataclass(frozen=True)
class ControllerSettings:
    """The LSTM, its distributions, and how it learns.

    Attributes:
        inputs: inputs per node.
        units: of the LSTM.
        temperature: logits are divided by it.
        source_tanh: the largest logit of a source, to which a hyperbolic tangent squashes all of them.
        operation_tanh: that of an operation.
        bias: of the convolutions' logits, before they are squashed, at the start; it is learned. None if nothing.
        prior: added to the convolutions' logits in the first cell, taken off all others'; never learned.
        near: squared distance of a source that costs a logit of one; None if all distances are alike.
        init: parameters start uniformly between minus and plus this.
        samples: cells of one update, measured on one minibatch.
        lr: of Adam, with its ``betas`` and ``eps``.
        entropy: weight of the entropy in the reward.
        decay: what a reward leaves of the baseline.
        baseline: where it starts, at ``zero`` or at the mean of the ``first`` rewards.
        reward: see `baselines.rewards`.
    """

    inputs: int = setting(2, f"{SEARCH}; {ASSUMPTION}: from distinct nodes, as in DARTS and RSWS")
    units: int = setting(64, SEARCH)
    temperature: float = setting(1.0, f"{SEARCH}: none")
    source_tanh: float = setting(1.1, SEARCH)
    operation_tanh: float = setting(0.44, f"{SEARCH}: 1.1 / 2.5")
    bias: float | None = setting(10.0, SEARCH)
    prior: float | None = setting(0.25, SEARCH)
    near: float | None = setting(None, f"{SEARCH}: none")
    init: float = setting(0.1, SEARCH)
    samples: int = setting(10, SEARCH)
    lr: float = setting(0.0035, SEARCH)
    betas: tuple[float, float] = setting((0.0, 0.999), SEARCH)
    eps: float = setting(1e-3, SEARCH)
    entropy: float | None = setting(1e-4, SEARCH)
    decay: float = setting(0.99, SEARCH)
    baseline: Literal["zero", "first"] = setting("zero", SEARCH)
    reward: Literal["complement", "inverse"] = setting("complement", f"{SEARCH}: the accuracy")

    def __post_init__(self) -> None:
        at_least(1, self, *_SIZES)
        one_of(self, "baseline", ("zero", "first"))
        one_of(self, "reward", REWARDS)
        positive(self, *(name for name in _POSITIVE if getattr(self, name) is not None))
        share(self, "decay")
        adam(self, "betas")


RECURRENT: dict[str, Any] = {
    "inputs": 1,
    "temperature": 5.0,
    "source_tanh": 2.25,
    "operation_tanh": 2.25,
    "bias": None,
    "prior": None,
    "near": 6.0,
    "init": 0.01,
    "lr": 5e-5,
    "betas": (0.9, 0.999),
    "eps": 1e-8,
    "entropy": 1e-5,
    "decay": 0.999,
    "reward": "inverse",
}
"""Where the controller of recurrent cells differs."""


@dataclass(frozen=True)
class Controlled(Policy):
    """The controller draws; after every epoch it makes ``updates`` updates."""

    controller: ControllerSettings
    updates: int

    def start(self, space: Space, seed: int) -> "Learning":
        """A controller that has learned nothing."""
        learning: Learning = import_module("baselines.enas.learning").Learning(self, space, seed)
        return learning

    @property
    def measurements(self) -> int:
        """Those of all updates."""
        return self.updates * self.controller.samples

    def identity(self) -> dict[str, Any]:
        """Its name and all settings."""
        return {"sampler": type(self).__name__, **asdict(self)}
