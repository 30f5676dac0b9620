import dataclasses
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from baselines.registry import METHODS
from harness.config import layers
from harness.config.command_line import settings
from harness.config.load import ConfigError, defaults, flatten, load, nest, summaries
from harness.data.files import Layout
from harness.data.registry import DATASETS, dataset, is_pinned
from harness.training.task import load_task

ROOT = Path(__file__).parents[2]


def test_the_paper_profile_holds_the_published_settings() -> None:
    config = load({"profile": "paper", "dataset": "cifar10"})
    assert (config.oneshot.epochs, config.oneshot.layers, config.oneshot.channels) == (100, 8, 16)
    assert (config.final.epochs, config.final.batch_size, config.final.layers, config.final.channels) == (
        600,
        96,
        20,
        36,
    )
    assert (config.search["m"], config.search["s"], config.search["lambda"], config.search["t"]) == (1000, 10, 1.0, 1)


@pytest.mark.parametrize(
    ("updates", "expected"),
    [
        ({"dataset": "svhn"}, {"epochs": 160, "auto_augment": "svhn", "batch_size": 96}),
        ({"dataset": "cifar100"}, {"epochs": 600, "auto_augment": "cifar10"}),
        ({"dataset": "fashion_mnist"}, {"epochs": 600, "auto_augment": None}),
        ({"dataset": "cifar10", "variant": "t4"}, {"epochs": 600, "batch_size": 56}),
        ({"dataset": "cifar10", "variant": "wide"}, {"epochs": 1000, "channels": 60, "auto_augment": "cifar10"}),
        ({"dataset": "cifar10", "variant": "short"}, {"epochs": 150}),
    ],
)
def test_every_image_experiment_has_its_final_training(updates: dict, expected: dict) -> None:
    final = load({"profile": "paper", **updates}).final
    assert {name: getattr(final, name) for name in expected} == expected


def test_transfer_runs_search_on_cifar10_with_the_same_seed() -> None:
    search = load({"profile": "paper", "dataset": "svhn", "seed": 3}).for_search()
    assert (search.dataset, search.seed) == ("cifar10", 3)
    assert search.key == load({"profile": "paper", "dataset": "cifar10", "seed": 3}).for_search().key


def test_a_search_is_not_refused_for_what_only_the_final_network_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = {"dataset": "mine", "profile": "smoke", "seed": 3}
    monkeypatch.setitem(DATASETS, "mine", dataclasses.replace(dataset("digits"), name="mine"))
    with pytest.raises(ConfigError, match=r"final\.cutout=16 covers an image of 8 pixels"):
        load(mine)
    config = load({**mine, "method": "rsws", "final.cutout": 2})
    assert load_task(config.for_search().with_method("conas")).name == "image"
    assert load({**mine, "dataset": "fashion_mnist", "search_dataset": "mine"}).for_search().dataset == "mine"
    text = load({"dataset": "descriptions", "profile": "smoke", "data.test_limit": 20, "final.test_batch": 10})
    assert load_task(text.for_search()).name == "text"


