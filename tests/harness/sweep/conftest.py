import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from filelock import FileLock

from tests.harness.sweep.runs import Tiny, make


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """A launcher leaves the address of its database to its processes; it is not to reach other tests."""
    with mock.patch.dict(os.environ):
        yield


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Six runs made by the local launcher with nothing disturbing it; two share a trained model."""
    return copied("tiny", tmp_path_factory, seeds=4)


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Three runs, undisturbed and not too short to be killed; two share a trained model."""
    return copied("few", tmp_path_factory, seeds=1, epochs=40)


def copied(name: str, factory: pytest.TempPathFactory, **sizes: int) -> Tiny:
    """A copy, for the tests of this process, of runs that are made once for all of pytest's processes."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / f"shared-{name}"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):
        made = make(folder, **sizes)  # which starts nothing if all is there
    return Tiny(made.file, Path(shutil.copytree(made.store, factory.mktemp(name) / made.store.name)))


@pytest.fixture
def store(tiny: Tiny, tmp_path: Path) -> Path:
    """An empty store."""
    return tiny.fresh(tmp_path / "runs")
