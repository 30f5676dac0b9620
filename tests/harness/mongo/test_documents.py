import json

import bson
from hypothesis import given
from hypothesis import strategies as st

from harness.mongo.documents import COLUMNS, documents, number
from harness.mongo.snapshot import read_image
from harness.records.metrics import parse, series
from harness.records.store import RunFolder, Store

NAMES = st.text(min_size=1, max_size=20)


@given(NAMES)
def test_a_runs_number_is_negative_and_exact_in_javascript(run):
    assert -(2**53) < number(run) < 0


@given(st.sets(NAMES, max_size=50))
def test_runs_have_numbers_of_their_own(runs):
    assert len({number(run) for run in runs}) == len(runs)


def test_every_custom_column_shows_a_value_of_a_finished_run(tmp_path, write_run):
    folder = write_run(Store(tmp_path))
    record = folder.record()
    record.config |= {
        "search": {"t": 4, "lambda": 5.0},
        "variant": "t4",
        "typed": ["dataset=cifar10", "search.lambda=5", "seed=3"],
    }
    folder.save(record)
    run = documents(read_image(folder)).run
    assert run["info"]["overview"]["settings"] == "search.lambda=5"
    assert run["info"]["overview"]["edges"] == 16
    for path in set(COLUMNS["custom"].values()) - {"info.overview.test_perplexity"}:
        value = run
        for part in path.split("."):
            value = value[part]
        assert value is not None, path


def test_layout_names_every_custom_column():
    assert set(COLUMNS["custom"]) <= {column["name"] for column in COLUMNS["layout"]}


def test_weights_stay_on_disk(tmp_path, write_run):
    folder = write_run(Store(tmp_path))
    (folder.path / "weights.pt").write_bytes(b"w")
    (folder.path / "checkpoint.pt").write_bytes(b"c")
    run = documents(read_image(folder)).run
    assert {artifact["name"] for artifact in run["artifacts"]} == {
        *("cell_normal.png", "cell_normal.svg", "cell_reduce.png", "cell_reduce.svg"),
        *("genotype.json", "metrics.jsonl", "record.json"),
    }
    assert run["info"]["weights"] == {"path": "weights.pt", "sha256": "0" * 64}


def test_no_document_nears_mongodbs_limit(tmp_path, write_run):
    folder = write_run(Store(tmp_path))
    with (folder.path / "output.log").open("w") as log:
        log.writelines(f"line {i} of a chatty run\n" for i in range(1_000_000))
    record = folder.record()
    record.search.details["losses"] = [0.123456789] * 1_000_000
    folder.save(record)
    made = documents(read_image(folder))
    sizes = [len(bson.encode(document)) for document in (made.run, *made.metrics, *made.files, *made.chunks)]
    assert max(sizes) < 2**20
    assert made.run["captured_out"].endswith("line 999999 of a chatty run\n")


def test_progress_bars_leave_only_what_a_terminal_shows(tmp_path, write_run):
    folder = write_run(Store(tmp_path))
    (folder.path / "output.log").write_bytes(b"start\n 10%\r 50%\r100%\nend \xff\n")
    assert read_image(folder).output == "start\n100%\nend \ufffd\n"


def test_a_failed_run_has_its_traceback(tmp_path, write_run):
    folder = write_run(Store(tmp_path), status="failed")
    with (folder.path / "output.log").open("a") as log:
        log.write("Traceback (most recent call last):\n  somewhere\nOSError: disk full\n")
    run = documents(read_image(folder)).run
    assert run["status"] == "FAILED"
    assert run["fail_trace"] == ["Traceback (most recent call last):", "  somewhere", "OSError: disk full"]


ROWS = st.lists(
    st.fixed_dictionaries(
        {"stage": st.sampled_from(["oneshot", "final"]), "epoch": st.integers(1, 5)},
        optional={"loss": st.floats(0, 9), "error": st.none() | st.integers(0, 100)},
    ),
    max_size=12,
)


@given(ROWS, st.data())
def test_rows_survive_a_kill_at_any_byte(rows, data):
    lines = [json.dumps(row).encode() for row in rows]
    content = b"".join(line + b"\n" for line in lines)
    cut = data.draw(st.integers(0, len(content)))
    whole, end = {}, 0
    for row, line in zip(rows, lines, strict=True):
        if end + len(line) <= cut:
            whole[row["stage"], row["epoch"]] = row
        end += len(line) + 1
    assert parse(content[:cut]) == list(whole.values())


@given(ROWS)
def test_series_hold_every_figure_of_the_rows(rows):
    rows = parse(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    points = {
        (name, epoch, repr(value))
        for name, (epochs, values) in series(rows).items()
        for epoch, value in zip(epochs, values, strict=True)
    }
    expected = {
        (f"{row['stage']}.{name}", row["epoch"], repr(float("nan") if row[name] is None else float(row[name])))
        for row in rows
        for name in row
        if name not in ("stage", "epoch")
    }
    assert points == expected


def test_a_run_that_ends_while_it_is_read_is_of_one_moment(tmp_path, write_run, monkeypatch):
    folder, read = write_run(Store(tmp_path), status="running"), RunFolder.read

    def ending(self, name):
        content = read(self, name)
        if name == "record.json":
            write_run(Store(tmp_path), status="done")
        return content

    monkeypatch.setattr(RunFolder, "read", ending)
    image = read_image(folder)
    assert image.record.status == json.loads(image.files["record.json"].content)["status"]


def test_a_record_that_grows_has_another_digest(tmp_path, write_run):
    folder: RunFolder = write_run(Store(tmp_path))
    before = read_image(folder).digest
    folder.metrics.append({"stage": "final", "epoch": 4, "train_loss": 0.1})
    assert read_image(folder).digest != before
