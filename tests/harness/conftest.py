from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.config.load import Config, load, merge
from tests.runs import TINY


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., Config]:
    """The smallest real run: `tiny(**updates)` is its configuration, recorded below the test's own folder."""

    def configure(updates: dict[str, Any] | None = None) -> Config:
        asked = updates or {}
        base = {name: value for name, value in TINY.items() if "method" not in asked or name != "search"}
        return load(merge({**base, "runs_dir": str(tmp_path / "runs")}, asked))

    return configure
