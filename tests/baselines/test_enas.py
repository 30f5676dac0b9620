"""The policies of ENAS and ProxylessNAS: their probabilities, their gradients, and that they learn."""

import copy
import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from baselines.enas.controller import RECURRENT, Controlled, ControllerSettings
from baselines.enas.coupled import ENASSettings, policy
from baselines.enas.frozen import FrozenSettings
from baselines.enas.lstm import Controller, Walk, drawn, likeliest
from baselines.proxylessnas_r import Paths
from baselines.registry import METHODS
from baselines.wiring import Wired
from conas.oracle import Function
from conas.problem import DryProblem
from conas.questions import OneShot
from conas.sampling import Bernoulli
from conas.seeds import generator
from conas.space import Space, space

TINY_RNN = Space("tiny RNN", ("recurrent",), 1, 3, ("tanh", "relu"), "relu", "previous")
TINY_TABLE = Space("tiny table", ("cell",), 1, 2, ("none", "skip_connect", "conv"), "none", "first", exclusive=True)
SHARP = {"source_tanh": 2.5, "operation_tanh": 2.5, "bias": 1.0, "init": 1.0}
SETTINGS = {
    "cnn-tiny": ControllerSettings(units=3, **SHARP),
    "tiny RNN": ControllerSettings(**(RECURRENT | {"units": 3, "init": 1.0})),
    "tiny table": ControllerSettings(units=3, **SHARP),
}
SPACES = {"cnn-tiny": space("cnn-tiny"), "tiny RNN": TINY_RNN, "tiny table": TINY_TABLE}
OPTIONS = {"cnn-tiny": [2, 2, 3, 3] * 2, "tiny RNN": [1, 2, 2, 2, 3, 2], "tiny table": [3, 3, 3]}
"""How many options every decision has."""


def following(decisions: np.ndarray) -> Callable[[torch.Tensor], torch.Tensor]:
    """Chooses what is written in the columns."""
    columns: Iterator[np.ndarray] = iter(decisions.T)
    return lambda probabilities: torch.from_numpy(next(columns).copy())


def every(name: str) -> Walk:
    """All decisions that there are."""
    controller = Controller(SPACES[name], SETTINGS[name], seed=1)
    sequences = np.array(list(itertools.product(*map(range, OPTIONS[name]))))
    with torch.no_grad():
        return controller(len(sequences), following(sequences))


@pytest.mark.parametrize("name", SPACES)
def test_the_probabilities_of_all_cells_sum_to_one(name: str) -> None:
    walk = every(name)
    assert walk.decisions.shape == (len(walk.alphas), len(OPTIONS[name]))
    assert walk.log_probabilities.exp().sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", SPACES)
def test_cells_are_drawn_as_often_as_they_are_probable(name: str) -> None:
    walk, size = every(name), 20_000
    probable: dict[bytes, float] = {}
    for alpha, log_probability in zip(walk.alphas, walk.log_probabilities.tolist(), strict=True):
        probable[alpha.tobytes()] = probable.get(alpha.tobytes(), 0) + np.exp(log_probability)
    controller = Controller(SPACES[name], SETTINGS[name], seed=1)
    with torch.no_grad():
        cells = controller(size, drawn(generator(0, "cells"))).alphas
    counted: dict[bytes, int] = {}
    for alpha in cells:
        counted[alpha.tobytes()] = counted.get(alpha.tobytes(), 0) + 1
    for alpha, probability in probable.items():
        deviation = np.sqrt(probability / size)
        assert counted.get(alpha, 0) / size == pytest.approx(probability, abs=5 * deviation + 1e-12)


@pytest.mark.parametrize(("name", "settings", "inputs"), [("cnn", {}, 2), ("rnn", RECURRENT, 1)])
def test_every_node_reads_as_many_distinct_nodes_as_it_should(name: str, settings: Any, inputs: int) -> None:
    cells = space(name)
    policies = (Controlled(ControllerSettings(**settings), 1), Paths(inputs=inputs))
    for learning in policies:
        running, rng = learning.start(cells, 0), generator(0, "cells")
        for cell in cells.decode(running.draw(rng)).cells.values():
            assert all(len(node) == len({choice.source for choice in node}) == inputs for node in cell.nodes)


