"""How cells grow, what is measured on every level, and what the surrogate gains."""

import numpy as np
import pytest

from baselines.pnas import METHOD, PnasSettings, levels
from baselines.wiring import Wired
from conas.oracle import Function
from conas.problem import Cost
from conas.questions import OneShot, OneShotModel
from conas.seeds import generator
from conas.space import space


@pytest.mark.parametrize(
    ("name", "inputs", "ways"),
    [
        ("cnn", 2, [25, 25, 75, 75, 150, 150, 250, 250]),
        ("rnn", 1, [4 * target for target in range(1, 9)]),
        ("nasbench201", 2, [5] * 6),
    ],
)
def test_every_way_to_fill_a_node_is_there_once(name: str, inputs: int, ways: list[int]) -> None:
    found = levels(space(name), inputs)
    assert [len(level.ways) for level in found] == ways
    assert [len(set(level.ways)) for level in found] == ways
    assert all(len(level.left) == 1 for level in found)


class Watched:
    """A problem that keeps what is measured, call by call."""

    answers = frozenset({OneShot})

    def __init__(self, name: str, loss) -> None:
        self.space, self.cost, self.loss = space(name), Cost(), loss
        self.measured: list[np.ndarray] = []

    def ask(self, question: OneShot) -> OneShotModel:
        return OneShotModel(Function(self._losses), question.policy.start(self.space, 0))

    def _losses(self, alphas: np.ndarray, whole: bool) -> np.ndarray:
        self.measured.append(alphas)
        return self.loss(alphas)


@pytest.mark.parametrize("name", ["cnn-figure2", "rnn"])
def test_what_is_measured_is_what_would_be_built_and_the_answer_is_whole(name: str) -> None:
    of, inputs = space(name), space(name).inputs
    watched = Watched(name, lambda alphas: (alphas > 0) @ np.arange(of.n, dtype=np.float64))
    outcome = METHOD(watched, 0, PnasSettings(m=60, inputs=inputs, epochs=5))
    assert sum(map(len, watched.measured)) <= 60
    assert len(watched.measured) == of.nodes * len(of.cells) == len(outcome.details["levels"])
    for number, alphas in enumerate(watched.measured, start=1):
        assert len(np.unique(alphas, axis=0)) == len(alphas)
        for alpha in alphas:
            assert (of.encode(of.build(alpha)) == alpha).all()
            nodes = [node for cell in of.decode(alpha).cells.values() for node in cell.nodes]
            assert inputs == 1 or sum(len(node) == 1 for node in nodes) == len(nodes) - number
    assert all(len(node) == inputs for cell in outcome.genotype.cells.values() for node in cell.nodes)


def test_on_a_loss_that_operations_make_everywhere_alike_the_surrogate_ranks_new_nodes_and_wins() -> None:
    of = space("cnn")
    kinds = [(edge.source, edge.operation) for edge in of.edges]
    worth = dict(zip(sorted(set(kinds)), generator(0, "worth").normal(size=25), strict=True))
    weights = np.array([worth[kind] for kind in kinds])
    watched = Watched("cnn", lambda alphas: (alphas > 0) @ weights)
    ours = METHOD(watched, 0, PnasSettings(m=200, epochs=60, batch=200, grown=20)).details
    assert sum(map(len, watched.measured)) == 200
    random = np.stack([Wired(2)(of, generator(0, "cells", k)) for k in range(200)])
    assert ours["loss"] < ((random > 0) @ weights).min()
    assert ours["levels"][0]["measured"] == 25
    assert np.mean([level["tau"] for level in ours["levels"][1:]]) > 0.2


def test_fewer_measurements_than_levels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"m is 7 \(allowed: 8 and more, one for each level of 'rnn'\)"):
        METHOD(Watched("rnn", np.sum), 0, PnasSettings(m=7, inputs=1))
