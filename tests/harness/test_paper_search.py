"""A search in pieces: stopped by the clock, carried in files, gone on with elsewhere, on packed images."""

import json
import math
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conas.questions import OneShot
from conas.refusal import Refused
from conas.sampling import Bernoulli
from conas.seeds import generator
from conas.space import space
from harness import deadline
from harness.config.load import load
from harness.console.progress import Reporter
from harness.data import packed
from harness.data.files import DataError
from harness.data.images import load_images
from harness.data.packed import pack, unpack
from harness.data.registry import dataset
from harness.execution.execute import search
from harness.problems.trained import TrainedProblem
from harness.records import pieces
from harness.records.files import read_json
from harness.records.pieces import PiecesError, join, split
from harness.records.store import Store
from harness.studies import paper_answers
from harness.studies.paper_answers import VARIANTS
from harness.studies.paper_model import paper_model
from harness.studies.paper_search import packed_task, run
from harness.training.image.one_shot import searched
from harness.training.image.task import ImageTask
from harness.training.task import load_task
from tests.runs import Telling, contents


def config(folder: Path, seed: int = 0, method: str = "conas", device: str = "cpu") -> Any:
    sizes = {"data": {"train_limit": 200}, "oneshot": {"epochs": 2}, "search": {"m": 30}}
    chosen = {"dataset": "digits", "profile": "smoke", "seed": seed, "method": method, "device": device}
    return load({**chosen, "runs_dir": str(folder), **sizes})


def weights(store: Path) -> bytes:
    (path,) = store.rglob("weights/checkpoint.pt")
    return path.read_bytes()


def test_pieces_on_three_machines_end_at_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(config(tmp_path / "whole"))
    kept = tmp_path / "pieces"
    for number, steps in enumerate((1, 2, math.inf)):
        left = iter(range(int(steps))) if steps < math.inf else None
        monkeypatch.setattr(deadline, "passed", lambda left=left: left is not None and next(left, None) is None)
        monkeypatch.setattr("harness.training.loop.passed", deadline.passed)
        said = run(config(tmp_path / f"machine {number}"), pieces=kept)
        assert said.startswith("found" if steps == math.inf else "time is up")
        assert max(path.stat().st_size for path in kept.iterdir()) <= 16 << 20
    assert said.partition(":")[2] == whole.partition(":")[2]
    assert weights(tmp_path / "machine 2") == weights(tmp_path / "whole")


def test_another_search_measures_the_same_model(tmp_path: Path) -> None:
    for method in ("conas", "best_of_m"):
        said = run(config(tmp_path / "store", method=method), pieces=tmp_path / "pieces")
        assert said.startswith("found")
    kinds = [stage.name.partition("-")[0] for stage in (tmp_path / "store" / "stages").iterdir()]
    assert sorted(kinds) == ["search", "search", "supernet"]


def test_the_model_in_pieces_is_asked_as_the_search_asks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, searched = tmp_path / "pieces", config(tmp_path / "store")
    with pytest.raises(PiecesError, match="holds no pieces"):
        paper_model(kept, searched, Reporter())
    left = iter(range(2))
    monkeypatch.setattr("harness.training.loop.passed", lambda: next(left, None) is None)
    assert run(searched, pieces=kept).startswith("time is up")
    oracle, *behind = paper_model(kept, searched, Reporter())
    alphas = space("cnn").sample(generator(0, "test"), 3, 0.5)
    early = oracle.measure(alphas)
    monkeypatch.undo()
    run(searched, pieces=kept)
    oracle, *end = paper_model(kept, searched, Reporter())
    problem = TrainedProblem(searched, load_task(searched), Store(tmp_path / "store"), Reporter())
    model = problem.ask(OneShot(Bernoulli(searched.settings.p, searched.settings.connect)))
    assert (behind, end) == ([1, 3], [2, problem.cost.one_shot_steps])
    assert oracle.measure(alphas).tolist() == model.measure(alphas).tolist()
    with pytest.raises(Refused, match="another seed"):
        paper_model(kept, config(tmp_path / "store", seed=1), Reporter())
    assert (early != oracle.measure(alphas)).all()