def plainly(parameters: dict[str, np.ndarray], settings: ControllerSettings, cells: Space, decisions: Any) -> float:
    """The log probability of the decisions, written out for one cell after the other."""
    units, operations, total, taken = settings.units, len(cells.operations), 0.0, iter(decisions)
    state = [np.zeros(units), np.zeros(units)]

    def step(given: np.ndarray) -> np.ndarray:
        i, f, o, g = np.split(np.concatenate([given, state[0]]) @ parameters["lstm"], 4)
        state[1] = np.tanh(g) / (1 + np.exp(-i)) + state[1] / (1 + np.exp(-f))
        state[0] = np.tanh(state[1]) / (1 + np.exp(-o))
        return state[0]

    def logarithm(logits: np.ndarray, chosen: int) -> float:
        return float(logits[chosen] - np.log(np.exp(logits).sum()))

    given = parameters["start"]
    for cell in cells.cells:
        anchors = []
        for _ in range(cells.inputs):
            anchors.append((np.zeros(units), step(given) @ parameters["of_anchor"]))
            given = parameters["start"]
        for target in range(cells.inputs, cells.inputs + cells.nodes):
            sources: list[int] = []
            for _ in range(settings.inputs):
                hidden = step(given) @ parameters["of_state"]
                logits = np.array([np.tanh(known + hidden) @ parameters["attention"] for _, known in anchors])
                logits = settings.source_tanh * np.tanh(logits / settings.temperature)
                if settings.near:
                    logits = logits - (target - np.arange(target)) ** 2 / settings.near
                logits[sources] = -np.inf
                sources.append(next(taken))
                total += logarithm(logits, sources[-1])
                given = anchors[sources[-1]][0] / (0.1 + target - sources[-1] if settings.near else 1)
            for _ in sources:
                logits = (step(given) @ parameters["operation"] + parameters["bias"]) / settings.temperature
                logits = settings.operation_tanh * np.tanh(logits)
                if settings.prior and cell == cells.cells[0]:
                    logits = logits + [
                        settings.prior if "conv" in name else -settings.prior for name in cells.operations
                    ]
                chosen = next(taken)
                total += logarithm(logits, chosen)
                given = parameters["embedding"][chosen]
            hidden = step(given)
            anchors.append((hidden, hidden @ parameters["of_anchor"]))
            given = parameters["start"]
    assert operations == len(parameters["bias"])
    return total


@pytest.mark.parametrize("name", ["cnn-tiny", "tiny RNN"])
def test_log_probability_and_gradient_are_those_of_a_plain_reference(name: str) -> None:
    controller = Controller(SPACES[name], SETTINGS[name], seed=1)
    decisions = {"cnn-tiny": [0, 1, 2, 0, 1, 0, 2, 1], "tiny RNN": [0, 1, 1, 0, 0, 1]}[name]
    walk = controller(1, following(np.array([decisions])))
    walk.log_probabilities.sum().backward()
    plain = {key: value.detach().numpy().copy() for key, value in controller.named_parameters()}
    args = (SETTINGS[name], SPACES[name], decisions)
    assert walk.log_probabilities.item() == pytest.approx(plainly(plain, *args), abs=1e-12)
    rng, small = generator(0, "directions"), 1e-6
    for key, parameter in controller.named_parameters():
        direction = rng.standard_normal(parameter.shape)
        up, down = (plainly(plain | {key: plain[key] + sign * small * direction}, *args) for sign in (1, -1))
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        assert float((gradient.numpy() * direction).sum()) == pytest.approx((up - down) / (2 * small), abs=1e-7), key


def test_the_published_controller_can_be_sure_of_nothing() -> None:
    controller = Controller(space("cnn"), ControllerSettings(), seed=0)
    with torch.no_grad():
        for parameter in controller.parameters():
            parameter *= 1000
    most: list[float] = []

    def choose(probabilities: torch.Tensor) -> torch.Tensor:
        most.append(probabilities.max().item())
        return likeliest(probabilities)

    with torch.no_grad():
        controller(1, choose)
    operations = np.reshape(most, (2, -1, 2, 2))[:, :, 1]
    convolution = 1 / (1 + np.exp(-0.88) + 3 * np.exp(-0.88 - 0.5))
    assert operations[0].max() <= convolution + 1e-9 < 0.47
    assert operations[1].max() <= 1 / (1 + 4 * np.exp(-0.88)) + 1e-9 < 0.38


@pytest.mark.parametrize("name", ["cnn-tiny", "tiny RNN", "tiny table"])
def test_the_gradient_of_paths_is_that_of_their_log_probability(name: str) -> None:
    inputs = 2 if name == "cnn-tiny" else 1
    running = Paths(inputs=inputs, deviation=1.0).start(SPACES[name], 0)
    small, direction = 1e-6, generator(0, "direction").standard_normal(SPACES[name].n)
    at, found = running.logits.copy(), running.choose(generator(0, "cell"))
    logarithms = []
    for sign in (1, -1):
        running.logits = at + sign * small * direction
        again = running.choose(generator(0, "cell"))
        assert (again.alpha == found.alpha).all()
        logarithms.append(again.log_probability)
    assert found.gradient @ direction == pytest.approx((logarithms[0] - logarithms[1]) / (2 * small), abs=1e-7)


