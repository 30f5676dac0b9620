"""Recorded runs keep their names, whatever settings come later."""

import dataclasses
import json
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from baselines.registry import METHODS
from conas.algorithm import Settings
from conas.questions import Relaxed
from conas.settings import setting
from harness.config import layers, sweeps
from harness.config import load as loading
from harness.config.grammar import ConfigError
from harness.config.grammar import setting as written_setting
from harness.config.identity import later
from harness.config.load import Config, ImageConfig, load, recorded
from harness.config.schema import ImageInput, Section

KEPT = sorted((Path(__file__).parents[2] / "docs/laptop-replication").glob("*.jsonl"))
RECORDS = [json.loads(line)["record"] for path in KEPT for line in path.read_text().splitlines()]
PAPER: dict[str, Any] = {"dataset": "cifar10", "profile": "paper"}


class Policy(Section):
    rate: float


class Input(ImageInput):
    grey: bool = later(False)


class Younger(ImageConfig):
    data: Input
    policy: Policy = later(Policy(rate=1.0), needs="relaxed")


@dataclass(frozen=True)
class YoungerSettings(Settings):
    restarts: int = setting(3, "assumption", absent=1)


@pytest.fixture
def younger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A version of the project with three more settings, whose values today are not what their absence meant."""
    shutil.copytree(layers.SETTINGS, tmp_path / "settings")
    image = tmp_path / "settings" / "image.yaml"
    lines = image.read_text().replace("\ndata:\n", "\ndata:\n  grey: {value: true, source: assumption}\n")
    image.write_text(lines + "policy:\n  rate: {value: 7.0, source: assumption}\n")
    monkeypatch.setattr(layers, "SETTINGS", tmp_path / "settings")
    monkeypatch.setitem(loading.CONFIGS, "image", Younger)
    monkeypatch.setitem(METHODS, "conas", dataclasses.replace(METHODS["conas"], settings=YoungerSettings))
    caches = (layers._read, loading.flat_defaults, loading._setting, loading._checked)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


def names(config: Config) -> tuple[str, str]:
    return config.key, config.id


def kept(record: dict[str, Any]) -> tuple[str, str]:
    return record["key"], f"{record['dataset']}-{record['method']}-s{record['seed']}-{record['key']}"


def test_every_record_resolves_to_its_own_name() -> None:
    assert [len(path.read_text().splitlines()) for path in KEPT] == [5, 271]
    for record in RECORDS:
        assert names(recorded(record["config"])) == kept(record)


def test_the_sweeps_find_every_record_of_the_laptop_replication() -> None:
    wanted = {config.id for name in sweeps.names() for config in sweeps.runs(name, "laptop", (("allow_subset", True),))}
    assert {f"{r['dataset']}-{r['method']}-s{r['seed']}-{r['key']}" for r in RECORDS} <= wanted


def test_a_younger_setting_renames_no_record(younger: None) -> None:
    for record in RECORDS:
        config = recorded(record["config"])
        assert names(config) == kept(record)
        assert names(recorded(config.model_dump(mode="json"))) == kept(record), "also when it is written again"


FEW = list({(record["dataset"], record["method"]): record for record in RECORDS}.values())


def test_the_command_of_a_record_makes_its_run() -> None:
    for record in FEW:
        words = shlex.split(recorded(record["config"]).command)[3:]
        assert load(dict(map(written_setting, words))).id == kept(record)[1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dataset": "mine"}, "unknown data set 'mine'"),
        ({"method": "mine"}, "unknown method 'mine'"),
        ({"space": None}, "space=None: it should be a name"),
        ({"search": 3}, "search=3: it should be a group of settings"),
        ({"typed": "seed=3"}, "typed='seed=3': it should be a list"),
        ({"search": {"mine": 3}}, "unknown setting 'search.mine'"),
        ({"seed": "three"}, "seed='three': it should be a valid integer"),
    ],
)
def test_a_record_that_cannot_be_read_here_is_refused_in_one_line(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        recorded({**RECORDS[0]["config"], **change})
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("typed", [{}, {"typed": ["allow_subset=true"]}])
def test_a_record_searches_with_the_settings_that_it_means(younger: None, typed: dict) -> None:
    for record in FEW:
        config = recorded({**record["config"], **typed})
        search = config.for_search()
        assert search.search == config.search
        if config.task == "image":
            assert (search.numerics, search.data.grey, search.policy.rate) == ("torch", False, 1.0)


@pytest.mark.parametrize("updates", [{"data": {"grey": True}}, {"search": {"restarts": 3}}])
def test_a_younger_setting_counts_unless_it_means_what_its_absence_meant(younger: None, updates: dict) -> None:
    silent = {"data": {"grey": False}, "search": {"restarts": 1}}
    absent = load({**PAPER, **silent})
    assert "restarts" not in absent.identity["search"]
    assert "grey" not in absent.identity["data"]
    assert load({**PAPER, **silent, **updates}).key != absent.key
    assert load(PAPER).for_search().identity["data"]["grey"] is True


def test_a_younger_group_counts_for_the_methods_that_need_it(younger: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load({**PAPER, "policy": {"rate": 2.0}}).key == load(PAPER).key
    asking = dataclasses.replace(METHODS["conas"], needs=frozenset({Relaxed}))
    monkeypatch.setitem(METHODS, "conas", asking)
    keys = {load({**PAPER, "policy": {"rate": rate}}).key for rate in (1.0, 2.0, 7.0)}
    assert len(keys) == 3