def test_the_measurements_lead_to_other_answers_too(tmp_path: Path) -> None:
    updates = {"dataset": "digits", "profile": "smoke", "seed": 0, "device": "cpu"}
    updates |= {"data": {"train_limit": 200}, "oneshot": {"epochs": 2}, "search": {"m": 60}}
    for method in ("conas", "fourier_search"):
        run(load({**updates, "method": method, "runs_dir": str(tmp_path / "store")}), pieces=tmp_path / "pieces")
    before, reporter = contents(tmp_path / "pieces"), Telling()
    table = paper_answers.run(tmp_path / "pieces", updates, None, reporter).set_index("answer")
    found = [read_json(path)["record"] for path in (tmp_path / "store").glob("stages/search-*/stage.json")]
    of_conas, of_fourier = sorted(found, key=lambda record: "found_at" in record["details"])
    assert table.loc["as published", "active"] == of_conas["details"]["alpha"].count("1")
    assert table.loc["fourier_search", "loss"] == pytest.approx(of_fourier["details"]["loss"])
    assert table.loc["fourier_search", "measurements"] == of_fourier["measurements"]
    assert set(table["measurements"].drop("fourier_search")) == {of_conas["measurements"]}
    assert table.loc["best of m", "better"] == 0 <= table["better"].min()
    assert table.loc["best of m", "loss"] < table.loc["as published", "loss"]
    assert all(line.startswith("without losses above 1.5") for line in reporter.lines)
    named = {*VARIANTS, "best of m", "fourier_search"}
    assert set(table.index) | {line.partition(":")[0] for line in reporter.lines} == named
    assert contents(tmp_path / "pieces") == before
    with pytest.raises(Refused, match="holds no finished search of seed 1"):
        paper_answers.run(tmp_path / "pieces", {**updates, "seed": 1}, None, reporter)


def test_pieces_go_on_in_their_own_store_or_in_an_empty_one(tmp_path: Path) -> None:
    kept, own, foreign = (tmp_path / name for name in ("pieces", "own", "foreign"))
    run(config(own), pieces=kept)
    before = contents(kept)
    run(config(own), pieces=kept)
    run(config(foreign, seed=1))
    with pytest.raises(PiecesError, match="holds something else than the pieces"):
        run(config(foreign, seed=1), pieces=kept)
    with pytest.raises(Refused, match="cuda"):
        run(config(tmp_path / "none", device="cuda"), pieces=kept)
    assert not (tmp_path / "none").exists()
    assert contents(kept) == before
    run(config(tmp_path / "elsewhere", method="best_of_m"), pieces=kept)
    with pytest.raises(PiecesError, match="have been elsewhere since"):
        run(config(own), pieces=kept)


def test_what_is_this_machines_alone_stays_here(tmp_path: Path) -> None:
    here = tmp_path / "here"
    travels = ["runs/a/record.json", "stages/supernet-1/stage.json", "contents/folder/one.json", "sweeps/a/plan.json"]
    stays = [
        "database/password",
        "database.log",
        "speeds/one.json",
        "stages/supernet-1/.lock",
        "runs/a/record.json.new",
    ]
    for name in (*travels, *stays):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(name)
    split(here, tmp_path / "pieces")
    join(tmp_path / "pieces", tmp_path / "there")
    found = {str(path.relative_to(tmp_path / "there")) for path in (tmp_path / "there").rglob("*") if path.is_file()}
    assert found - {".pieces"} == set(travels)


def test_a_moment_passes() -> None:
    with deadline.within(None):
        deadline.stop_if_passed()
    with deadline.within(0), pytest.raises(deadline.TimeIsUp):
        deadline.stop_if_passed()
    assert not deadline.passed()


