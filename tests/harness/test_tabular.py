import json
import re

import numpy as np
import pandas as pd
import pytest

from baselines.relaxations.darts import Softmax
from conas.genotype import Genotype
from conas.problem import UnsupportedError
from conas.questions import OneShot, Relaxed, StandAlone
from conas.sampling import Bernoulli
from harness.problems.tabular import TableError, TableProblem, nasbench201, nasbench_macro, read_tables


@pytest.fixture(scope="module")
def tables(nas_tables):
    return read_tables(nas_tables)


def test_every_architecture_gets_its_own_row_of_the_file(nas_tables, tables) -> None:
    rows = pd.read_csv(nas_tables / "nasbench201.csv").sample(20, random_state=0)
    table = tables[1]
    for row in rows.itertuples():
        nodes = [[f"{op}@{source}" for op, source in re.findall(r"(\w+)~(\d)", node)] for node in row.arch.split("+")]
        genotype = Genotype.from_json({"inputs": 1, "cells": {"cell": {"nodes": nodes, "concat": [1, 2, 3]}}})
        (loss,) = TableProblem(table).measure(table.space.encode(genotype)[None])
        assert loss == pytest.approx(1 - row.cifar100_val_12ep / 100)
        best = 100 - 100 * table.scored.min()
        assert table.regret(genotype) == pytest.approx(best - row.cifar100_test_200ep, abs=1e-6)


def test_a_layer_of_nasbench_macro_is_a_digit_of_its_name(nas_tables, tables) -> None:
    entries = json.loads((nas_tables / "nas-bench-macro_cifar10.json").read_text())
    table = tables[3]
    for name in ("00000000", "01201201", "22212220"):
        alpha = np.full(24, -1, dtype=np.int8)
        alpha[[3 * layer + int(digit) for layer, digit in enumerate(name)]] = 1
        (loss,) = TableProblem(table).measure(alpha[None])
        assert loss == pytest.approx(1 - entries[name]["test_acc"][0] / 100)
        best = max(np.mean(entry["test_acc"]) for entry in entries.values())
        assert table.regret(table.space.decode(alpha)) == pytest.approx(best - np.mean(entries[name]["test_acc"]))


def test_the_best_architecture_alone_has_no_regret(tables) -> None:
    table = tables[0]
    best = np.array(np.unravel_index(table.scored.argmin(), (5,) * 6))
    alpha = np.where(best[:, None] == np.arange(5), 1, -1).astype(np.int8).ravel()
    assert table.regret(table.space.decode(alpha)) == 0
    other = table.space.sample(np.random.default_rng(0), 50)
    assert all(table.regret(table.space.decode(row)) > 0 for row in other if (row != alpha).any())


def test_strings_that_are_no_architecture_are_refused(tables) -> None:
    problem = TableProblem(tables[0])
    with pytest.raises(TableError, match="exactly one operation on every edge"):
        problem.measure(np.full((1, 30), -1, dtype=np.int8))
    assert problem.cost.measurements == 0


def test_questions_are_charged(tables) -> None:
    problem = TableProblem(tables[0])
    alphas = problem.space.sample(np.random.default_rng(0), 3)
    oracle = problem.ask(OneShot(Bernoulli()))
    oracle.measure(alphas)
    oracle.measure(alphas[:1])
    assert problem.cost.measurements == 4
    cell = problem.space.build(alphas[0])
    assert problem.ask(StandAlone(cell, 12)) == problem.ask(StandAlone(cell, 12)) == oracle.measure(alphas[:1])[0]
    assert problem.cost.stand_alone_epochs == 12
    with pytest.raises(TableError, match="trainings of 12 epochs, not of 100"):
        problem.ask(StandAlone(cell, 100))
    with pytest.raises(UnsupportedError, match="asks for relaxed; this problem answers one_shot, stand_alone"):
        problem.ask(Relaxed(("none",), Softmax(1)))


def damage(nas_tables, tmp_path, change) -> None:
    rows = pd.read_csv(nas_tables / "nasbench201.csv")
    change(rows).to_csv(tmp_path / "t.csv", index=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.drop(index=[3, 7]), "2 of 15625 architectures are missing, first '|"),
        (lambda rows: pd.concat([rows, rows.head(1)]), "15626 rows for 15625"),
        (lambda rows: rows.replace({"arch": {rows.arch[5]: "|conv~0|"}}), "'|conv~0|' is not an architecture"),
        (lambda rows: rows.assign(cifar10_val_12ep=rows.cifar10_val_12ep.mask(rows.index == 4)), "accuracies [nan"),
        (lambda rows: rows.assign(cifar10_test_200ep=1000.0), "1000.0] (expected: percent)"),
        (lambda rows: rows.drop(columns="cifar10_val_12ep"), "not NAS-Bench-201's table"),
        (lambda rows: rows.assign(cifar10_val_12ep="high"), "not NAS-Bench-201's table"),
    ],
)
def test_damaged_tables_are_refused_in_one_line(nas_tables, tmp_path, change, message) -> None:
    damage(nas_tables, tmp_path, change)
    with pytest.raises(TableError, match=re.escape(message)) as caught:
        nasbench201(tmp_path / "t.csv", "cifar10")
    assert "\n" not in str(caught.value)


def test_other_bad_input(nas_tables, tmp_path) -> None:
    with pytest.raises(TableError, match="did you mean 'cifar10'"):
        nasbench201(nas_tables / "nasbench201.csv", "cifar11")
    with pytest.raises(TableError, match="No such file"):
        nasbench201(tmp_path / "nothing.csv", "cifar10")
    entries = json.loads((nas_tables / "nas-bench-macro_cifar10.json").read_text())
    entries.pop("01200000")
    for content, message in (
        (json.dumps(entries), "1 of 6561 architectures are missing, first '01200000'"),
        ('{"00000000": {"test_acc": []}}', "not NAS-Bench-Macro's file"),
        ("[1]", "not NAS-Bench-Macro's file"),
        ("{", "not NAS-Bench-Macro's file"),
    ):
        (tmp_path / "macro.json").write_text(content)
        with pytest.raises(TableError, match=message):
            nasbench_macro(tmp_path / "macro.json")
