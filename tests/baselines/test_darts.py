import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.relaxations.darts import METHOD, DARTSSettings, Softmax
from baselines.relaxations.method import OPERATION_SETS, derive
from baselines.relaxations.models import pairs
from conas.genotype import Choice
from conas.problem import Cost
from conas.questions import Relaxed
from conas.space import space


def shares(name: str, operations: tuple[str, ...], rng: np.random.Generator) -> dict[str, np.ndarray]:
    of = space(name)
    return {cell: rng.dirichlet(np.ones(len(operations)), size=len(pairs(of))) for cell in of.cells}


@given(st.sampled_from([("cnn", "five", 2), ("cnn", "eight", 2), ("rnn", "recurrent", 1)]), st.integers(0, 2**31))
@settings(max_examples=40)
def test_the_strongest_edges_and_operations_are_kept(case, seed) -> None:
    name, kind, inputs = case
    of, operations = space(name), OPERATION_SETS[kind]
    weights = shares(name, operations, np.random.default_rng(seed))
    genotype = derive(of, operations, weights, inputs)
    for cell, rows in weights.items():
        edges = dict(zip(pairs(of), rows, strict=True))
        for target, node in enumerate(genotype.cells[cell].nodes, start=of.inputs):
            offers = [
                (max((w, op) for w, op in zip(edges[source, target], operations, strict=True) if op != "none"), source)
                for source in range(target)
            ]
            strongest = sorted(offers, reverse=True)[:inputs]
            assert set(node) == {Choice(op, source) for (_, op), source in strongest}


def test_none_decides_how_strong_an_edge_is_but_is_never_kept() -> None:
    of = space("cnn-figure2")
    rows = np.array([[0.9, 0.06, 0.04], [0.1, 0.4, 0.5], [0.8, 0.1, 0.1], [0.3, 0.4, 0.3], [0.2, 0.7, 0.1]])
    genotype = derive(of, ("none", "skip_connect", "sep_conv_3x3"), {"normal": rows, "reduce": rows}, 2)
    assert genotype.cells["normal"].nodes[1] == (Choice("skip_connect", 1), Choice("skip_connect", 2))
    assert genotype.cells["normal"].nodes[0] == (Choice("skip_connect", 0), Choice("sep_conv_3x3", 1))


class Relaxing:
    """Answers what it is asked to relax with fixed weights."""

    space, answers, cost = space("cnn"), frozenset({Relaxed}), Cost()

    def ask(self, question):
        self.asked = question
        return shares("cnn", question.operations, np.random.default_rng(0))


def test_the_settings_choose_what_is_relaxed() -> None:
    problem = Relaxing()
    outcome = METHOD.search(problem, 0, DARTSSettings(operations="eight", order=1))
    assert problem.asked == Relaxed(OPERATION_SETS["eight"], Softmax(1))
    assert len(OPERATION_SETS["eight"]) == 8
    assert len(outcome.genotype.operations) == 16


@pytest.mark.parametrize(
    ("values", "message"),
    [({"operations": "fiv"}, "did you mean 'five'"), ({"order": 3}, "allowed: 1, 2"), ({"inputs": 0}, "1 and more")],
)
def test_impossible_settings_are_refused(values, message) -> None:
    with pytest.raises(ValueError, match=message):
        DARTSSettings(**values)
