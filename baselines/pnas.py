"""PNAS's search (Liu et al., 2018a): cells grow node by node, and a surrogate picks which grown cells are measured.

The cells of one node are measured; then, again and again, the best ones are grown by a node in every way, an ensemble
of small networks that learned all losses so far predicts those of the grown ones, and the most promising are measured.
The answer is the best whole cell. What is otherwise here: the one-shot model answers, and nothing is trained alone. The
nodes of all cells are filled in turn, since a normal and a reduction cell are searched, not one cell for both. A node
reads ``inputs`` distinct nodes, through one operation each; where every edge has exactly one operation, edges are
decided one after the other. A network that is not whole yet is measured as it would be built: with the repair operation
in what is left; one that is known already, as where an edge was given what repair would give it, is not measured again.
The surrogates are perceptrons on what is counted, instead of on learned embeddings that are averaged.
A level gets an equal share of the measurements that are left, where Liu et al. take 256.
"""

from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np

from baselines import as_conas, checks
from baselines.agreement import tau
from baselines.best_of_m import BestOfMSettings
from baselines.checks import ASSUMPTION, LIU, at_least, positive
from baselines.ensemble import Array, Ensemble, Shape
from baselines.history import History, rehearsal
from baselines.ranking import best, diverged, ranked
from baselines.registry import Method, register
from conas.problem import Cost, Outcome, Problem
from conas.questions import OneShot
from conas.seeds import generator
from conas.settings import setting
from conas.space import Alpha, Space

PNAS = f"{ASSUMPTION}: from memory of Liu et al. (2018a)"
Bits = tuple[int, ...]


@dataclass(frozen=True)
class Level:
    """A node to be filled, or an edge to be decided.

    Attributes:
        ways: the bits that are on, for each way to do it.
        left: the bits that are on if it is left to the repair rule.
    """

    ways: list[Bits]
    left: Bits


@dataclass(frozen=True)
class PnasSettings(BestOfMSettings):
    """As many measurements as CoNAS's, over all levels, and the surrogate.

    Attributes:
        inputs: inputs per node.
        grown: cells that are grown in every way, at most, on a level; of more, those with the least losses.
        members: networks of the ensemble.
        share: of the measurements, what each of them learns from.
        width: units of their hidden layer.
        epochs: each learns, on each level anew.
        batch: measurements of a step.
        lr: Adam's.
    """

    inputs: int = setting(2, f"{LIU}: two inputs per node, one in the recurrent cell; also of Liu et al. (2018a)")
    grown: int = setting(256, PNAS)
    members: int = setting(5, PNAS)
    share: float = setting(0.8, PNAS)
    width: int = setting(100, PNAS)
    epochs: int = setting(150, f"{ASSUMPTION}: as BANANAS; the paper trains an LSTM or a perceptron")
    batch: int = setting(32, f"{ASSUMPTION}: as BANANAS")
    lr: float = setting(0.01, f"{ASSUMPTION}: as BANANAS")

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "inputs", "grown", "members", "width", "epochs", "batch")
        if not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share} (allowed: more than 0, up to 1)")
        positive(self, "lr")

    @property
    def shape(self) -> Shape:
        """The ensemble's."""
        return Shape(self.members, 1, self.width, self.share, self.epochs, self.batch, self.lr)


def search(problem: Problem, seed: int, settings: PnasSettings) -> Outcome:
    """The whole cell with the least measured loss.

    Raises:
        NothingFinite: every whole cell diverged, or every cell of a level before.
    """
    space = problem.space
    history = History.of(problem, settings)
    every = levels(space, settings.inputs)
    cells: list[Bits] = [()]
    found: list[dict[str, Any]] = []
    for number, level in enumerate(every):
        size = (settings.m - len(history)) // (len(every) - number)
        grown = [cell + way for cell, way in product(cells, level.ways)]
        alphas = _built(space, grown, every[number + 1 :])
        predicted = _predicted(space, history, alphas, seed, settings) if number else None
        order = generator(seed, "first level").permutation(len(alphas)) if predicted is None else predicted
        picked = np.argsort(order, kind="stable")[:size]
        if len(new := history.new(alphas[picked])):
            history.ask(new)
        measured = history.recalled(alphas[picked])
        cells = [grown[picked[place]] for place in ranked(measured)[: settings.grown]]
        skill = None if predicted is None else tau(predicted[picked], measured)
        found.append({"grown": len(grown), "measured": len(new), "tau": skill})
    winner = best(measured)
    alpha = alphas[picked[winner]]
    details = {"alpha": space.format(alpha), "loss": float(measured[winner]), "levels": found}
    return Outcome(space.build(alpha), details | {"diverged": diverged(history.losses)})