@pytest.mark.parametrize("profile", summaries("profiles"))
@pytest.mark.parametrize("dataset", ["cifar10", "svhn", "digits", "ptb", "descriptions"])
def test_every_value_has_a_source(profile: str, dataset: str) -> None:
    values, sources = defaults({"profile": profile, "dataset": dataset})
    assert {name for name, _ in flatten(values)} <= set(sources)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("seed", -1, ["seed=-1", "0"]),
        ("seed", "abc", ["seed='abc'", "integer"]),
        ("dataset", "cifar11", ["cifar11", "did you mean 'cifar10'"]),
        ("profile", "huge", ["huge", "laptop", "paper"]),
        ("variant", "t5", ["t5", "did you mean 't4'"]),
        ("method", "conos", ["did you mean 'conas'"]),
        ("space", "cn", ["did you mean 'cnn'"]),
        ("oneshot.epochs", 0, ["oneshot.epochs=0", "1"]),
        ("oneshot.epoch", 3, ["did you mean 'oneshot.epochs'"]),
        ("search.s", 0, ["s = 0", "at least 1"]),
        ("search.m", 5, ["m = 5", "s = 10"]),
        ("search.lambda", -1.0, ["lambda", "positive"]),
        ("final.batch_size", 0, ["final.batch_size=0", "1"]),
        ("final.batch_size", 9.5, ["final.batch_size=9.5", "integer"]),
        ("final", 3, ["final", "group"]),
    ],
)
def test_a_bad_setting_is_refused_in_one_line(name: str, value: object, words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        load({"dataset": "cifar10", "profile": "laptop", **nest({name: value})})
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_a_mistyped_command_is_answered_by_one_line() -> None:
    command = [sys.executable, str(ROOT / "harness" / "run.py"), "with", "method=consa"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: unknown method 'consa'; did you mean 'conas'?")


def test_the_key_is_of_what_decides_the_result() -> None:
    config = load({"dataset": "digits", "profile": "smoke"})
    assert load({"dataset": "digits", "profile": "smoke", "data_dir": "elsewhere", "device": "cpu"}).key == config.key
    changed = [{"seed": 1}, {"final": {"lr": 0.1}}, {"search": {"lambda": 2.0}}, {"allow_subset": True}]
    keys = {load({"dataset": "digits", "profile": "smoke", **updates}).key for updates in changed}
    assert len(keys | {config.key}) == 1 + len(changed)


def test_the_command_of_a_configuration_makes_the_same_run() -> None:
    config = load({"dataset": "svhn", "profile": "laptop", "seed": 3, "search": {"lambda": 5.0}, "variant": "short"})
    assert config.command == (
        "python harness/run.py with dataset=svhn method=conas profile=laptop variant=short seed=3 search.lambda=5.0"
    )
    assert load(settings(shlex.split(config.command)[3:])).key == config.key


def test_a_published_cell_is_named_by_genotype() -> None:
    config = load({"dataset": "cifar10", "profile": "paper", "method": "fixed", "genotype": "darts_v1"})
    assert config.search == {"genotype": "darts_v1"}
    assert config.command.endswith("method=fixed profile=paper search.genotype=darts_v1")
    with pytest.raises(ConfigError, match="genotype"):
        load({"dataset": "cifar10", "profile": "paper", "genotype": "darts_v1"})


def test_a_variant_that_is_typed_joins_or_replaces_that_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("variant: null\n")
    assert settings([str(path), "t4"])["variant"] == "t4"
    path.write_text("variant: short\n")
    assert settings([str(path), "wide"])["variant"] == "short+wide"
    assert settings([str(path), "variant=t4", "wide"])["variant"] == "t4+wide"


def test_sizes_that_nobody_would_read_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "rsws", dataclasses.replace(METHODS["rsws"], sizes={"smok": {}}))
    with pytest.raises(ConfigError, match="method 'rsws': unknown size 'smok'; did you mean 'smoke'"):
        load({"method": "rsws"})


def test_a_value_without_a_source_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "fixed", dataclasses.replace(METHODS["fixed"], recipe={"final": {"lr": {"value": 1}}}))
    with pytest.raises(ConfigError, match=r"final\.lr=1 has no source"):
        layers.defaults({"method": "fixed"})


def test_a_method_that_is_there_and_not_offered_is_told_so() -> None:
    with pytest.raises(ConfigError, match=r"baselines/checks\.py is not offered in baselines/__init__\.py"):
        load({"method": "checks"})


def test_a_file_without_a_published_digest_pins_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_pinned("svhn")
    mine = dataclasses.replace(dataset("svhn"), layout=Layout("mine", {"a.npz": "md5:0", "b.npz": ""}, ()))
    monkeypatch.setitem(DATASETS, "svhn", mine)
    assert not is_pinned("svhn")
