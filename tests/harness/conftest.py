from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.config.load import Config, load, merge

TINY: dict[str, Any] = {
    "dataset": "digits",
    "profile": "smoke",
    "threads": 1,
    "data": {"train_limit": 200, "test_limit": 60, "validation_limit": 60},
    "oneshot": {"epochs": 2, "batch_size": 32},
    "search": {"m": 12, "s": 3},
    "final": {"epochs": 2, "batch_size": 32},
}


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., Config]:
    """The smallest real run: `tiny(**updates)` is its configuration, recorded below the test's own folder."""

    def configure(updates: dict[str, Any] | None = None) -> Config:
        asked = updates or {}
        base = {name: value for name, value in TINY.items() if "method" not in asked or name != "search"}
        return load(merge({**base, "runs_dir": str(tmp_path / "runs")}, asked))

    return configure
