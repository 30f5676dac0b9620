"""Made-up records for the tests of the tables, and small sweeps of their own that plan them.

Nothing here was trained: the numbers are drawn from a seeded generator, in the real schema, for the runs that
sweeps/*.yaml plan, so that the tests know what to expect.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conas.seeds import generator
from conas.space import Alpha, Space, space
from harness.config import sweeps
from harness.config.load import Config
from harness.records.schema import Attempt, CountsRecord, Record, SearchRecord
from harness.records.store import Store
from tables.build import Results, build
from tables.runs import Runs

SWEEPS = Path(__file__).parent / "sweeps"
MakeRecord = Callable[..., Record]
DEVICE = "made-up device"
STATUSES = {"failed": "OSError: no space left on device", "diverged": "final: loss nan at epoch 3, step 7"}


def record(config: Config, status: str = "done", error: float | None = None) -> Record:
    """A record of the run of ``config``; ``error`` replaces its drawn test error or perplexity."""
    drawn = [config.method, config.dataset, config.variant or "", str(config.identity["search"])]
    if config.search_seed is not None:
        drawn.append(str(config.search_seed))
    rng = generator(config.seed, "synthetic", *drawn)
    made = Record(
        key=config.key,
        method=config.method,
        dataset=config.dataset,
        seed=config.seed,
        profile=config.profile,
        status=status,
        reason=STATUSES.get(status),
        config=config.model_dump(mode="json"),
        attempts=[Attempt(started="2020-01-01T00:00:00+00:00", host="h", pid=1, device=DEVICE, status=status)],
    )
    return _finished(made, config, rng, error) if status == "done" else made


@pytest.fixture(autouse=True, scope="module")
def small_sweeps() -> Iterator[None]:
    """Every test of this folder sees the sweeps beside it, and no other test does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweeps, "SWEEPS", SWEEPS)
        sweeps.rows.cache_clear()
        yield
    sweeps.rows.cache_clear()


@pytest.fixture
def make_record() -> MakeRecord:
    """The function `record`."""
    return record


@pytest.fixture(scope="module")
def records(small_sweeps: None) -> list[Record]:
    """A finished record of every planned run of the profile paper; two runs of RSWS in Table 1 end badly."""
    planned = {config.id: config for sweep in sweeps.names() for config in sweeps.runs(sweep, "paper")}
    bad = {config.id: status for status, config in zip(STATUSES, sweeps.rows("table1", "paper")["RSWS"], strict=False)}
    return [record(config, bad.get(run, "done")) for run, config in planned.items()]


@pytest.fixture
def store(tmp_path: Path, records: list[Record]) -> Store:
    """A store with ``records``."""
    return _filled(tmp_path / "runs", records)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, records: list[Record]) -> tuple[Runs, Results]:
    """The runs of a store with ``records`` and all that is built from them. To be read only."""
    root = tmp_path_factory.mktemp("results")
    runs = Runs.read(_filled(root / "runs", records).root, "paper")
    return runs, build(runs, root / "out")


def _filled(root: Path, some: list[Record]) -> Store:
    store = Store(root)
    for one in some:
        store.run(one.id).save(one)
    return store


def _finished(made: Record, config: Config, rng: np.random.Generator, error: float | None) -> Record:
    bits = space(config.space)
    alpha = _alpha(bits, config, rng)
    made.genotype = bits.build(alpha).to_json()
    made.search = SearchRecord(
        key=config.for_search().key,
        dataset=config.dataset,
        seconds=3456.0,
        gpu_days=0.04,
        one_shot_steps=100,
        measurements=30,
        stand_alone_epochs=0,
        details={"alpha": bits.format(alpha), "stages": _stages(config, rng)},
    )
    made.training_seconds = 600.0
    size = float(np.round(rng.uniform(2.5e6, 4.5e6)))
    made.counts = CountsRecord(params=int(size), mult_adds=160 * size, mult_adds_ptflops=165 * size)
    made.metrics = {"last": _last(config, rng, error), "best": _last(config, rng, error)}
    return made


def _alpha(bits: Space, config: Config, rng: np.random.Generator) -> Alpha:
    alpha = np.full(bits.n, -1, dtype=np.int8)
    alpha[rng.choice(bits.n, 33 if config.variant == "t4" else 15, replace=False)] = 1
    return alpha


def _last(config: Config, rng: np.random.Generator, error: float | None) -> dict[str, float]:
    if config.task == "text":
        value = 60 + rng.normal() if error is None else error
        return {"valid_perplexity": value + 2, "test_perplexity": value, "epoch": 10.0}
    value = 3 + 0.1 * rng.normal() if error is None else error
    return {"test_error": value, "train_loss": 0.1, "epoch": 10.0}


def _stages(config: Config, rng: np.random.Generator) -> list[dict[str, Any]]:
    if config.method != "conas":
        return []
    means = 1.5 - 0.2 * np.arange(config.settings.t) + 0.02 * rng.normal(size=config.settings.t)
    return [
        {
            "measurements": {"used": 30, "reused": 0, "dropped": 0, "mean": float(mean), "sd": 0.1, "least": 0.9},
            "fit_r2": 0.5,
            "held_out_r2": 0.25,
            "minimisers": 8,
        }
        for mean in means
    ]
