"""ProxylessNAS by REINFORCE (Cai et al., 2019): the logits of the paths learn while the shared weights are trained.

Every minibatch trains the weights of a cell that is drawn by the logits; after every epoch a few cells at a time are
measured on one minibatch of validation data, and the logits follow the gradient of the expected reward. The likeliest
paths are the answer.

The search on CIFAR-10 was never released; what is said of the released code is its search on ImageNet. There every edge
exists and one of its operations is chosen. Here a node reads two of its edges (recurrent: one), so all paths of a node
share one softmax: its second path is drawn among the other edges. An exclusive space has the published rule. Further
departures: the updates of an epoch follow it instead of being spread over it, as an option of the released code has it,
the first epoch's are not left out, and there is no warm-up before.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from baselines import checks
from baselines.checks import ASSUMPTION, at_least, one_of, positive, share
from baselines.registry import Method, register
from baselines.rewards import REWARDS, recorded
from conas.oracle import Oracle
from conas.problem import Cost, Outcome, Problem
from conas.questions import OneShot
from conas.sampling import Policy
from conas.seeds import generator
from conas.settings import setting
from conas.space import Alpha, Array, Space

CAI = "Cai et al. (2019), released code"


@dataclass(frozen=True)
class Paths(Policy):
    """Logits of all paths, one per bit, and how they learn. The settings of the method, too.

    Attributes:
        inputs: inputs per node.
        updates: after every epoch.
        samples: cells of one update, measured on one minibatch.
        deviation: of the logits at the start, whose mean is 0.
        lr: of Adam, with its ``betas`` and ``eps``.
        decay: what an update leaves of the baseline, which starts at the first mean reward.
        reward: see `baselines.rewards`.
    """

    inputs: int = setting(2, f"{ASSUMPTION}: two inputs per node, one in the recurrent cell, as DARTS")
    updates: int = setting(30, f"{ASSUMPTION}: as ENAS; the released code has 300 on epochs fifty times as long")
    samples: int = setting(10, CAI)
    deviation: float = setting(1e-3, CAI)
    lr: float = setting(0.01, f"{ASSUMPTION}: from memory of Cai et al. (2019); the released code has 0.001")
    betas: tuple[float, float] = setting((0.0, 0.999), CAI)
    eps: float = setting(1e-8, CAI)
    decay: float = setting(0.01, f"{CAI}: its decay weight of 0.99 is the weight of the new mean")
    reward: Literal["complement", "inverse"] = setting("complement", f"{CAI}: the accuracy")

    def __post_init__(self) -> None:
        at_least(1, self, "inputs", "updates", "samples")
        one_of(self, "reward", REWARDS)
        positive(self, "deviation", "lr", "eps")
        share(self, "decay")
        checks.adam(self, "betas")

    def start(self, space: Space, seed: int) -> "Learning":
        """All paths are about even."""
        return Learning(self, space, seed)

    @property
    def measurements(self) -> int:
        """Those of all updates."""
        return self.updates * self.samples


class Drawn(NamedTuple):
    """A cell, or a pair of them.

    Attributes:
        alpha: its encoder, shape (n,).
        log_probability: of all choices, in nats.
        gradient: of the log probability, shape (n,).
        entropies: of every choice, in nats.
    """

    alpha: Alpha
    log_probability: float
    gradient: Array
    entropies: list[float]


class Learning:
    """Running logits, shape (n,)."""

    def __init__(self, policy: Paths, space: Space, seed: int) -> None:
        self._policy, self._space, self._seed = policy, space, seed
        self.logits = generator(seed, "paths").normal(0, policy.deviation, space.n)
        self._moments = np.zeros((2, space.n))
        self._steps = 0
        self._baseline: float | None = None

    def draw(self, rng: np.random.Generator) -> Alpha:
        """One encoder, shape (n,)."""
        return self.choose(rng).alpha

    def choose(self, rng: np.random.Generator | None) -> Drawn:
        """Paths by their probability, or the likeliest ones without a generator."""
        alpha, gradient = np.full(self._space.n, -1, dtype=np.int8), np.zeros(self._space.n)
        log_probability, entropies = 0.0, []
        for bits, picks in self._groups():
            free = np.ones(len(bits), dtype=bool)
            for _ in range(picks):
                logs = log_softmax(np.where(free, self.logits[bits], -1e9))
                probabilities = np.exp(logs)
                chosen = int(probabilities.argmax() if rng is None else rng.choice(len(bits), p=probabilities))
                alpha[bits[chosen]] = 1
                gradient[bits] -= probabilities
                gradient[bits[chosen]] += 1
                log_probability += float(logs[chosen])
                entropies.append(-float(probabilities @ logs))
                free &= np.arange(len(bits)) // self._width != chosen // self._width
        return Drawn(alpha, log_probability, gradient, entropies)

    @property
    def _width(self) -> int:
        return len(self._space.operations)

    def _groups(self) -> list[tuple[NDArray[np.int64], int]]:
        """Bits that share a softmax, and how many of them are chosen."""
        space = self._space
        if space.exclusive:
            return [(np.array(group), 1) for group in space.groups]
        sizes = [
            target * self._width for _ in space.cells for target in range(space.inputs, space.inputs + space.nodes)
        ]
        return [(bits, self._policy.inputs) for bits in np.split(np.arange(space.n), np.cumsum(sizes)[:-1])]

    def epoch_ended(self, epoch: int, oracle: Oracle) -> dict[str, float]:
        """All updates of an epoch; means over them, the last baseline, and how sharp the logits are now."""
        rngs = (generator(self._seed, "paths' update", epoch, update) for update in range(self._policy.updates))
        reward, entropy = np.mean([self._update(rng, oracle) for rng in rngs], axis=0).tolist()
        return recorded(reward, self._baseline or 0.0, entropy, self.share())

    def _update(self, rng: np.random.Generator, oracle: Oracle) -> tuple[float, float]:
        """One step; the mean reward and entropy. Cells without a finite reward count for nothing."""
        drawn = [self.choose(rng) for _ in range(self._policy.samples)]
        rewards = REWARDS[self._policy.reward](oracle.measure(np.stack([one.alpha for one in drawn])))
        finite = np.isfinite(rewards)
        entropy = float(np.mean([one.entropies for one in drawn]))
        if not finite.any():
            return 0.0, entropy
        mean = float(rewards[finite].mean())
        kept = mean if self._baseline is None else self._baseline
        self._baseline = mean + self._policy.decay * (kept - mean)
        gradients = np.stack([one.gradient for one in drawn])[finite]
        self._ascend((rewards[finite] - self._baseline) @ gradients / finite.sum())
        return mean, entropy

    def _ascend(self, gradient: Array) -> None:
        """A step of Adam along ``gradient``."""
        self._steps += 1
        betas = np.array(self._policy.betas)
        powers = np.stack([gradient, gradient**2])
        self._moments = betas[:, None] * self._moments + (1 - betas)[:, None] * powers
        first, second = self._moments / (1 - betas**self._steps)[:, None]
        self.logits += self._policy.lr * first / (np.sqrt(second) + self._policy.eps)

    def share(self) -> float:
        """The probability of the likeliest paths."""
        return float(np.exp(self.choose(None).log_probability))

    def state_dict(self) -> dict[str, Any]:
        """Logits, moments, steps and the baseline."""
        return {
            "logits": self.logits.tolist(),
            "moments": self._moments.tolist(),
            "steps": self._steps,
            "baseline": self._baseline,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.logits, self._moments = np.array(state["logits"]), np.array(state["moments"])
        self._steps, self._baseline = state["steps"], state["baseline"]


def search(problem: Problem, seed: int, settings: Paths) -> Outcome:
    """The likeliest paths."""
    learned = cast(Learning, problem.ask(OneShot(settings)).policy)
    likeliest, space = learned.choose(None), problem.space
    details = {
        "alpha": space.format(likeliest.alpha),
        "policy_share": learned.share(),
        "policy_entropy": float(np.mean(likeliest.entropies)),
    }
    return Outcome(space.build(likeliest.alpha), details)


METHOD = register(
    Method(
        "proxylessnas_r",
        "path logits that learn with the one-shot model by REINFORCE (Cai et al., 2019)",
        search,
        Paths,
        frozenset({OneShot}),
        lambda s: Cost(),
        {
            "text": {"inputs": 1, "reward": "inverse"},
            "smoke": {"updates": 2, "samples": 4},
            "laptop": {"updates": 10},
        },
        {"text": {"inputs": f"{ASSUMPTION}: as DARTS", "reward": f"{ASSUMPTION}: as ENAS"}},
        check=checks.inputs,
        learns=True,
    )
)