def test_small_pieces_and_damaged_ones(tmp_path: Path) -> None:
    store = tmp_path / "store"
    (store / "stage").mkdir(parents=True)
    (store / "stage" / "weights.pt").write_bytes(bytes(range(256)) * 100)
    for stage, names in (("stage", ("checkpoint.pt", "checkpoint.previous.pt")), ("cut", ("checkpoint.previous.pt",))):
        (store / stage).mkdir(exist_ok=True)
        for name in (*names, "checkpoint.new"):
            (store / stage / name).write_bytes(b"a state")
    written = split(store, tmp_path / "out", limit=10_000)
    assert all(path.stat().st_size <= 10_000 for path in written)
    join(tmp_path / "out", tmp_path / "there")
    assert [name for name in contents(tmp_path / "there") if not name.startswith(".")] == [
        "cut/checkpoint.previous.pt",  # a kill between the two renames of a checkpoint left no other
        "stage/checkpoint.pt",
        "stage/weights.pt",
    ]
    with pytest.raises(PiecesError, match="holds something already"):
        join(tmp_path / "out", store)
    (store / "stage" / "weights.pt").write_bytes(b"other")
    assert set(split(store, tmp_path / "out")) == set((tmp_path / "out").iterdir())  # none of the first set is left
    (store / "stage" / "weights.pt").write_bytes(bytes(range(256)) * 100)
    written = split(store, tmp_path / "out", limit=10_000)
    (tmp_path / "empty").mkdir()
    join(tmp_path / "out", tmp_path / "empty")
    assert (tmp_path / "empty" / "stage" / "weights.pt").read_bytes() == bytes(range(256)) * 100
    written[1].write_bytes(b"x")
    with pytest.raises(PiecesError, match="damaged"):
        join(tmp_path / "out", tmp_path / "elsewhere")
    written[1].unlink()
    with pytest.raises(PiecesError, match="missing"):
        join(tmp_path / "out", tmp_path / "elsewhere")
    written[0].write_text('{"parts": [')
    with pytest.raises(PiecesError, match="no list of them"):
        join(tmp_path / "out", tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()


def test_kills_while_pieces_are_written_leave_those_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, out, inside = tmp_path / "store", tmp_path / "out", Path("stages", "supernet-1", "weights.pt")
    (store / inside).parent.mkdir(parents=True)
    (store / inside).write_bytes(b"first")
    split(store, out)
    monkeypatch.setattr(pieces, "write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    for state in (b"second", b"third"):
        (store / inside).write_bytes(state)
        with pytest.raises(KeyboardInterrupt):
            split(store, out)
        pieces.bring(out, store)  # is no stranger's
    join(out, tmp_path / "there")
    assert (tmp_path / "there" / inside).read_bytes() == b"first"


def colours() -> Any:
    digits = load_images("digits", None)
    images = digits.train.images
    train = type(digits.train)(
        torch.cat([images, 2 * images, 255 - images], 1), digits.train.labels, digits.train.indices
    )
    return type(digits)("cifar10", train, digits.test, 10, (0.5,) * 3, (0.5,) * 3, digits.provenance)


def test_a_damaged_file_of_images_is_refused(tmp_path: Path) -> None:
    path, whole = tmp_path / "packed", pack(colours(), [5, 9], {})
    for place in range(0, len(whole), 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with suppress(DataError):
            unpack(path)
    path.write_bytes(whole)
    with np.load(path) as arrays:
        parts = dict(arrays)
    for name, odd in (("places", [1, 99_999]), ("about", "[]"), ("about", json.dumps({"format": "conas-images-2"}))):
        with path.open("wb") as file:
            np.savez(file, **{**parts, name: np.array(odd)})
        with pytest.raises(DataError, match="is not a file of packed images"):
            unpack(path)


def test_packed_images_are_the_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = colours()
    path = tmp_path / "packed"
    path.write_bytes(pack(data, [5, 9, 700], {"seeds": [3]}))
    found, purpose = unpack(path)
    assert purpose == {"seeds": [3]}
    assert torch.equal(found.train.images[[5, 9, 700]], data.train.images[[5, 9, 700]])
    several = range(0, 1400, 2)  # more than lie in one stack
    path.write_bytes(pack(data, several, {}))
    assert torch.equal(unpack(path)[0].train.images[several], data.train.images[several])
    monkeypatch.setattr(packed, "_FORMAT", "conas-images-1")
    path.write_bytes(pack(data, [5, 9, 700], {"seeds": [3]}))
    monkeypatch.undo()
    earlier, _ = unpack(path)
    assert torch.equal(earlier.train.images, found.train.images)
    assert torch.equal(found.train.labels, data.train.labels)
    assert found.provenance.fingerprint == data.provenance.fingerprint
    assert int(found.train.images.flatten(1).any(1).sum()) == 3
    with pytest.raises(Refused, match="is for seed 3 on digits, not for seed 0 on digits"):
        packed_task(config(tmp_path), path)
    whole = path.read_bytes()
    for other in (b"PK something else", b"", whole[: len(whole) // 2]):
        path.write_bytes(other)
        with pytest.raises(DataError, match="not a file of packed images"):
            unpack(path)


def test_a_search_on_packed_images_finds_the_same_and_one_that_reads_others_is_refused(tmp_path: Path) -> None:
    def coloured(method: str) -> Any:
        updates = {"dataset": "cifar10", "profile": "smoke", "runs_dir": str(tmp_path), "device": "cpu"}
        return load({**updates, "method": method, "oneshot": {"epochs": 1}, "final": {"cutout": 0}})

    images, known = colours(), dataset("cifar10")
    images = replace(images, provenance=replace(images.provenance, dataset="cifar10"), mean=known.mean, std=known.std)
    whole, path = ImageTask(coloured("best_of_m"), images), tmp_path / "packed"
    path.write_bytes(pack(whole.data, searched(whole), {"seeds": [0]}))
    found = [
        search(coloured("best_of_m").model_copy(update={"runs_dir": str(tmp_path / name)}), Reporter(), task).record
        for name, task in (("of all", whole), ("of packed", packed_task(coloured("best_of_m"), path)))
    ]
    assert found[0].details == found[1].details
    for method in ("rsws", "random_search", "proxylessnas_r"):  # the whole validation set, other networks, fresh draws
        with pytest.raises(Refused, match=f"lacks images that {method} reads"):
            packed_task(coloured(method), path)


def test_what_a_search_reads() -> None:
    task = ImageTask(load({"dataset": "digits", "profile": "smoke"}))
    places = searched(task)
    assert set(task.weights_half.indices.tolist()) < places
    assert len(places) < len(task.data.train)
