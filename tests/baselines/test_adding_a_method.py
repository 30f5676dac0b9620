"""The worked example of docs/adding-a-method.md, executed as it stands."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from baselines.registry import METHODS
from conas.recovery.minimiser import minimise
from conas.seeds import generator
from conas.space import space
from conas.synthetic import SyntheticProblem, random_polynomial
from harness.problems.tabular import TableProblem, nasbench201

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-method.md"
FILE, LINE = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def example() -> ModuleType:
    module = ModuleType("baselines.one_plus_one")
    try:
        exec(compile(FILE, str(PAGE), "exec"), module.__dict__)
        yield module
    finally:
        METHODS.pop("one_plus_one", None)


def test_the_file_registers_the_method_under_the_name_of_the_line(example) -> None:
    assert METHODS["one_plus_one"] is example.METHOD
    assert LINE.strip() == f'METHODS.offer({example.METHOD.name}="baselines.{example.METHOD.name}")'
    for profile in ("smoke", "laptop", "paper"):
        example.METHOD.settings(**example.METHOD.defaults(profile, "image"))


@pytest.mark.parametrize("name", ["cnn-figure2", "rnn", "nasbench201"])
def test_the_method_finds_a_low_loss_within_its_budget_and_twice_the_same(example, name: str) -> None:
    of = space(name)
    polynomial = random_polynomial(of.n, 6, 2, generator(0, "polynomial"))
    settings = example.OnePlusOneSettings(measurements=400)
    problem, again = SyntheticProblem(of, polynomial), SyntheticProblem(of, polynomial)
    outcome = example.METHOD(problem, 0, settings)
    assert outcome == example.METHOD(again, 0, settings)
    assert problem.cost == example.METHOD.budget(settings)
    found = float(polynomial(of.parse(outcome.details["alpha"])[None])[0])
    least = minimise(polynomial, of.groups).value
    assert found <= least + 0.2 * abs(least)


def test_the_method_keeps_to_the_valid_strings_of_a_table(example, nas_tables) -> None:
    table = nasbench201(nas_tables / "nasbench201.csv", "cifar10")
    outcome = example.METHOD(TableProblem(table), 0, example.OnePlusOneSettings(measurements=100))
    assert table.regret(outcome.genotype) < 20


def test_impossible_settings_are_refused(example) -> None:
    with pytest.raises(ValueError, match=r"measurements is 0 \(allowed: 1 and more\)"):
        example.OnePlusOneSettings(measurements=0)
    with pytest.raises(ValueError, match=r"changes is 0 \(allowed"):
        example.OnePlusOneSettings(changes=0)
