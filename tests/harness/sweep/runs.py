"""Small sweeps of real runs, and what must be the same bits whoever makes them."""

import shutil
from pathlib import Path
from typing import Any

from harness import sweep
from harness.launch.state import standing
from harness.records.store import Store
from tests.runs import result

PROFILE = "smoke"
TINY = """
summary: a few tiny runs
set: {dataset: digits, data.train_limit: 100, data.test_limit: 20, data.validation_limit: 20,
      oneshot.epochs: 1, oneshot.batch_size: 32, final.epochs: EPOCHS, final.batch_size: 32, final.channels: 4}
rows:
  CoNAS: {method: conas, search.m: 12, search.s: 3, axes: {search.lambda: [1.0, 2.0]}, seeds: [0]}
  DARTS: {method: fixed, seeds: SEEDS}
"""


def write(path: Path, seeds: int, epochs: int) -> Path:
    """A sweep of two searches on one trained model and of ``seeds`` runs without one."""
    path.write_text(TINY.replace("SEEDS", str(list(range(seeds)))).replace("EPOCHS", str(epochs)))
    return path


class Tiny:
    """A small sweep and the results of its runs when nothing disturbs them."""

    def __init__(self, file: Path, store: Path) -> None:
        self.file, self.store = file, store

    def __len__(self) -> int:
        return len(self.expected)

    def command(self, store: Path, *more: str) -> list[str]:
        """The arguments of a command line for this sweep on ``store``."""
        return [str(self.file), "--profile", PROFILE, "--store", str(store), *more]

    @property
    def expected(self) -> dict[str, Any]:
        """What every run must end with."""
        return results(self.store)

    def fresh(self, folder: Path) -> Path:
        """An empty store, which knows already how fast this machine is."""
        shutil.copytree(self.store / "speeds", folder / "speeds")
        return folder


def make(folder: Path, seeds: int, epochs: int = 2) -> Tiny:
    """Write a sweep and make its runs on this machine, with nothing disturbing them."""
    tiny = Tiny(write(folder / "tiny.yaml", seeds, epochs), folder / "undisturbed")
    assert sweep.main(tiny.command(tiny.store, "--workers", "2")) == 0
    return tiny


def results(root: Path) -> dict[str, Any]:
    """Everything that must be the same bits when a run is repeated, by run."""
    return {folder.path.name: result(folder) for folder in Store(root).folders()}


def attempts(root: Path) -> dict[str, int]:
    """How often every run was started."""
    return {folder.path.name: standing(folder).attempts for folder in Store(root).folders()}


def states(root: Path) -> dict[str, str]:
    """Where every run stands."""
    return {folder.path.name: standing(folder).state for folder in Store(root).folders()}


def running(root: Path) -> dict[str, int]:
    """The processes that make runs now, on this machine, by run."""
    folders = [folder for folder in Store(root).folders() if standing(folder).state == "running"]
    return {folder.path.name: record.attempts[-1].pid for folder in folders if (record := folder.record())}
