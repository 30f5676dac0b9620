import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from tests.harness.sweep.runs import Tiny, make


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """A launcher leaves the address of its database to its processes; it is not to reach other tests."""
    with mock.patch.dict(os.environ):
        yield


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Six runs made by the local launcher with nothing disturbing it; two share a trained model."""
    return make(tmp_path_factory.mktemp("tiny"), seeds=4)


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Three runs, undisturbed and not too short to be killed; two share a trained model."""
    return make(tmp_path_factory.mktemp("few"), seeds=1, epochs=40)


@pytest.fixture
def store(tiny: Tiny, tmp_path: Path) -> Path:
    """An empty store."""
    return tiny.fresh(tmp_path / "runs")
