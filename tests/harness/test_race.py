import re
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conas.refusal import Refused
from conas.seeds import generator
from harness.problems.tabular import TableError
from harness.records.files import Lines
from harness.statistics import interval
from harness.studies import race
from harness.studies.race_boards import Board, Watched, one_shot_table, read_boards
from harness.studies.race_contenders import BUDGETS, CONTENDERS, FOURIER, PART, SEARCH, VARIANT
from harness.studies.race_report import claims, fewer, gains, score, sentence, write_report
from harness.studies.race_statistics import areas, duels, summary

QUICK = [c for c in CONTENDERS if c.name in ("CoNAS", "best of m", "Fourier search", "RSWS", "random search")]
NAMES = [f"{contender.group} {contender.name}" for contender in CONTENDERS]


@pytest.fixture(scope="module")
def one_shot(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("one-shot") / "losses.txt"
    path.write_text("\n".join(map(str, 1 + generator(0, "losses").random(2**12))))
    return path


@pytest.fixture(scope="module")
def boards(nas_tables, one_shot) -> dict[str, Board]:
    return {board.name: board for board in read_boards(nas_tables, one_shot)}


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Lines:
    return Lines(tmp_path_factory.mktemp("race") / "searches.jsonl")


@pytest.fixture(scope="module")
def rows(nas_tables, one_shot, kept) -> pd.DataFrame:
    return race.race(nas_tables, one_shot, range(100, 103), kept, 50, QUICK, processes=2)


def test_everybody_runs_within_the_same_budget(rows) -> None:
    assert (rows["evaluations"] <= rows["budget"]).all()
    whole = rows[rows["method"].isin(["CoNAS", "best of m", FOURIER])]
    assert (whole["evaluations"] == whole["budget"]).all()
    assert rows["regret"].between(0, 100).all()
    assert rows["seed"].unique().tolist() == [100, 101, 102]
    fits = rows.loc[(rows["method"] == "CoNAS") & (rows["budget"] == 50), "held_out_r2"]
    assert fits.le(1).all()


def test_every_board_has_the_searches_that_it_can_answer(rows, boards) -> None:
    searches = rows[rows["group"] == SEARCH]
    raced = searches.groupby("table", sort=False)["method"].agg(lambda names: set(names))
    assert raced.index.tolist() == list(boards)
    assert raced.iloc[0] == {"CoNAS", "best of m", FOURIER, "RSWS", "random search"}
    assert raced.iloc[-1] == raced.iloc[0] - {"random search"}  # which trains networks alone
    assert not rows.loc[rows["group"] != SEARCH, "table"].str.contains("noise-free").any()


@pytest.mark.parametrize("contender", CONTENDERS, ids=NAMES)
def test_every_budget_is_spent_but_for_rounding(contender) -> None:
    for budget in contender.budgets(max(BUDGETS)):
        spent = contender.searches.budget(contender.chosen(budget, 12))
        evaluations = spent.measurements + spent.stand_alone_epochs // 12
        assert evaluations <= budget
        assert contender.name == "random wiring" or evaluations > budget - 3


@pytest.mark.parametrize("contender", [c for c in CONTENDERS if c.anytime and c.group == SEARCH], ids=lambda c: c.name)
def test_a_search_that_answers_for_smaller_budgets_begins_as_with_them(contender, boards) -> None:
    board = boards["NAS-Bench-201 cifar100"]
    small, large = (Watched(board) for _ in range(2))
    outcome = contender.searches(small, 3, contender.chosen(33, 12))
    contender.searches(large, 3, contender.chosen(41, 12))
    assert large.asked[:33] == small.asked
    assert large.best(33) == small.answer(outcome)


def test_a_search_is_the_same_in_any_process_and_is_never_run_twice(rows, kept, boards, nas_tables, one_shot) -> None:
    race._boards.update(boards)
    for name in ("CoNAS", FOURIER):
        job = race.Job("NAS-Bench-201 cifar10", SEARCH, name, (20, 50), range(101, 103))
        mine = pd.DataFrame(race.run_job(job)).sort_values(["budget", "seed"], ignore_index=True)
        chosen = rows[(rows["table"] == job.board) & (rows["group"] == SEARCH) & (rows["method"] == name)]
        theirs = chosen[chosen["seed"] > 100].sort_values(["budget", "seed"], ignore_index=True)
        pd.testing.assert_frame_equal(mine[[*race.KEY, "regret"]], theirs[[*race.KEY, "regret"]])
    size = kept.path.stat().st_size
    again = race.race(nas_tables, one_shot, range(100, 103), kept, 50, QUICK, processes=1)
    pd.testing.assert_frame_equal(again, rows)
    assert kept.path.stat().st_size == size


def test_searches_on_other_tables_are_refused_and_contenders_that_are_no_more_left_out(
    rows, kept, boards, nas_tables, one_shot, tmp_path
) -> None:
    other, older = tmp_path / "other.txt", Lines(tmp_path / "searches.jsonl")
    other.write_text(one_shot.read_text().replace("1.", "2."))
    with pytest.raises(Refused, match=r"searches on other tables than these \(one-shot model, 12 bits\)"):
        race.race(nas_tables, other, range(100, 103), kept, 50, QUICK, processes=1)
    older.append(*[{**row, "method": name} for row in kept for name in (row["method"], "of old")])
    again = race.race(nas_tables, one_shot, range(100, 103), older, 50, QUICK, processes=1)
    pd.testing.assert_frame_equal(again, rows)


def test_the_losses_of_a_one_shot_model_are_found_by_their_strings(tmp_path, one_shot) -> None:
    table = one_shot_table(one_shot)
    alphas = table.space.sample(np.random.default_rng(0), 5)
    numbers = [int("".join("1" if bit < 0 else "0" for bit in alpha), 2) for alpha in alphas]
    assert table.index(alphas).tolist() == numbers
    (tmp_path / "short.txt").write_text("1.0 2.0")
    with pytest.raises(TableError, match="2 losses \\(expected: 4096"):
        one_shot_table(tmp_path / "short.txt")


def test_the_losses_in_the_docs_are_whole() -> None:
    losses = one_shot_table(Path(__file__).parents[2] / "docs/race/one-shot-losses.txt").seen
    assert losses.min() > 0
    assert losses.std() > 0.1


def test_the_report_says_who_won_and_is_the_same_every_time(rows, boards, tmp_path) -> None:
    tables = [board.table for board in boards.values()]
    first, second = (write_report(rows, tables, tmp_path / name) for name in ("one", "two"))
    for ours, theirs in zip(first, second, strict=True):
        assert ours.read_bytes() == theirs.read_bytes()
        assert ours.stat().st_size > 100
    page = (tmp_path / "one" / "race.md").read_text()
    means = rows[rows["group"] == SEARCH].groupby(["table", "method", "budget"])["regret"].mean()
    shown = re.search(r"### NAS-Bench-201 cifar10\n.*?\| CoNAS \| \**([\d.]+)", page, re.DOTALL)
    assert shown
    assert float(shown[1]) == pytest.approx(means["NAS-Bench-201 cifar10", "CoNAS", 20], abs=0.005)
    assert page.count("\n### ") == len(boards)


def made_up(flip: bool = False) -> pd.DataFrame:
    """Forty seeds: the first method is far ahead of the second, level with the third, and there with the fourth."""
    rng = np.random.default_rng(0)
    ours, about_one = rng.random(40), np.random.default_rng(1).normal(1, 0.01, 40)
    regrets = {FOURIER: ours, "best of m": ours + about_one, "RSWS": rng.permutation(ours), "BOCS": ours}
    rows = [
        {"table": "t", "group": SEARCH, "method": name, "budget": budget, "seed": seed, "evaluations": budget}
        | {"regret": -value if flip else value, "seen_regret": float(name in ("best of m", "RSWS")), "seconds": 1.0}
        for budget in (10, 20)
        for name, values in regrets.items()
        for seed, value in enumerate(values.tolist())
    ]
    return pd.DataFrame(rows)


def test_wins_and_losses_are_told_apart_and_adjusted_for_their_number() -> None:
    fights = duels(made_up(), FOURIER).set_index(["budget", "against"])
    assert fights["verdict"][10].to_dict() == {"best of m": "wins", "RSWS": "undecided", "BOCS": "both there"}
    assert fights.loc[(10, "best of m"), "difference"] == pytest.approx(-1.0, abs=0.01)
    assert fights["holm"].ge(fights["p"]).all()
    assert duels(made_up(flip=True), FOURIER)["verdict"].iloc[0] == "loses"
    assert "wins at 2 and loses at 0 of the 2 pairs" in sentence(fights.reset_index(), FOURIER)
    assert "| best of m | 2 | 0 | 0 | 0 |" in score(fights.reset_index())
    assert "against best of m (1); loses to nobody" in claims(fights.reset_index())
    assert "loses to best of m on t (+1.00)" in claims(duels(made_up(flip=True), FOURIER))


def test_a_difference_of_few_seeds_by_chance_is_no_win() -> None:
    few = made_up()
    few = few[(few["seed"] < 4) | (few["method"] != "RSWS")]
    assert duels(few, FOURIER).set_index(["budget", "against"]).loc[(10, "RSWS"), "seeds"] == 4
    assert (duels(few, FOURIER).query("against == 'RSWS'")["verdict"] == "undecided").all()


def test_equal_differences_are_no_proof() -> None:
    two = [
        {"table": "t", "budget": 10, "method": name, "seed": seed, "regret": regret, "seen_regret": 1.0}
        for name, regret in ((FOURIER, 1.0), ("RSWS", 2.0))
        for seed in (0, 1)
    ]
    (fight,) = duels(pd.DataFrame(two), FOURIER).to_dict("records")
    assert (fight["difference"], fight["verdict"]) == (-1.0, "undecided")
    assert np.isnan([fight["p"], fight["holm"]]).all()


def test_means_and_areas_are_those_of_the_curves() -> None:
    rows = made_up()
    found = summary(rows).set_index(["method", "budget"])
    mean = rows.loc[rows["method"] == FOURIER, "regret"].mean()
    assert found.loc[(FOURIER, 10), "mean"] == pytest.approx(mean)
    assert areas(rows, FOURIER).set_index("method").loc[FOURIER, "area"] == pytest.approx(mean)  # level curves
    rising = rows.assign(regret=rows["budget"].astype(float))
    assert areas(rising, FOURIER)["area"].tolist() == pytest.approx([15.0] * 4)


def test_what_a_change_gains_is_said_with_its_sign() -> None:
    rows = made_up().replace({"best of m": f"{FOURIER}, changed"}).assign(group=PART)
    assert "- higher: changed (+" in gains(rows, FOURIER)
    assert gains(rows[rows["group"] == VARIANT], FOURIER) == ""


def test_fewer_seeds_are_named() -> None:
    rows = made_up()
    few = rows[(rows["method"] != "BOCS") | (rows["seed"] < 7)]
    assert "Fewer seeds: BOCS 7, variants 0, parts 0;" in fewer(few)


def test_a_search_that_answers_for_several_budgets_is_one() -> None:
    rows = made_up().assign(seconds=1.0)
    rows.loc[rows["budget"] == 10, "seconds"] = 3.0
    made = race.made(rows)
    seeds, budgets, anytime = rows["seed"].nunique(), rows["budget"].nunique(), (FOURIER, "best of m", "BOCS")
    methods = rows["method"].unique()
    assert len(made) == seeds * sum(1 if name in anytime else budgets for name in methods)
    assert (made.xs(FOURIER, level="method") == 3.0).all()


def test_what_is_at_work_when_the_time_is_up_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, working, waiting = Future(), Future(), Future()
    ended.set_result(["ended"])
    working.set_running_or_notify_cancel()
    monkeypatch.setattr(race, "passed", lambda: True)
    jobs = race._done([ended, working, waiting])
    assert next(jobs) == ["ended"]
    working.set_result(["was at work"])
    assert list(jobs) == [["was at work"]]
    assert waiting.cancelled()


def test_intervals_cover_the_mean_and_depend_on_their_name_alone() -> None:
    values = generator(0, "values").normal(size=60)
    low, high = interval(values, "a")
    assert low < values.mean() < high
    assert interval(values, "a") == (low, high)
    assert interval(values, "b") != (low, high)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tables", "nowhere"], "nowhere/nasbench201.csv"),
        (["--tables", ".", "--seeds", "0"], "allowed: 2 and more"),
        (["--tables", ".", "--most", "49"], "allowed: 50 and more"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, message, capsys, tmp_path) -> None:
    try:
        status = race.main([*arguments, "--out", str(tmp_path)])
    except SystemExit as stop:
        status = stop.code
    assert status
    lines = capsys.readouterr().err.strip().splitlines()
    assert message in lines[-1]
