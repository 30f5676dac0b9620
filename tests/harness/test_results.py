import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import archive, results
from harness.mongo.database import Database
from harness.records.comparison import differences
from harness.records.metrics import parse
from harness.records.store import Store
from harness.sync import Sync


@pytest.fixture
def runs(tmp_path, write_run):
    for seed, status in enumerate(["done", "failed", "running", "diverged"]):
        write_run(Store(tmp_path), seed, status, epochs=seed + 1)
    Store(tmp_path).folders()[2].metrics.append({"stage": "final", "epoch": 4, "other": None, "note": "text"})
    with Store(tmp_path).folders()[1].metrics.path.open("ab") as file:
        file.write(b'{"stage": "final", "epoch": 5, "train_lo')
    return tmp_path


def test_files_and_mongodb_give_the_same(runs, mongo_url):
    Sync(Database(mongo_url), Store(runs))()
    files, mongo = results.load(runs), results.load(mongo_url)
    pd.testing.assert_frame_equal(files.runs, mongo.runs)
    pd.testing.assert_frame_equal(files.metrics, mongo.metrics)
    assert results.records(results.source(runs)) == results.records(results.source(mongo_url))
    assert results.records(results.source(runs))[0] == Store(runs).read()[0]


def test_the_runs_are_told_by_dotted_name(runs):
    told = results.load(runs).runs
    assert list(told.index) == [folder.path.name for folder in Store(runs).folders()]
    first = told.iloc[0]
    assert first["metrics.last.test_error"] == 5.0
    assert first["config.final.lr"] == 0.025
    assert first["counts.params"] == 2_341_386
    assert first["attempts"] == 1
    assert list(told["status"]) == ["done", "failed", "running", "diverged"]


def test_a_damaged_record_is_named_and_skipped(runs):
    Store(runs).folders()[0].record_path.write_text("{}")
    readable, damaged = results.records(results.source(runs))
    assert len(readable) == 3
    assert len(damaged) == 1
    assert Store(runs).folders()[0].path.name in damaged[0]


def test_a_row_is_a_run_stage_and_epoch(runs):
    metrics = results.load(runs).metrics
    assert len(metrics) == 4 + 1 + 2 + 3 + 4 + 1
    assert metrics.columns.tolist() == ["run", "stage", "epoch", "other", "train_loss", "valid_error"]
    assert metrics["other"].isna().all()


def test_an_empty_store_gives_empty_tables(tmp_path, mongo_url):
    for address in (tmp_path, mongo_url):
        empty = results.load(address)
        assert empty.runs.empty
        assert empty.metrics.empty


RUNS = st.lists(
    st.lists(
        st.fixed_dictionaries(
            {"stage": st.sampled_from(["oneshot", "final"]), "epoch": st.integers(1, 4)},
            optional={"loss": st.none() | st.floats(-1e9, 1e9), "error": st.integers(0, 100)},
        ),
        max_size=6,
    ),
    max_size=4,
)


class Memory:
    def __init__(self, contents):
        self._contents = contents

    def contents(self, name):
        yield from self._contents.items()


@given(RUNS)
def test_metrics_agree_with_a_plain_reference(runs):
    lines = {f"run{i}": b"".join(orjson.dumps(row) + b"\n" for row in rows) for i, rows in enumerate(runs)}
    table = results.metrics(Memory(lines))
    expected = [{"run": name, **row} for name, content in lines.items() for row in parse(content)]
    found = [
        {key: value for key, value in row.items() if not (isinstance(value, float) and np.isnan(value))}
        for row in table.to_dict("records")
    ]
    assert found == [{key: value for key, value in row.items() if value is not None} for row in expected]


def test_a_packed_file_gives_the_same_and_fills_a_store(runs, tmp_path):
    store, path, other = Store(runs), tmp_path / "runs.jsonl", Store(tmp_path / "other")
    ended = [record for record in store.read()[0] if record.status != "running"]
    assert archive.pack(store, [record.id for record in ended] + ["never-made"], path) == len(ended) == 3
    assert results.records(results.source(path)) == (ended, [])
    assert len(archive.unpack(path, other).runs) == 3
    pd.testing.assert_frame_equal(results.load(path).runs, results.load(other.root).runs)
    pd.testing.assert_frame_equal(results.load(path).metrics, results.load(other.root).metrics)
    assert archive.unpack(path, other) == archive.Outcome()
    with pytest.raises(archive.ArchiveError, match="none of the runs to be packed has ended"):
        archive.pack(Store(tmp_path), ["never-made"], path)
    assert archive.pack(other, [record.id for record in ended], tmp_path / "again.jsonl") == 3
    assert (tmp_path / "again.jsonl").read_bytes() == path.read_bytes()
    first, *others = (record.id for record in ended)
    assert archive.compare(path, other).runs == {name: [] for name in (first, *others)}
    record = other.run(first).record()
    record.metrics["last"]["test_error"] += 1e-15
    other.run(first).save(record)
    other.run(first).metrics.append({"stage": "final", "epoch": 9})
    differences = ["metrics", "metrics of every epoch"]
    assert archive.compare(path, other).runs == {first: differences} | {name: [] for name in others}
    assert archive.main(["compare", str(path), "--store", str(other.root)]) == 1


def test_a_comparison_says_where_a_difference_begins_and_on_which_processors(write_run, tmp_path):
    theirs = write_run(Store(tmp_path), 0, "done").record()
    ours = theirs.model_copy(deep=True)
    rows = [{"stage": "final", "epoch": epoch, "train_loss": 1.0} for epoch in (1, 2, 3)]
    ours.attempts[0].device = "another processor"
    ours.search.details |= {"a later version": "says more"}
    assert differences(theirs, rows, ours, rows) == []
    other = [rows[0], rows[1] | {"train_loss": 1.5}, rows[2]]
    assert differences(theirs, rows, ours, other) == [
        "metrics from epoch 2 of 'final' on (train_loss 1.0, here 1.5)",
        f"processor ({theirs.attempts[0].device}; here another processor)",
    ]


def test_a_file_that_is_missing_is_named(tmp_path, capsys):
    path = tmp_path / "runs.jsonl"
    assert archive.main(["unpack", str(path), "--store", str(tmp_path / "store")]) == 1
    assert capsys.readouterr().err == f"error: {path}: no such file\n"
    assert not (tmp_path / "store").exists()
