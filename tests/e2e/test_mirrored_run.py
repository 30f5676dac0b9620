"""The main command with ``-m``, from the configuration to the documents."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from harness import results
from tests.harness.mongo.checks import assert_equal, collections
from tests.runs import contents

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def tables(store: object, out: Path) -> dict[str, bytes]:
    """The files that `make tables` makes from ``store``, by name."""
    command = [sys.executable, "-m", "tables", "tables", "--profile", "smoke", "--store", str(store), "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return contents(out)


def test_a_run_of_the_harness_is_in_the_database(tmp_path, mongo_url):
    host, _, name = mongo_url.removeprefix("mongodb://").partition("/")
    command = [sys.executable, str(ROOT / "harness" / "run.py"), "-m", f"{host}:{name}", "with"]
    settings = ["dataset=digits", "profile=smoke", "seed=0", f"runs_dir={tmp_path / 'store'}"]
    subprocess.run([*command, *settings], cwd=tmp_path, env=os.environ, check=True, capture_output=True)
    assert_equal(mongo_url, tmp_path / "store")
    run = collections(mongo_url).runs.find_one()
    assert run["status"] == "COMPLETED"
    assert set(run["info"]["overview"]) == {"edges", "test_error", "params_M", "mult_adds_M", "search_seconds"}
    assert {"cell_normal.png", "cell_reduce.png", "genotype.json", "record.json"} <= {
        a["name"] for a in run["artifacts"]
    }
    assert "final epoch 1" in run["captured_out"]
    files, mongo = results.load(tmp_path / "store"), results.load(mongo_url)
    pd.testing.assert_frame_equal(files.runs, mongo.runs)
    pd.testing.assert_frame_equal(files.metrics, mongo.metrics)
    made = tables(tmp_path / "store", tmp_path / "from_files")
    assert made
    assert tables(mongo_url, tmp_path / "from_mongo") == made
