"""Tables from made-up records: what enters a mean, what is a gap, and the exact text of the output."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.config import sweeps
from harness.config.load import load
from harness.data.registry import dataset
from harness.records.schema import Record
from harness.records.store import Store
from harness.statistics import student
from tables import budgets
from tables.__main__ import main
from tables.build import Results, build
from tables.counted import counted
from tables.paper import figure_prediction, figure_searches
from tables.paper.contents import TABLES
from tables.paper.table1 import TABLE
from tables.render import escape_latex
from tables.runs import Runs
from tables.wording import caption
from tests.runs import contents

GOLDEN = Path(__file__).parent / "golden"


def compare(name: str, text: str) -> None:
    """Compare with the golden file, run keys aside; UPDATE_GOLDEN=1 writes it instead."""
    text = re.sub(r"-[0-9a-f]{12}\b", "-KEY", text)
    if os.environ.get("UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(text, encoding="utf-8")
    assert text == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["table1.md", "table1.tex", "table1.csv", "table2.md", "table4.md"])
def test_output_equals_the_golden_file(results: tuple[Runs, Results], name: str) -> None:
    compare(name, (results[1].folder / name).read_text(encoding="utf-8"))


def test_output_is_the_same_bytes_for_the_same_runs(results: tuple[Runs, Results], tmp_path: Path) -> None:
    runs, first = results
    again = build(runs, tmp_path)
    assert len(contents(first.folder)) > 40
    assert contents(first.folder) == contents(again.folder)


def test_failed_diverged_and_foreign_runs_never_enter_a_mean(
    records: list[Record], make_record: Callable[..., Record]
) -> None:
    config = load({"dataset": "digits", "method": "rsws", "profile": "paper", "seed": 2})
    foreign = load({"dataset": "digits", "method": "rsws", "profile": "smoke", "seed": 0})
    runs = Runs.of([*records, make_record(config, error=7.0), make_record(foreign, error=99.0)], "paper")
    row = TABLE.rows(runs).set_index("name").loc["RSWS"]
    assert (row["error_searches.n"], row["error_searches.mean"]) == (1, 7.0)
    assert (row["failed"], row["diverged"], runs.foreign) == (1, 1, 1)
    assert row["missing"].count("\n") == 1


def test_the_last_epoch_counts_and_never_the_best(make_record: Callable[..., Record]) -> None:
    config = load({"dataset": "digits", "method": "conas", "profile": "paper", "seed": 0})
    record = make_record(config, error=5.0)
    record.metrics["best"] = {"test_error": 1.0, "epoch": 3.0}
    row = TABLE.rows(Runs.of([record], "paper")).set_index("name").loc["CoNAS (t=1)"]
    assert row["error_searches.mean"] == 5.0


def test_an_empty_store_says_what_to_run_and_shows_every_gap(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--profile", "laptop", "--store", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert f"make replicate PROFILE=laptop STORE={tmp_path} TABLE=1" in said
    text = (tmp_path / "out/laptop/table1.md").read_text(encoding="utf-8")
    for row in sweeps.rows("table1", "laptop").values():
        assert all(config.command in text for config in row)
    assert "gap: 3 of 3 runs" in text


def test_a_damaged_and_an_older_record_are_named_and_skipped(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torn, old = store.folders()[0], store.folders()[1]
    torn.record_path.write_bytes(torn.record_path.read_bytes()[:100])
    old.record_path.write_bytes(old.record_path.read_bytes().replace(b'"gpu_days"', b'"days_of_old"'))
    assert main(["missing", "--profile", "paper", "--store", str(store.root), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert torn.path.name in said.err
    assert old.path.name in said.err
    assert "4 runs missing in profile paper" in said.out
    runs = Runs.read(store.root, "paper")
    assert "as damaged: 2" in "".join(caption(TABLE, runs))


def test_runs_without_an_estimate_end_in_their_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["missing", "--profile", "release", "--store", str(tmp_path), "--out", str(tmp_path)]) == 0
    titles = [line for line in capsys.readouterr().out.splitlines() if line.startswith("# ")]
    assert titles
    assert not [line for line in titles if line.endswith(": ")]


def test_one_is_not_several() -> None:
    assert [counted(number, "run is", "runs are") for number in (0, 1, 2)] == ["0 runs are", "1 run is", "2 runs are"]
    assert [counted(number, "run") for number in (1, 2)] == ["1 run", "2 runs"]


def test_a_part_of_a_data_set_is_told_also_beside_the_whole(make_record: Callable[..., Record]) -> None:
    configs = [load({"dataset": "digits", "method": "conas", "profile": "paper", "seed": seed}) for seed in (0, 1)]
    every = dataset("digits").counts["train"]

    def told(*held: int) -> list[str]:
        records = [make_record(config) for config in configs[: len(held)]]
        for record, number in zip(records, held, strict=True):
            record.data = {"counts": {"train": number, "test": 5}}
        return [line for line in caption(TABLE, Runs.of(records, "paper")) if line.startswith("Training examples")]

    held = "Training examples that the data folder held: digits"
    assert told(every) == []
    assert told(100) == [f"{held} 100 of {every:,}."]
    assert told(100, every) == told(every, 100) == [f"{held} 100 and {every:,} of {every:,}."]


@pytest.mark.parametrize("bad", [["--set", "seed"], ["--set", "sed=1"], ["--set", "seed=-3"]])
def test_bad_settings_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], bad: list[str]) -> None:
    assert main(["--profile", "smoke", "--store", str(tmp_path), "--out", str(tmp_path / "out"), *bad]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1


def test_latex_special_characters_are_escaped() -> None:
    assert escape_latex("a_b & 5 % ± λ") == r"a\_b \& 5 \% $\pm$ $\lambda$"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here: the LaTeX is not compiled")
def test_the_latex_compiles(results: tuple[Runs, Results], tmp_path: Path) -> None:
    shutil.copytree(results[1].folder, tmp_path / "tex")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    done = subprocess.run(command, cwd=tmp_path / "tex", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "tex/tables.pdf").stat().st_size > 10_000
    assert "Overfull \\hbox" not in done.stdout, "a table is wider than a page"


def test_the_figure_of_the_searches_has_one_point_for_each_finished_run(results: tuple[Runs, Results]) -> None:
    runs, _ = results
    frame = figure_searches.rows(runs)
    points = frame[frame["kind"] != "published"].groupby(["table", "name"])["value"]
    rows = TABLE.rows(runs).set_index("name")
    assert points.size()["table1"].to_dict() == rows.loc[rows["error_searches.n"] > 0, "error_searches.n"].to_dict()
    assert points.mean()["table1"].to_dict() == pytest.approx(rows["error_searches.mean"].dropna().to_dict())
    assert set(frame.loc[frame["kind"] == "published", "name"]) == {"DARTS"}


def test_the_figure_of_the_prediction_tells_ties_in_bits(results: tuple[Runs, Results]) -> None:
    stages = figure_prediction.rows(results[0]).groupby("search")["stage"].max()
    assert stages[["digits, t = 1", "digits, t = 4"]].tolist() == [1, 4]
    assert set(figure_prediction.rows(results[0])["undecided_bits"]) == {3.0}


def test_the_interval_of_a_mean_is_students() -> None:
    assert student([5.0]) is None
    assert student([1.0, 3.0]) == pytest.approx((2 - 12.7062, 2 + 12.7062), abs=1e-3)


def test_the_budgets_are_those_of_the_finished_runs(results: tuple[Runs, Results]) -> None:
    lines = budgets.frame(results[0], TABLES).set_index(["table", "name"])
    assert "DARTS" not in set(lines.index.get_level_values("name"))  # nobody searched for it here
    assert lines.loc[(1, "RSWS"), "n"] == 1
    assert lines.loc[(1, "CoNAS (t=1)"), ["n", "measurements", "minutes"]].tolist() == pytest.approx([3, 30, 57.6])
