"""Packed records name no folder of the machine that made them."""

import re
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from harness import archive
from harness.config.load import Config, recorded
from harness.console.progress import Reporter
from harness.execution.execute import execute
from harness.records.store import Store

DOCS = Path(__file__).parents[2] / "docs"
ABSOLUTE = re.compile(rb'(?:(?<![\w.:/-])|(?<=\\n))/(?:home|root|tmp|work|Users|mnt|scratch|data|private)/[^"\s]*')
"""Also after a new line, of which JSON makes a backslash and an n."""


@pytest.mark.parametrize("path", [*DOCS.rglob("*.jsonl"), *DOCS.rglob("*.json")], ids=lambda path: path.name)
def test_published_records_name_no_folder_of_a_machine(path: Path) -> None:
    assert ABSOLUTE.findall(path.read_bytes()) == []


def test_a_folder_is_seen_wherever_it_stands() -> None:
    said = {
        "data_dir": "/home/me/data",
        "reason": "OSError: /tmp/a is full",
        "typed": ["runs_dir=/mnt/b", "see\n/work/c"],
    }
    assert len(ABSOLUTE.findall(orjson.dumps(said))) == 4
    assert ABSOLUTE.findall(b'"https://lab.example/data/x", "runs/tmp/a", "1/home/2"') == []


def test_a_run_is_packed_without_its_folders_and_keeps_its_name(tiny: Callable[..., Config], tmp_path: Path) -> None:
    config = tiny({"method": "random_wiring", "data_dir": str(tmp_path / "images"), "final": {"epochs": 1}})
    store = Store(config.runs_dir)
    execute(config, Reporter())
    archive.pack(store, [config.id], tmp_path / "packed.jsonl")
    content = (tmp_path / "packed.jsonl").read_bytes()
    assert str(tmp_path).encode() not in content
    (packed,) = archive.Archive(tmp_path / "packed.jsonl").read()
    assert isinstance(packed, archive.Packed)
    assert recorded(packed.record.config).id == packed.run == config.id
    assert archive.compare(tmp_path / "packed.jsonl", store).runs == {config.id: []}


def test_folders_are_named_anew_wherever_they_stand() -> None:
    config = {"data_dir": "/scratch/me/images", "runs_dir": "/scratch/me", "typed": ["data_dir=/scratch/me/images"]}
    record = {
        "config": config,
        "reason": "OSError: /scratch/me/runs/a is full",
        "data": {"source": "/scratch/me/images/svhn"},
    }
    kept = orjson.dumps({"elsewhere": "/scratch/mental", "shipped": "/usr/share/datasets"}).decode()
    said = archive.portable({**record, "kept": kept})
    assert said["config"] == {"data_dir": "data", "runs_dir": "runs", "typed": ["data_dir=data"]}
    assert (said["reason"], said["data"]["source"]) == ("OSError: runs/runs/a is full", "data/svhn")
    assert said["kept"] == kept