def levels(space: Space, inputs: int) -> list[Level]:
    """By what cells grow: a node of every cell, then the next one of every cell; in an exclusive space edge by edge."""
    if space.exclusive:
        repair = space.operations.index(space.repair_operation)
        return [Level([(bit,) for bit in group], (group[repair],)) for group in space.groups]
    nodes = product(range(space.inputs, space.inputs + space.nodes), space.cells)
    return [_level(space, cell, target, inputs) for target, cell in nodes]


def _level(space: Space, cell: str, target: int, inputs: int) -> Level:
    """A node that reads ``inputs`` distinct nodes through one operation each, in every way."""
    repaired = space.encode(space.build(np.full(space.n, -1)))
    bits = [bit for bit, edge in enumerate(space.edges) if (edge.cell, edge.target) == (cell, target)]
    sources = combinations(np.array(bits).reshape(target, -1).tolist(), inputs)  # one list of operations each
    ways = [tuple(way) for read in sources for way in product(*read)]
    return Level(ways, tuple(bit for bit in bits if repaired[bit] > 0))


def _built(space: Space, cells: list[Bits], later: list[Level]) -> Alpha:
    """The encoders, shape (k, n), of ``cells`` as they would be built, ``later`` levels being left."""
    alphas = np.full((len(cells), space.n), -1, dtype=np.int8)
    alphas[np.arange(len(cells))[:, None], np.array(cells)] = 1
    alphas[:, [bit for level in later for bit in level.left]] = 1
    return alphas


def _predicted(space: Space, history: History, alphas: Alpha, seed: int, settings: PnasSettings) -> Array:
    """The ensemble's mean, shape (k,)."""
    learned, asked, losses = counted(space, history.alphas), counted(space, alphas), history.losses
    asked *= learned.any(axis=0)  # of what no measured cell has, nothing was learned
    return Ensemble(settings.shape, learned, losses, seed, "pnas", len(losses)).predict(asked).mean(axis=0)


def counted(space: Space, alphas: Alpha) -> Array:
    """What the surrogate sees of ``alphas``, shape (k, n): the bits that are on, and how often each operation is read
    from each source, in every cell and in all, so that a new node is not new altogether; shape (k, features)."""
    columns: dict[tuple[Any, ...], Array] = {}
    for bit, (cell, source, _, operation) in enumerate(space.edges):
        for feature in ((bit,), (cell, source, operation), (source, operation)):
            columns.setdefault(feature, np.zeros(space.n))[bit] = 1
    return (alphas > 0).astype(np.float64) @ np.stack(list(columns.values()), axis=1)


def check(space: Space, settings: PnasSettings) -> None:
    """Refuse more inputs than the first node can have, and fewer measurements than there are levels.

    Raises:
        ValueError: one line that names the setting and what is allowed.
    """
    checks.inputs(space, settings)
    count = len(space.groups) or space.nodes * len(space.cells)
    if settings.m < count:
        raise ValueError(f"m is {settings.m} (allowed: {count} and more, one for each level of {space.name!r})")


METHOD = register(
    Method(
        "pnas",
        "cells grown node by node, chosen by a surrogate, on one-shot measurements (Liu et al., 2018a)",
        search,
        PnasSettings,
        frozenset({OneShot}),
        lambda s: Cost(measurements=s.m),
        {
            **as_conas.SIZES,
            "text": {**as_conas.SIZES["text"], "inputs": 1},
            "smoke": {"m": 30, "epochs": 50},
            "laptop": {"batch": 200, "grown": 64},
            "laptop/text": {"m": 600, "grown": 32},
        },
        {"text": {**as_conas.SOURCES["text"], "inputs": f"{ASSUMPTION}: as DARTS"}},
        check=check,
        rehearsal=rehearsal,
    )
)
