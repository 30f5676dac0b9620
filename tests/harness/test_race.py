import re

import pandas as pd
import pytest

from baselines.registry import METHODS
from harness.pictures.plots import interval
from harness.problems.tabular import read_tables
from harness.studies import race
from harness.studies.race_report import duels, findings, summary, verdict, write_report


@pytest.fixture(scope="module")
def rows(nas_tables) -> pd.DataFrame:
    return race.race(nas_tables, seeds=3, budgets=(30,), processes=2)


def test_everybody_runs_within_the_same_budget(rows) -> None:
    assert len(rows) == 4 * len(race.CONTENDERS) * 3
    assert (rows["evaluations"] <= 30).all()
    assert (rows.loc[rows["method"].isin(["CoNAS", "best of m", "random search", "RSWS"]), "evaluations"] == 30).all()
    assert rows["regret"].between(0, 100).all()
    assert rows.loc[rows["method"] == "CoNAS", "held_out_r2"].le(1).all()


@pytest.mark.parametrize("budget", race.BUDGETS)
@pytest.mark.parametrize("contender", race.CONTENDERS, ids=lambda contender: contender.name)
def test_every_budget_is_spent_but_for_rounding(contender, budget) -> None:
    method = METHODS[contender.method]
    spent = method.budget(method.settings(**contender.settings(budget, 12)))
    evaluations = spent.measurements + spent.stand_alone_epochs // 12
    assert evaluations <= budget
    assert contender.name == "random wiring" or evaluations > budget - 3


def test_a_search_is_the_same_in_any_process(rows, nas_tables) -> None:
    race._tables.update({table.name: table for table in read_tables(nas_tables)})
    for name in ("CoNAS", "RSWS"):
        job = race.Job("NAS-Bench-201 cifar10", name, 30, range(1, 3))
        mine = pd.DataFrame(race.run_job(job))
        theirs = rows[(rows["table"] == job.table) & (rows["method"] == name) & (rows["seed"] > 0)]
        pd.testing.assert_frame_equal(mine, theirs.reset_index(drop=True))


def test_the_report_says_who_won_and_is_the_same_every_time(rows, tmp_path) -> None:
    captions = dict.fromkeys(rows["table"].unique(), "a caption")
    first, second = (write_report(rows, captions, tmp_path / name) for name in ("one", "two"))
    for ours, theirs in zip(first, second, strict=True):
        assert ours.read_bytes() == theirs.read_bytes()
        assert ours.stat().st_size > 100
    page = (tmp_path / "one" / "race.md").read_text()
    assert page.count("| CoNAS |") == page.count("- against best of m: ") == 4
    means = rows.groupby(["table", "method"])["regret"].mean()
    shown = re.search(r"\| CoNAS \| \**([\d.]+)", page)
    assert shown
    assert float(shown[1]) == pytest.approx(means["NAS-Bench-201 cifar10", "CoNAS"], abs=0.005)


def made_up() -> pd.DataFrame:
    regrets = {"CoNAS": [3.0, 4.0, 5.0, 4.5], "best of m": [1.0, 2.0, 3.5, 2.0], "RSWS": [3.5, 3.5, 5.5, 4.0]}
    return pd.DataFrame(
        [
            {"table": "t", "method": name, "budget": budget, "seed": seed, "evaluations": budget, "regret": value}
            for budget in (10, 20)
            for name, values in regrets.items()
            for seed, value in enumerate(values if budget == 10 or name != "best of m" else [9.0] * 4)
        ]
    )


def test_losses_and_wins_are_told_apart_by_the_interval_of_the_paired_difference() -> None:
    fights = duels(made_up()).set_index(["budget", "against"])
    assert fights.loc[(10, "best of m"), "conas"] == "loses"
    assert fights.loc[(20, "best of m"), "conas"] == "wins"
    assert fights.loc[(10, "RSWS"), "conas"] == "undecided"
    assert fights.loc[(10, "best of m"), "difference"] == pytest.approx(2.0)
    text = findings(duels(made_up()))
    assert "against best of m: **CoNAS loses** at 10; CoNAS wins at 20" in text
    assert "loses at 1 and wins at\n1 of the 2 pairs" in verdict(duels(made_up()))
    assert summary(made_up()).query("method == 'CoNAS'")["sd"].iloc[0] == pytest.approx(0.8539, abs=1e-4)


def test_intervals_cover_the_mean_and_depend_on_their_name_alone() -> None:
    low, high = interval([1.0, 2.0, 6.0], "a")
    assert low < 3 < high
    assert interval([1.0, 2.0, 6.0], "a") == (low, high)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--tables", "nowhere"], "nowhere/nasbench201.csv"), (["--tables", ".", "--seeds", "0"], "allowed: 2 and more")],
)
def test_bad_input_is_one_clear_line(arguments, message, capsys) -> None:
    try:
        status = race.main(arguments)
    except SystemExit as stop:
        status = stop.code
    assert status
    lines = capsys.readouterr().err.strip().splitlines()
    assert message in lines[-1]
