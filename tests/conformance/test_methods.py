"""What every registered method promises, on every kind of problem that it can be asked to solve."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import pytest
import torch

from baselines.networks import NETWORKS, build
from baselines.registry import METHODS, Method
from conas.architecture import Named, architecture
from conas.cnn.network import FinalNetwork
from conas.oracle import Oracle
from conas.problem import Cost, DryProblem, Outcome, Problem, UnsupportedError
from conas.questions import Hypernet, OneShot, OneShotModel, Question, Relaxed, StandAlone, Untrained
from conas.rnn.language_model import FinalRNN
from conas.seeds import generator
from conas.space import space
from conas.synthetic import SyntheticProblem, random_polynomial
from harness.config.load import load, merge
from harness.console.progress import Reporter
from harness.problems.tabular import TableProblem, nasbench201, nasbench_macro
from harness.problems.trained import TrainedProblem
from harness.records.store import Store
from harness.training.answers import answered
from harness.training.task import load_task
from tests.conformance.toys import network, policy, question
from tests.runs import Dying, Killed

SMALL = {
    "conas": {"m": 14},
    "best_of_m": {"m": 14},
    "rsws": {"samples": 6},
    "harmonica": {"samples": 5, "final": 3, "d": 2},
    "local_search": {"m": 14, "flips": 4},
    "bocs": {"m": 14, "start": 8, "together": 4},
    "combo": {"m": 10, "start": 8, "together": 2, "draws": 1, "fresh": 20},
    "comex": {"m": 14},
    "qsft": {"m": 14},
    "fourier_search": {"m": 14, "together": 3},
    "bananas": {"m": 14, "start": 6, "together": 4, "epochs": 3},
    "ghn": {"m": 6, "compared": 2, "rounds": 1, "units": 4},
    "naswot": {"images": 16},
    "pnas": {"m": 14, "grown": 2, "epochs": 3},
    "regularised_evolution": {"m": 14, "population": 6, "sample": 2},
    "enas_frozen": {"m": 7, "samples": 4},
}
CNN = {
    "dataset": "digits",
    "profile": "smoke",
    "space": "cnn-figure2",
    "data": {"train_limit": 200, "test_limit": 50, "validation_limit": 64},
    "oneshot": {"epochs": 1},
    "measure": {"batch_size": 64},
    "alone": {"epochs": 2},
    "relaxed": {"epochs": 1},
}
RNN_TRAINING = {"batch_size": 8, "units": 4, "bptt": 15}
RNN = {
    "dataset": "descriptions",
    "profile": "smoke",
    "data": {"train_limit": 300, "validation_limit": 100},
    "oneshot": {"epochs": 1, **RNN_TRAINING},
    "measure": {"limit": 50, "batch_size": 8},
    "alone": RNN_TRAINING,
    "relaxed": {"epochs": 1, **RNN_TRAINING},
}


class Kind(NamedTuple):
    """A kind of problem: ``open(folder)`` is one, and ``folder`` is where it may remember answers."""

    task: str
    open: Callable[[Path], Problem]
    settings: Mapping[str, Mapping[str, Any]] = {}


def table_settings(epochs: int) -> dict[str, dict[str, Any]]:
    return {"random_search": {"epochs": epochs}, "asha": {"least": epochs, "most": epochs, "budget": 5 * epochs}}


def synthetic(name: str, folder: Path) -> Problem:
    of = space(name)
    polynomial = random_polynomial(of.n, 6, 2, generator(0, "polynomial"), mean=3.0)
    return SyntheticProblem(of, polynomial, noise=0.01)


def trained(settings: Mapping[str, Any], folder: Path, reporter: Reporter | None = None) -> Problem:
    config = load({**settings, "runs_dir": str(folder), "data_dir": str(folder / "data")})
    return TrainedProblem(config, load_task(config), Store(folder), reporter or Reporter())


@pytest.fixture(scope="session")
def kinds(nas_tables: Path) -> dict[str, Kind]:
    cells = nasbench201(nas_tables / "nasbench201.csv", "cifar10")
    layers = nasbench_macro(nas_tables / "nas-bench-macro_cifar10.json")
    return {
        "synthetic CNN": Kind("image", functools.partial(synthetic, "cnn-figure2")),
        "synthetic RNN": Kind("text", functools.partial(synthetic, "rnn")),
        "NAS-Bench-201": Kind("image", lambda folder: TableProblem(cells), table_settings(cells.epochs)),
        "NAS-Bench-Macro": Kind("image", lambda folder: TableProblem(layers), table_settings(layers.epochs)),
        "CNN": Kind("image", functools.partial(trained, CNN)),
        "RNN": Kind("text", functools.partial(trained, RNN)),
    }


KINDS = ("synthetic CNN", "synthetic RNN", "NAS-Bench-201", "NAS-Bench-Macro", "CNN", "RNN")
TRAINED = ("CNN", "RNN")
TABLES = ("NAS-Bench-201", "NAS-Bench-Macro")
EVERY = {**METHODS} | {toy.METHOD.name: toy.METHOD for toy in (question, policy, network)}
"""The methods there are, and those that show what else there can be."""
ANSWERS = {kind: frozenset({OneShot, StandAlone}) for kind in KINDS} | {
    "CNN": answered("image"),
    "RNN": answered("text"),
}
CLAIMS = [
    (name, kind)
    for name, method in EVERY.items()
    for kind in KINDS
    if method.asks(method.settings()) <= ANSWERS[kind]
    if not ((name == "fixed" or name in NETWORKS) and kind in TABLES)  # nothing published belongs to a table's space
    if ("text" if "RNN" in kind else "image") in method.tasks
]
UNANSWERED = [(name, kind) for name in EVERY for kind in KINDS if (name, kind) not in CLAIMS if name not in NETWORKS]


class Search:
    """One method on one kind of problem, with settings of a second or two."""

    def __init__(self, name: str, kind: Kind) -> None:
        self.method: Method = EVERY[name]
        values = self.method.defaults("smoke", kind.task) | SMALL.get(name, {}) | dict(kind.settings.get(name, {}))
        self.settings = self.method.settings(**values)
        self.open = kind.open

    def run(self, folder: Path, seed: int = 3) -> tuple[Outcome, Problem]:
        torch.set_num_threads(1)
        problem = self.open(folder)
        return self.method(problem, seed, self.settings), problem


@pytest.fixture(scope="session")
def searches(kinds: dict[str, Kind], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Any]:
    @functools.cache
    def searched(name: str, kind: str) -> tuple[Search, Outcome, Problem]:
        search = Search(name, kinds[kind])
        return search, *search.run(tmp_path_factory.mktemp("first"))

    return searched


claimed = pytest.mark.parametrize(("name", "kind"), CLAIMS)


@claimed
def test_the_answer_can_be_built(searches, name: str, kind: str) -> None:
    _, outcome, problem = searches(name, kind)
    found = outcome.architecture
    assert architecture(orjson.loads(orjson.dumps(found.to_json()))) == found
    assert orjson.loads(orjson.dumps(outcome.details)) is not None
    if isinstance(found, Named) and "RNN" in kind:
        words: Any = build(found, 5, seed=0)
        run = words(torch.zeros(2, 3, dtype=torch.long), words.initial_hidden(3), torch.Generator().manual_seed(0))
        assert words.cross_entropy(run.scored, torch.zeros(2, 3, dtype=torch.long)).isfinite()
    elif isinstance(found, Named):
        logits, _ = build(found, (1, 8, 8), 4, seed=0)(torch.randn(2, 1, 8, 8), 0.5, torch.Generator())
        assert logits.shape == (2, 4)
    elif kind in TABLES:
        assert 0 <= problem.table.regret(found) <= 100
    elif "RNN" in kind:
        model = FinalRNN(found, words=5, size=4, seed=0)
        run = model(torch.zeros(2, 3, dtype=torch.long), model.initial_hidden(3), torch.Generator().manual_seed(0))
        assert run.outputs.isfinite().all()
    else:
        logits, _ = FinalNetwork(found, channels=2, layers=3, classes=4, in_channels=1)(torch.randn(2, 1, 8, 8))
        assert logits.shape == (2, 4)


@claimed
def test_the_cost_is_reported_and_within_the_budget(searches, name: str, kind: str) -> None:
    search, _, problem = searches(name, kind)
    budget: Cost = search.method.budget(search.settings)
    assert problem.cost.measurements <= budget.measurements
    assert problem.cost.stand_alone_epochs <= budget.stand_alone_epochs
    assert bool(problem.cost.measurements) == bool(budget.measurements)
    assert bool(problem.cost.stand_alone_epochs) == bool(budget.stand_alone_epochs)
    if kind in TRAINED:
        asked = search.method.asks(search.settings)
        assert bool(problem.cost.one_shot_steps) == bool(asked - {StandAlone, Untrained})
        assert bool(problem.cost.seconds) == bool(asked)


class Journal:
    """A problem that replays what is ``remembered``, goes on and remembers more, and dies at question ``most``."""

    def __init__(self, problem: Problem, remembered: list[tuple[Any, Any]], most: float = math.inf) -> None:
        self.problem, self.remembered, self.most = problem, remembered, most
        self.space, self.answers, self.cost = problem.space, problem.answers, problem.cost
        self.replayed = 0

    def ask(self, question: Question[Any]) -> Any:
        if not isinstance(question, OneShot | Untrained | Hypernet):
            return self._answer(question, lambda: self.problem.ask(question))
        self._answer(question, lambda: None)
        model = self.problem.ask(question)
        oracle = JournalOracle(self, model)
        return OneShotModel(oracle, model.policy) if isinstance(model, OneShotModel) else oracle

    def _answer(self, question: Any, ask: Callable[[], Any]) -> Any:
        if self.replayed == self.most:
            raise Killed(question)
        if self.replayed == len(self.remembered):
            self.remembered.append((question, ask()))
        asked, answer = self.remembered[self.replayed]
        assert asked == question
        self.replayed += 1
        return answer


class JournalOracle:
    def __init__(self, journal: Journal, oracle: Oracle) -> None:
        self.journal, self.oracle = journal, oracle

    def measure(self, alphas: np.ndarray, whole: bool = False) -> np.ndarray:
        question = ("measure", alphas.tobytes(), whole)
        return self.journal._answer(question, lambda: self.oracle.measure(alphas, whole))


@claimed
def test_the_same_seed_gives_the_same_answer_at_the_same_cost_wherever_it_was_killed(
    searches, tmp_path, name: str, kind: str
) -> None:
    search, outcome, first = searches(name, kind)
    answers: list[tuple[Any, Any]] = []
    again = search.open(tmp_path)
    assert search.method(Journal(again, answers), 3, search.settings) == outcome
    assert dataclasses.replace(again.cost, seconds=0) == dataclasses.replace(first.cost, seconds=0)
    for most, (asked, _) in enumerate(answers):
        with pytest.raises(Killed) as killed:
            search.method(Journal(search.open(tmp_path), answers, most), 3, search.settings)
        assert killed.value.args == (asked,)


@pytest.mark.parametrize(("name", "kind"), UNANSWERED)
def test_what_a_problem_cannot_answer_is_refused_in_one_line(kinds, tmp_path, name: str, kind: str) -> None:
    search = Search(name, kinds[kind])
    error = ValueError if name == "fixed" or kind in TRAINED else UnsupportedError
    answers = r"asks for [a-z_]+; this problem answers one_shot"
    with pytest.raises(error, match=rf"has the cells|fit no cell of|{answers}") as caught:
        search.run(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *(("conas", settings) for settings in (CNN, RNN)),
        *((name, settings) for name in ("darts", "snas", "gdas") for settings in (CNN, RNN)),
        *((name, settings) for name in ("toy_policy", "enas", "proxylessnas_r") for settings in (CNN, RNN)),
        *((name, CNN) for name in ("pc_darts", "proxylessnas", "asap", "drnas")),
        ("toy_question", CNN),
        ("ghn", CNN),
    ],
    ids=lambda value: value if isinstance(value, str) else value["dataset"],
)
def test_a_training_killed_between_checkpoints_ends_at_the_same_bits(tmp_path, name: str, settings: Any) -> None:
    longer = merge(settings, {"oneshot": {"epochs": 2}, "relaxed": {"epochs": 2}})
    kind = Kind("text" if settings is RNN else "image", functools.partial(trained, longer))
    search = Search(name, kind)
    expected, undisturbed = search.run(tmp_path / "undisturbed")
    killed = tmp_path / "killed"
    with pytest.raises(Killed):
        search.method(trained(longer, killed, Dying(2)), 3, search.settings)
    resumed, problem = search.run(killed)
    assert resumed == expected
    assert problem.metrics == undisturbed.metrics
    assert [row["epoch"] for row in problem.metrics] == [1, 2]


def numbers() -> list[tuple[str, str, int]]:
    """Every number of every method's settings, and values too small for it; rates of dropout may be 0."""
    return [
        (name, field.name, value)
        for name, method in METHODS.items()
        for field in dataclasses.fields(method.settings)
        if isinstance(field.default, int | float) and not isinstance(field.default, bool)
        for value in ([-1] if field.name.startswith("drop_") else [0, -1])
    ]


