"""How long all tables and figures take from a store of many runs, and how much of it is reading.

    python tests/performance/bench_tables.py [--runs 10000] [--out FOLDER]

The records are made up: every run that the laptop's sweeps plan, and copies of them under other keys up to the number.
"""

import argparse
import tempfile
import time
from pathlib import Path

from conas.space import space
from harness.config import sweeps
from harness.config.load import Config
from harness.records.files import write_json
from harness.records.schema import Attempt, CountsRecord, Record, SearchRecord
from harness.records.store import Store
from tables.build import build
from tables.runs import Runs

PROFILE = "laptop"


def record(config: Config, key: str) -> Record:
    """A finished run with the least that tables read."""
    bits = space(config.space)
    alpha = [1 if bit % 9 == 0 else -1 for bit in range(bits.n)]
    return Record(
        key=key,
        method=config.method,
        dataset=config.dataset,
        seed=config.seed,
        profile=config.profile,
        status="done",
        config=config.model_dump(mode="json"),
        genotype=bits.build(alpha).to_json(),
        search=SearchRecord(
            key="0" * 12,
            dataset=config.dataset,
            seconds=100,
            gpu_days=0.001,
            one_shot_steps=1,
            measurements=1,
            stand_alone_epochs=0,
            details={"alpha": bits.format(alpha)},
        ),
        training_seconds=100,
        counts=CountsRecord(params=1_000_000, mult_adds=1e8, mult_adds_ptflops=1e8),
        metrics={"last": {"test_error": 10.0 + config.seed, "valid_perplexity": 90.0, "test_perplexity": 90.0}},
        attempts=[Attempt(started="2020-01-01T00:00:00+00:00", host="h", pid=1, device="made up")],
    )


def fill(store: Store, number: int) -> None:
    """Write ``number`` records."""
    planned = [config for sweep in sweeps.names() for config in sweeps.runs(sweep, PROFILE)]
    for i in range(number):
        config = planned[i % len(planned)]
        one = record(config, config.key if i < len(planned) else f"{i:012x}")
        write_json(store.run(one.id).record_path, one.model_dump(mode="json"))


def main() -> None:
    """Time reading, and everything; write tables.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=Path("results/performance"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fill(Store(folder), options.runs)
        start = time.perf_counter()
        runs = Runs.read(folder, PROFILE)
        reading = time.perf_counter() - start
        build(runs, Path(folder) / "out")
        whole = time.perf_counter() - start
    found = {"runs": options.runs, "reading_seconds": reading, "whole_seconds": whole, "reading_share": reading / whole}
    print("  ".join(f"{name} {value:.4g}" for name, value in found.items()))
    write_json(options.out / "tables.json", found)


if __name__ == "__main__":
    main()
