"""Curves and comparisons tell what the published records hold."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from harness import compare, curves, events, results

KEPT = str(Path(__file__).parents[2] / "docs/laptop-replication/runs.jsonl")


@pytest.fixture(scope="module")
def where() -> results.Source:
    return results.source(KEPT)


def test_a_row_of_the_curves_is_a_figure_of_an_epoch(where: results.Source) -> None:
    records = curves.among(results.records(where)[0], ["cifar10-conas-*"])
    rows = curves.frame(records, results.metrics(where))
    assert set(rows["unit"]) == {"loss", "error"}
    assert set(rows["split"]) == {"train", "valid", "test"}
    for label in set(rows["label"]):
        assert sorted(set(rows.loc[rows["label"] == label, "seed"])) == [0, 1, 2, 3, 4]
    of_t4 = rows[(rows["label"] == "conas, t4, lambda=1.0") & (rows["split"] == "test") & (rows["unit"] == "error")]
    last = {record.seed: record.metrics["last"]["test_error"] for record in records if record.config["variant"] == "t4"}
    shown = of_t4[of_t4["epoch"] == of_t4["epoch"].max()].set_index("seed")["value"].to_dict()
    assert shown == last


def test_any_splits_are_drawn_and_a_figure_without_a_split_is_none(where: results.Source) -> None:
    records = curves.among(results.records(where)[0], ["ptb-darts-s0-*"])
    metrics = results.metrics(where)
    more = metrics.assign(loss=1.0, **{f"{split}_loss": 2.0 for split in ("one", "two", "three")})
    rows = curves.frame(records, more)
    assert set(rows["split"]) == {"train", "valid", "one", "two", "three"}
    curves.draw(rows[rows["stage"] == "relaxed"], "more splits than dashes")


def test_every_stage_of_a_data_set_is_a_picture(tmp_path: Path) -> None:
    assert curves.main(["digits-nothing-*", "--store", KEPT]) == 1
    assert curves.main(["ptb-darts-*", "--store", KEPT, "--out", str(tmp_path)]) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "curves.csv",
        *(f"curves_ptb_{stage}.{kind}" for stage in ("final", "relaxed") for kind in ("png", "pdf", "svg")),
    }


def test_runs_without_an_epoch_are_refused_in_one_line(
    where: results.Source, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = results.metrics(where).assign(**{f"{split}_loss": None for split in ("train", "valid", "test")})
    monkeypatch.setattr(results, "metrics", lambda where: nothing[["run", "stage", "epoch", "train_loss"]])
    assert curves.main(["ptb-darts-*", "--store", KEPT]) == 1
    assert capsys.readouterr().err == "error: these runs have recorded no epoch yet\n"


def test_tensorboard_reads_every_figure_of_the_curves(tmp_path: Path, where: results.Source) -> None:
    records = curves.among(results.records(where)[0], ["ptb-darts-*"])
    rows = curves.frame(records, results.metrics(where))
    paths = events.write_events(rows, {record.id: record for record in records}, tmp_path)
    assert {path.parent.name for path in paths} == {record.id for record in records}
    runs = {path.parent.name: EventAccumulator(str(path.parent)).Reload() for path in paths}
    read = [
        (name, tag, event.step, event.value)
        for name, run in runs.items()
        for tag in run.Tags()["scalars"]
        for event in run.Scalars(tag)
    ]
    recorded = [
        (row.run, f"{row.stage}/{row.split}_{row.unit}", row.epoch, pytest.approx(row.value))
        for row in rows.sort_values(["run", "stage", "split", "unit", "epoch"]).itertuples()
    ]
    assert sorted(read) == recorded
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in events.write_events(rows, {r.id: r for r in records}, tmp_path)] == before


def test_without_tensorboard_one_line_says_what_to_type(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(events, "find_spec", lambda name: None)
    folders = ["--out", str(tmp_path / "a"), "--tensorboard", str(tmp_path / "b")]
    assert curves.main(["ptb-darts-*", "--store", KEPT, *folders]) == 1
    assert capsys.readouterr().err == "error: TensorBoard's files need its package: pip install tensorboard\n"
    assert not list(tmp_path.iterdir())


def test_two_runs_are_compared_in_settings_cells_and_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.main(["08faffb39d9c", "0a9c12f25782", "--store", KEPT]) == 0
    told = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["final.epochs", "10", "3"] in told
    assert ["test", "error", "50.2", "58.3"] in told
    assert ["normal", "2", "=", "max_pool_3x3@1", "max_pool_3x3@1"] in told
    assert not any("seed" in line for line in told)


def test_a_run_that_is_not_there_is_refused_with_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.main(["cifar10-conas", "nothing", "--store", KEPT]) == 1
    assert "runs are called cifar10-conas..." in capsys.readouterr().err
    assert compare.main(["nothing", "nothing", "--store", KEPT]) == 1
    assert "unknown run 'nothing'" in capsys.readouterr().err
