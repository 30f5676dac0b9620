"""What several tests share."""

import itertools
import json
import os
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import settings

from conas.cells import cell as fixed
from conas.seeds import generator
from conas.space import space
from harness.dashboard import services
from harness.pictures.cells import draw_cells
from harness.records.files import write_json
from harness.records.schema import Attempt, CountsRecord, Record, SearchRecord, Status
from harness.records.store import RunFolder, Store

# a shell starts background jobs deaf to Ctrl-C, and what the tests start would inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)

# the same examples every time: a commit fails for what it changed; `make fuzz` looks further
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

WriteRun = Callable[..., RunFolder]

LONG = (
    "harness/sweep/test_slurm.py",
    "conas/test_cuda_kernels.py",
    "harness/test_life.py",
    "harness/sweep/test_queue.py",
    "harness/sweep/test_local.py",
    "harness/test_text_life.py",
    "harness/test_damage.py",
    "harness/test_paper_search.py",
)
"""The files that take longest: they come first, or a worker is alone with one of them at the end."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """For several workers, put the long files first, those that wait beside those that compute."""
    if not hasattr(config, "workerinput"):
        return
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONG)}
    if gone := [str(path) for path in places if not path.exists()]:
        raise pytest.UsageError(f"LONG names files that are gone: {', '.join(gone)}")
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The work of tests is small, and others run beside them: more threads only wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def nas_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tabular benchmarks: the real ones if CONAS_NAS_TABLES names it, else made-up ones.

    The made-up tables have every architecture, in the files' own formats; each operation of an edge has a worth.
    """
    if named := os.environ.get("CONAS_NAS_TABLES"):
        return Path(named)
    folder = tmp_path_factory.mktemp("nas-tables")
    cells = list(itertools.product(space("nasbench201").operations, repeat=6))
    names = ["|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*cell) for cell in cells]
    columns = {
        f"{dataset}_{column}": _accuracies(6, 5, dataset, column)
        for dataset in ("cifar10", "cifar100", "imagenet16")
        for column in ("val_12ep", "test_200ep")
    }
    pd.DataFrame({"arch": names, **columns}).to_csv(folder / "nasbench201.csv", index_label="index")
    runs = np.stack([_accuracies(8, 3, "macro", str(run)) for run in range(3)], axis=1)
    layers = map("".join, itertools.product("012", repeat=8))
    entries = {name: {"test_acc": row.tolist()} for name, row in zip(layers, runs, strict=True)}
    (folder / "nas-bench-macro_cifar10.json").write_text(json.dumps(entries))
    return folder


def _accuracies(edges: int, operations: int, name: str, column: str) -> np.ndarray:
    worth = generator(0, "worth", name).normal(size=(edges, operations))
    sums = sum(np.ix_(*worth))
    noise = generator(0, "noise", name, column).normal(scale=0.3, size=sums.shape)
    return np.clip(70 + 4 * (sums + noise), 0, 100).round(3).ravel()


@pytest.fixture(scope="session")
def mongo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of a database server, a process of its own."""
    try:
        services.server_program()
    except services.ServiceError as error:
        pytest.skip(f"NO DATABASE SERVER, NOTHING ABOUT MONGODB IS TESTED: {error}")
    port = services.free_port()
    with services.server(tmp_path_factory.mktemp("mongo") / "data", port):
        yield f"{services.LOOPBACK}:{port}"


@pytest.fixture
def mongo_url(mongo_server: str) -> str:
    """The address of an empty database."""
    return f"mongodb://{mongo_server}/test_{uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def write_run(tmp_path_factory: pytest.TempPathFactory) -> WriteRun:
    """A function that writes a made-up run with real pictures into a store."""
    genotype = fixed("darts_v2")
    pictures = {path.name: path.read_bytes() for path in draw_cells(genotype, tmp_path_factory.mktemp("cells"))}

    def write(
        store: Store, seed: int = 0, status: Status = "done", epochs: int = 3, dataset: str = "cifar10"
    ) -> RunFolder:
        record = _record(seed, status, dataset)
        if status == "done":
            _finish(record, genotype.to_json(), epochs)
        folder = store.run(record.id)
        folder.save(record)
        rows = [{"stage": "final", "epoch": i + 1, **_figures(seed, i)} for i in range(epochs)]
        folder.metrics.append({"stage": "oneshot", "epoch": 1, "train_loss": 2.0}, *rows)
        (folder.path / "output.log").write_text(f"run {record.id}\n" + "".join(f"{row}\n" for row in rows))
        if record.genotype:
            write_json(folder.path / "genotype.json", record.genotype)
        for name, content in pictures.items():
            (folder.path / name).write_bytes(content)
        return folder

    return write


def _figures(seed: int, epoch: int) -> dict[str, float]:
    loss = float(generator(seed, "figures", epoch).uniform(0.9, 1.1)) * 2 / (epoch + 1)
    return {"train_loss": loss, "valid_error": 30 * loss}


def _record(seed: int, status: Status, dataset: str) -> Record:
    started = datetime(2026, 1, 2, tzinfo=UTC) + timedelta(minutes=seed)
    ended = None if status in ("running", "queued") else (started + timedelta(seconds=3_723)).isoformat()
    attempt = Attempt(started=started.isoformat(), ended=ended, status=status, host="h", pid=1, device="CPU")
    return Record(
        key=f"{seed:012x}",
        method="conas",
        dataset=dataset,
        seed=seed,
        profile="laptop",
        status=status,
        reason={"failed": "OSError: disk full", "diverged": "final: loss nan at epoch 3, step 7"}.get(status),
        config={
            "dataset": dataset,
            "method": "conas",
            "seed": seed,
            "profile": "laptop",
            "space": "cnn",
            "final": {"lr": 0.025},
        },
        environment={"commit": "a" * 40, "packages": {"torch": "2.14.1"}, "python": "3.11.7", "platform": "Linux"},
        attempts=[attempt],
    )


def _finish(record: Record, genotype: dict[str, Any], epochs: int) -> None:
    last = {**_figures(record.seed, epochs), "test_error": 5 + record.seed % 7 / 10, "epoch": epochs}
    record.genotype = genotype
    record.metrics = {"last": last, "best": last}
    record.counts = CountsRecord(params=2_341_386, mult_adds=3.86e8)
    record.training_seconds = 3_600.0
    record.weights = {"path": "weights.pt", "sha256": "0" * 64}
    record.search = SearchRecord(
        key="0" * 12,
        dataset=record.dataset,
        seconds=123.4,
        gpu_days=0.0014,
        one_shot_steps=100,
        measurements=1000,
        stand_alone_epochs=0,
        details={"alpha": "01" * 70, "losses": {"$odd.name": [1, 2.5, None]}},
    )
