"""Runs in bulk: read 10,000 from files and from MongoDB, sync 1,000, and what the mirror costs a run.

    python tests/performance/bench_store.py [--runs 10000] [--synced 1000] [--epochs 600] [--out FOLDER]

The server is the one of `make dashboard`, on loopback. Memory is the peak of a process that does nothing else; CPU time
tells apart what a busy machine adds.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from harness import results
from harness.dashboard import services
from harness.mongo.database import Database, upload
from harness.records.files import write_json
from harness.records.schema import Attempt, CountsRecord, Record, SearchRecord
from harness.records.store import Store
from harness.sync import Sync

GENOTYPE = {
    "inputs": 2,
    "cells": {"normal": {"nodes": [["sep_conv_3x3@0", "skip_connect@1"]] * 4, "concat": [2, 3, 4, 5]}},
}


def make(root: Path, runs: int, epochs: int) -> None:
    """Write ``runs`` finished runs with ``epochs`` rows of four figures each."""
    random = np.random.default_rng(0)
    store = Store(root)
    for seed in range(runs):
        record = example(seed)
        folder = store.run(record.id)
        folder.path.mkdir(parents=True)
        figures = random.random((epochs, 4)).tolist()
        lines = (
            json.dumps({"stage": "final", "epoch": i + 1, "train_loss": a, "valid_loss": b, "valid_error": c, "lr": d})
            for i, (a, b, c, d) in enumerate(figures)
        )
        folder.metrics.path.write_text("\n".join(lines) + "\n")
        folder.record_path.write_text(record.model_dump_json(indent=2))


def example(seed: int) -> Record:
    """A finished run."""
    return Record(
        key=f"{seed:012x}",
        method="conas",
        dataset="cifar10",
        seed=seed,
        profile="paper",
        status="done",
        config={
            "dataset": "cifar10",
            "method": "conas",
            "seed": seed,
            "profile": "paper",
            "space": "cnn",
            "final": {f"setting_{i}": i for i in range(50)},
        },
        genotype=GENOTYPE,
        search=SearchRecord(
            key="0" * 12,
            dataset="cifar10",
            seconds=3600.0,
            gpu_days=0.04,
            one_shot_steps=10_000,
            measurements=1_000,
            stand_alone_epochs=0,
            details={"alpha": "01" * 70},
        ),
        training_seconds=7200.0,
        counts=CountsRecord(params=2_300_000, mult_adds=3.86e8),
        metrics={"last": {"test_error": 2.6, "epoch": 600}, "best": {"test_error": 2.5, "epoch": 590}},
        environment={"commit": "0" * 40, "packages": {"torch": "2.14.1"}},
        attempts=[
            Attempt(
                started="2026-01-01T00:00:00+00:00",
                ended="2026-01-01T02:00:00+00:00",
                status="done",
                host="a",
                pid=1,
                device="b",
            )
        ],
    )


def apart(task: Callable[..., None], *arguments: Any) -> tuple[float, float, float]:
    """Seconds, CPU seconds and peak GiB of ``task`` in a process of its own."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_measured, args=(theirs, task, arguments))
    process.start()
    theirs.close()
    measured: tuple[float, float, float] = ours.recv()
    process.join()
    return measured


def _measured(pipe: Any, task: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    start, start_cpu = time.perf_counter(), time.process_time()
    task(*arguments)
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    pipe.send((seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20))


def load(address: str) -> None:
    """Read everything."""
    runs, metrics = results.load(address)
    print(f"  {len(runs):,} runs, {len(metrics):,} rows")


def sync(address: str, root: str) -> None:
    """Make the database equal to the store."""
    outcome = Sync(Database(address), Store(root))()
    print(f"  {outcome.uploaded} uploaded, {outcome.equal} equal")


def per_run(address: str, root: Path, epochs: int) -> dict[str, float]:
    """Seconds of the mirror's thread for one run that it uploads after every epoch, and for one upload at its end."""
    database, store = Database(address), Store(root)
    database.prepare()
    record = example(10**6)
    folder = store.run(record.id)
    folder.path.mkdir(parents=True)
    folder.save(record.model_copy(update={"status": "running"}))
    spent, known = 0.0, {}
    for epoch in range(1, epochs + 1):
        folder.metrics.append({"stage": "final", "epoch": epoch, "train_loss": 1 / epoch, "valid_error": 100 / epoch})
        start = time.thread_time()
        known = upload(database, [folder], known).digests
        spent += time.thread_time() - start
    start = time.perf_counter()
    upload(database, [folder], {})
    return {"cpu_seconds_every_epoch": spent, "seconds_once": time.perf_counter() - start}


def main() -> None:
    """Print every figure as it is found; write store.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--synced", type=int, default=1_000)
    parser.add_argument("--epochs", type=int, default=600)
    parser.add_argument("--out", type=Path, default=Path("results/performance"))
    chosen = parser.parse_args()
    figures: dict[str, Any] = vars(chosen) | {"out": None}
    with tempfile.TemporaryDirectory() as folder:
        many, few, port = Path(folder, "many"), Path(folder, "few"), services.free_port()
        make(many, chosen.runs, chosen.epochs)
        make(few, chosen.synced, chosen.epochs)
        with services.server(Path(folder, "database"), port):
            url = f"mongodb://127.0.0.1:{port}"
            for name, task, arguments in (
                ("read files", load, (str(many),)),
                ("sync", sync, (f"{url}/few", str(few))),
                ("sync again", sync, (f"{url}/few", str(few))),
                ("fill the database", sync, (f"{url}/many", str(many))),
                ("read MongoDB", load, (f"{url}/many",)),
            ):
                seconds, cpu, memory = apart(task, *arguments)
                figures[name] = {"seconds": seconds, "cpu_seconds": cpu, "GiB": memory}
                print(f"{name}: {seconds:.1f} s ({cpu:.1f} s of CPU), {memory:.2f} GiB")
            figures["mirror"] = per_run(f"{url}/one", Path(folder, "one"), chosen.epochs)
            print(f"mirror of one run: {figures['mirror']}")
    write_json(chosen.out / "store.json", figures)


if __name__ == "__main__":
    main()
