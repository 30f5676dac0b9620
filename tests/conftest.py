"""What several tests share."""

import itertools
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conas.seeds import generator
from conas.space import space


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