USUAL = {field.name: getattr(FrozenSettings(), field.name) for field in dataclasses.fields(ControllerSettings)}
LEARNING = {
    "controller": (lambda updates: Controlled(ControllerSettings(**USUAL), updates)),
    "paths": (lambda updates: Paths(updates=updates, lr=0.05)),
}


@pytest.mark.parametrize("name", LEARNING)
@pytest.mark.parametrize("cells", ["cnn-figure2", "nasbench201"])
def test_a_policy_learns_what_is_rewarded(name: str, cells: str) -> None:
    of = space(cells)
    running = LEARNING[name](50).start(of, 1)
    target = LEARNING[name](1).start(of, 2).draw(generator(5, "target"))
    known = Function(lambda alphas, whole: (alphas != target).mean(axis=1))
    before = np.mean([known.measure(running.draw(generator(0, k))[None])[0] for k in range(50)])
    rows = [running.epoch_ended(epoch, known) for epoch in range(3)]
    after = np.mean([known.measure(running.draw(generator(0, k))[None])[0] for k in range(50)])
    assert after < 0.7 * before
    assert rows[-1]["policy_entropy"] < rows[0]["policy_entropy"]
    assert rows[-1]["policy_share"] > rows[0]["policy_share"]
    assert rows[-1]["policy_reward"] > rows[0]["policy_reward"]


@pytest.mark.parametrize("name", LEARNING)
def test_a_policy_goes_on_from_its_state_to_the_same_bits(name: str) -> None:
    of = space("cnn-figure2")
    known = Function(lambda alphas, whole: (alphas > 0) @ np.linspace(0, 0.1, of.n))
    through, resumed = (LEARNING[name](2).start(of, 1) for _ in range(2))
    through.epoch_ended(0, known)
    resumed.load_state_dict(copy.deepcopy(through.state_dict()))
    assert resumed.epoch_ended(1, known) == through.epoch_ended(1, known)
    assert (resumed.draw(generator(0, "next")) == through.draw(generator(0, "next"))).all()


@pytest.mark.parametrize("name", LEARNING)
def test_what_diverged_teaches_nothing(name: str) -> None:
    of = space("cnn-figure2")
    running = LEARNING[name](2).start(of, 1)
    before = running.draw(generator(0, "next"))
    row = running.epoch_ended(0, Function(lambda alphas, whole: np.full(len(alphas), np.nan)))
    assert (running.draw(generator(0, "next")) == before).all()
    assert all(map(np.isfinite, row.values()))


@pytest.mark.parametrize("profile", ["paper", "release", "laptop", "smoke"])
@pytest.mark.parametrize("task", ["image", "text"])
def test_frozen_it_has_as_many_measurements_as_conas(profile: str, task: str) -> None:
    frozen, conas = METHODS["enas_frozen"], METHODS["conas"]
    sizes = [method.settings(**method.defaults(profile, task)) for method in (frozen, conas)]
    assert frozen.budget(sizes[0]) == conas.budget(sizes[1])


@pytest.mark.parametrize(("trained", "sampler"), [("bernoulli", Bernoulli(0.5, True)), ("wired", Wired(2))])
def test_the_frozen_model_is_that_of_conas_or_of_random_search(trained: Any, sampler: Any) -> None:
    problem = DryProblem(space("cnn"), frozenset({OneShot}))
    METHODS["enas_frozen"](problem, 0, FrozenSettings(m=25, trained=trained, connect=True))
    (asked,) = problem.asked
    assert asked.questions == [OneShot(sampler)]
    assert asked.oracle.measurements == 25


def test_a_search_in_the_time_of_another_trains_for_as_long() -> None:
    in_time = ENASSettings(updates=1, samples=2, candidates=2, device_seconds=12.5)
    problem = DryProblem(space("cnn-figure2"), frozenset({OneShot}))
    outcome = METHODS["enas"](problem, 0, in_time)
    (asked,) = problem.asked
    assert asked.questions == [OneShot(policy(in_time), 12.5, to_the_limit=True)]
    assert outcome.details["device_seconds"]["given"] == 12.5
    with pytest.raises(ValueError, match="allowed here: a number"):
        METHODS["enas"](problem, 0, dataclasses.replace(in_time, device_seconds="conas"))
