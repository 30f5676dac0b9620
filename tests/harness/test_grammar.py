"""One grammar: a setting means the same wherever it is written, and the printed command gives it again."""

import json
import re
import shlex
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from baselines.registry import METHODS
from harness.config import sweeps
from harness.config.command_line import parse, settings
from harness.config.grammar import nest, readings, setting, written
from harness.config.layers import task_of
from harness.config.load import Config, ConfigError, _setting, defaults, flatten, load

SMOKE = {"profile": "smoke"}
ON = {"image": "digits", "text": "descriptions"}
EXPERIMENTS = [("digits", "conas"), ("descriptions", "conas")]
EXPERIMENTS += [(ON[known.tasks[0]], name) for name, known in METHODS.items() if name != "conas"]
CHOICES = ("dataset", "method", "profile", "variant")


def other_values(value: Any) -> Iterator[Any]:
    """Values of the same kind, to find one that the setting may have."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, value / 2, value // 2, value - 1, value * 2 + 0.5, 1e-4, value + 9)
    elif isinstance(value, list):
        yield from (value[:1], [*value, *value[:1]], [0.5], [0.25, 0.75])
    yield from (3, 0.5, [3, 2], "digits", "descriptions", "cnn-tiny", "darts_v1", "~/a folder", None)


def named_values(chosen: dict[str, str], name: str) -> list[Any]:
    """The words that a setting allows, if it says so."""
    schema = _setting(task_of(chosen["dataset"]), chosen["method"], name).json_schema()
    parts = [schema, *schema.get("anyOf", [])]
    return [value for part in parts for value in (*part.get("enum", []), *([part["const"]] if "const" in part else []))]


def experiment_settings(dataset: str, method: str) -> dict[str, Any]:
    """Every setting that `print_config` lists; of methods after the first, their own."""
    values, _ = defaults({"dataset": dataset, "method": method, **SMOKE})
    flat = {name: value for name, value in flatten(values) if name not in CHOICES}
    own = {name: value for name, value in flat.items() if name.startswith("search.")}
    return flat if method == "conas" else own


def accepted(chosen: dict[str, str], name: str, default: Any) -> Any:
    candidates = [*named_values(chosen, name), *other_values(default)]
    for value in candidates:
        try:
            if dict(flatten(plain(load({**chosen, name: value}))))[name] != default:
                return value
        except ConfigError as error:
            allowed = re.search(r"\(allowed: ([^)]*)\)", str(error))
            candidates += [word for word in allowed[1].split(", ") if word not in candidates] if allowed else []
    assert name in {"space", "name", "search.t", "search.oracle", "search.operations", "search.parts"}, (
        "the others may have another value"
    )
    return default


def plain(config: Config) -> dict[str, Any]:
    return config.model_dump(mode="json", exclude={"typed"})


@pytest.mark.parametrize(("dataset", "method"), EXPERIMENTS)
def test_a_setting_means_the_same_wherever_it_is_written(dataset: str, method: str, tmp_path: Path) -> None:
    chosen = {"dataset": dataset, "method": method, **SMOKE}
    for name, default in experiment_settings(dataset, method).items():
        value = accepted(chosen, name, default)
        expected = plain(load({**chosen, **nest({name: value})}))
        words = [f"{choice}={said}" for choice, said in chosen.items()]
        stored, sweep = tmp_path / "stored.yaml", tmp_path / "mine.yaml"
        stored.write_text(yaml.safe_dump(nest({**chosen, name: value})))
        given = {kind: said for kind, said in chosen.items() if kind != "profile"}
        sweep.write_text(f"rows: {{one: {json.dumps({**given, **({} if name == 'seed' else {name: value})})}}}")
        if name == "seed":
            sweep.write_text(f"seeds: [{value}]\nrows: {{one: {json.dumps(given)}}}")
        sweeps._read.cache_clear()
        sweeps.rows.cache_clear()
        bare = tmp_path / "bare.yaml"
        bare.write_text(f"rows: {{one: {json.dumps(given)}}}")
        typed = load(parse([*words, f"{name}={written(value)}"]).settings)
        found = {
            "command line": typed,
            "config file": load(parse(["with", str(stored)]).settings),
            "sweep": sweeps.runs(str(sweep), "smoke")[0],
            "--set": sweeps.runs(str(bare), "smoke", (setting(f"{name}={written(value)}"),))[0],
            "printed": load(settings(shlex.split(typed.command)[3:])),
        }
        assert {where: plain(config) for where, config in found.items()} == dict.fromkeys(found, expected), name


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("None", None),
        ("010", 10),
        ("1e-4", 1e-4),
        (".5", 0.5),
        ("-3", -3),
        ("1:30", "1:30"),
        ("2024-01-02", "2024-01-02"),
        ("yes", "yes"),
        ("[10,5]", [10, 5]),
        ("[a, 1e-4]", ["a", 1e-4]),
        ("{a: 1}", {"a": 1}),
        ("[a", "[a"),
        ("1_000", 1000),
        ("2024_", "2024_"),
        ("1__0", "1__0"),
        ("1_.5", "1_.5"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_a_text_has_one_meaning(text: str, value: Any) -> None:
    assert readings(text)[0] == value
    assert type(readings(text)[0]) is type(value)


@pytest.mark.parametrize(
    ("word", "name", "value"),
    [
        ("data_dir=2024", "data_dir", "2024"),
        ("data_dir=None", "data_dir", "None"),
        ("data_dir=[x]", "data_dir", "[x]"),
        ("data_dir=~/data", "data_dir", str(Path.home() / "data")),
        ("runs_dir=/x/my runs", "runs_dir", "/x/my runs"),
        ("seed=010", "seed", 10),
        ("allow_subset=true", "allow_subset", True),
        ("final.lr=1e-4", "final", {"lr": 1e-4}),
        ("search.s=[10,5]", "search", {"s": [10, 5]}),
    ],
)
def test_a_setting_takes_what_it_can_hold(word: str, name: str, value: Any) -> None:
    found = plain(load(settings(["dataset=cifar10", "profile=paper", "search.t=2", word])))[name]
    assert {key: found[key] for key in value} == value if isinstance(value, dict) else found == value


def test_what_was_typed_is_kept() -> None:
    config = load(settings(["dataset=digits", "search_dataset=cifar10", "profile=smoke", "data.crop_padding=1"]))
    assert config.for_search().data.crop_padding == 1
    assert config.command.endswith("search_dataset=cifar10 data.crop_padding=1")
    assert load(settings(["dataset=digits", "search_dataset=cifar10"])).for_search().data.crop_padding == 4


def test_a_command_can_be_pasted() -> None:
    config = load({"dataset": "digits", "profile": "smoke", "runs_dir": "/x/my runs", "data_dir": "/a'b"})
    assert load(settings(shlex.split(config.command)[3:])).runs_dir == "/x/my runs"
    assert config.command.endswith("""'data_dir=/a'"'"'b' 'runs_dir=/x/my runs'""")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dataset", "=", "digits"], "expected NAME=VALUE, without spaces"),
        (["t5"], "unknown command or variant 't5'; did you mean 't4'?"),
        (["print_confg"], "did you mean 'print_config'?"),
        (["seed=1", "seed=2"], "seed is set twice, to 1 and to 2"),
        (["short", "wide", "profile=paper"], "variants short and wide contradict: final.epochs is 150 and 1000"),
        (["method=fixed", "genotype=darts_v1", "search.genotype=darts_v2"], "genotype is short for search.genotype"),
        (["genotype=darts_v1"], "search.genotype is a setting of method fixed, not of 'conas'"),
        (["seed=1:30"], "seed='1:30': it should be a valid integer"),
        (["final.lr=inf"], "final.lr=inf: it should be a finite number"),
        (["-q", "with", "seed=1"], "-q is not an option of a run; python harness/sweep.py FILE.yaml --queue"),
        (["-s", "x"], "-s is not an option of a run"),
        (["-t", "x"], "-t is not an option of a run"),
        (["-S", "x"], "-S is not an option of a run"),
        (["-e"], "-e is not an option of a run"),
        (["--dataset", "digits"], "settings are written without dashes: dataset=VALUE"),
        (["-m"], "expected one argument"),
    ],
)
def test_a_command_that_means_nothing_is_refused_in_one_line(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(parse(words).settings)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_with_may_be_left_out_and_variants_add_up() -> None:
    with_, without = (load(parse([*word, "t4", "short", "profile=paper"]).settings) for word in (["with"], []))
    assert with_ == without
    assert (with_.variant, with_.search["t"], with_.final.epochs) == ("short+t4", 4, 150)
    assert load(settings(shlex.split(with_.command)[3:])).key == with_.key
    assert load(parse(["variant=t4", "short", "profile=paper"]).settings).key == with_.key


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds nothing"),
        (b"- a", "holds a list"),
        (b"a text", "holds a text"),
        (b"final: {lr: 0.1", "is not YAML"),
        (b"\xff\xfe", "is not YAML"),
        (b"seed: 1\nseed: 2", "seed is set twice"),
        (b"final.lr: 1\nfinal: {lr: 2}", "final.lr is set twice, to 1 and to 2"),
        (b"final.epoch: 1", "did you mean 'final.epochs'"),
        (b"final: 3", "final is a group of settings"),
        (None, "No such file"),
    ],
)
def test_a_file_that_says_nothing_clear_is_refused_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    stored = tmp_path / "stored.yaml"
    if content is not None:
        stored.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        load(settings([str(stored), "profile=smoke"]))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_may_be_of_any_origin(tmp_path: Path) -> None:
    contents = [
        b"\xef\xbb\xbfdataset: digits\nfinal.lr: 1e-4\nfinal: {epochs: 2}\n",
        b'{"dataset": "digits", "final": {"lr": 1e-4, "epochs": 2}}',
    ]
    paths = [tmp_path / "bom.yaml", tmp_path / "plain.json"]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    first, second = (load(settings([str(path), "profile=smoke", "seed=3"])) for path in paths)
    assert first == second
    assert (first.final.lr, first.final.epochs, first.seed) == (1e-4, 2, 3)


def test_help_lists_what_can_be_said() -> None:
    told = parse(["-h"]).help
    assert told is not None
    assert all(word in told for word in chain(METHODS, ("digits", "t4", "paper", "print_config", "--mongo_db")))