@pytest.mark.parametrize(("name", "field", "value"), numbers())
def test_budgets_and_sizes_of_nothing_are_refused_in_one_line(name: str, field: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"{field.rstrip('_')}.*allowed") as caught:
        METHODS[name].settings(**{field: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", METHODS)
def test_every_setting_says_where_it_comes_from(name: str) -> None:
    for field in dataclasses.fields(METHODS[name].settings):
        assert field.metadata.get("source"), field.name


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("profile", ["paper", "smoke", "laptop"])
@pytest.mark.parametrize("task", ["image", "text"])
def test_the_settings_of_every_profile_are_possible(name: str, profile: str, task: str) -> None:
    METHODS[name].settings(**METHODS[name].defaults(profile, task))


@pytest.mark.parametrize("name", METHODS)
def test_trainings_are_as_long_and_one_shot_models_as_shared_as_the_method_says(name: str) -> None:
    method = METHODS[name]
    settings = method.settings(**{**method.defaults("smoke", "image"), **SMALL.get(name, {})})
    problem = DryProblem(space("cnn"), frozenset({OneShot, StandAlone, Relaxed, Untrained, Hypernet}))
    method(problem, 0, settings)
    asked = [question for network in problem.asked for question in network.questions]
    assert max((q.epochs for q in asked if isinstance(q, StandAlone)), default=0) == method.longest(settings)
    assert any(question.measures() for question in asked) == method.learns


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.rehearsal])
def test_a_rehearsal_asks_for_as_much_as_the_search(name: str) -> None:
    method = METHODS[name]
    settings = method.settings(**{**method.defaults("smoke", "image"), **SMALL.get(name, {})})
    problems = [DryProblem(space("cnn-figure2"), frozenset({OneShot, StandAlone})) for _ in range(2)]
    method(problems[0], 0, settings)
    method.rehearse(problems[1], settings)
    real, rehearsed = (
        [(network.questions, network.oracle.measurements, network.oracle.whole) for network in problem.asked]
        for problem in problems
    )
    assert real == rehearsed
