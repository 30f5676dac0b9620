"""Impossible settings are refused in one line before any work, whichever setting it is."""

import math
from typing import Any

import pytest

from baselines.registry import METHODS
from conas.refusal import Refused
from harness import run
from harness.config.load import defaults, flatten, load
from harness.training.sgd import SgdTraining

BEYOND: list[Any] = [-1, 0, 1, 10**6, 10**30, 0.5, 1e308, math.inf, math.nan]
BEYOND += [True, None, "", "no such thing", [1, 2], {"a": 1}, "1:30", "é\n"]


def taken(updates: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """All settings of a configuration, or what it is refused with."""
    try:
        return dict(flatten(load(updates).model_dump(mode="json"))), ""
    except Refused as refused:
        return {}, str(refused)


ON = {"image": "digits", "text": "descriptions"}


@pytest.mark.parametrize(
    ("dataset", "method"),
    [(ON[known.tasks[0]], name) for name, known in METHODS.items()] + [("descriptions", "conas")],
)
def test_every_setting_at_and_beyond_its_limits_is_taken_or_refused_in_one_line(dataset: str, method: str) -> None:
    chosen = {"dataset": dataset, "method": method, "profile": "smoke"}
    values, _ = defaults(chosen)
    asked = [name for name, _ in flatten(values) if method == "conas" or name.startswith("search.")]
    for name in [*asked, "genotype", "final"]:
        for value in BEYOND:
            config, said = taken({**chosen, name: value})
            assert "\n" not in said, (name, value)
            assert all(math.isfinite(number) for number in config.values() if isinstance(number, float)), (name, value)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (
            "dataset=ptb method=nas_cell final.units=9",
            "final.units is for recurrent cells; method 'nas_cell' has its own",
        ),
        (
            "dataset=ptb method=awd_lstm final.dropout.state=0.1",
            "(allowed: search.embedding, search.units, search.layers,",
        ),
        ("dataset=digits space=rnn", "space='rnn' has no normal and reduce cell, which digits needs (allowed: cnn,"),
        ("dataset=digits space=nasbench201", "space='nasbench201' has no normal and reduce cell"),
        ("dataset=descriptions space=cnn", "space='cnn' has no recurrent cell, which descriptions needs (allowed: rnn"),
        ("dataset=digits search_dataset=ptb", "search_dataset='ptb' is not a data set of images (allowed: cifar10,"),
        ("dataset=digits search_dataset=cifar", "unknown search_dataset 'cifar'; did you mean 'cifar10'?"),
        ("dataset=digits final.cutout=8", "final.cutout=8 covers an image of 8 pixels (allowed: 0 to 7)"),
        ("dataset=digits method=asha alone.cutout=8", "alone.cutout=8 covers an image of 8 pixels (allowed: 0 to 7)"),
        ("dataset=digits final.nesterov=true final.momentum=0", "final.momentum=0.0: nesterov needs a"),
        ("dataset=digits relaxed.nesterov=true relaxed.momentum=0", "relaxed.momentum=0.0: nesterov needs"),
        ("dataset=digits final.milestones=[0.5,0.2]", "final.milestones=[0.5, 0.2] (allowed: in increasing order)"),
        ("dataset=digits method=darts data.validation_limit=1", "relaxed.batch_size=64: batch norm needs 2 images"),
        ("dataset=digits method=rsws search.inputs=3", "method rsws: inputs is 3 (allowed: at most 2"),
        ("dataset=digits method=pc_darts relaxed.channels=3", "search.parts: 3 channels in"),
        ("dataset=digits method=darts search.inputs=3", "method darts: inputs is 3 (allowed: at most 2"),
        ("dataset=digits method=darts search.operations=recurrent", "fit no cell of 'cnn' (allowed: five, eight)"),
        ("dataset=digits method=random_wiring search.active=1000", "active is 1000 (allowed: 0 to 140"),
        ("dataset=digits method=rsws variant=t4", "variant t4 sets search.t, which rsws does not have"),
        ("dataset=digits search.m=-4", "error: search.m = -4 (allowed: whole numbers, at least 2)"),
        ("dataset=digits search.d=200", "method conas: d is 200 (allowed: 1 to 4 over the 140 bits of 'cnn')"),
        ("dataset=digits search.d=5", "method conas: d is 5 (allowed: 1 to 4"),
        ("dataset=digits space=cnn-tiny search.d=13", "d is 13 (allowed: 1 to 12"),
        ("dataset=digits method=harmonica search.d=5", "d is 5 (allowed: 1 to 4"),
        ("dataset=digits data.train_limit=1", "batch norm needs 2 images in a step, there are 1"),
        (
            "dataset=digits data.train_limit=3",
            "oneshot.batch_size=64: batch norm needs 2 images in a step, there are 1",
        ),
        ("dataset=digits final.batch_size=1", "final.batch_size=1: batch norm needs 2 images in a step"),
        ("dataset=digits seed=1000000000000000000000000000000", "seed="),
        ("dataset=digits method=fixed genotype=darts_v2_rnn", "genotype"),
        ("dataset=descriptions method=fixed genotype=darts_v2", "genotype"),
        ("dataset=digits lr=0.1", "lr is a setting of groups; which one? oneshot.lr, alone.lr"),
        ("dataset=digits final.clip=inf", "final.clip=inf: it should be a finite number"),
        ("dataset=digits method=rsws search.seconds=inf", "search.seconds=inf: it should be a finite number"),
    ],
)
def test_what_does_not_go_together_is_refused_before_any_work(
    typed: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SgdTraining, "step", lambda *_: pytest.fail("a step of training"))
    assert run.main(["with", "profile=smoke", *typed.split()]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")
    assert said in line


def test_names_are_known_in_any_case() -> None:
    typed = {"dataset": "CIFAR10", "method": "CoNAS", "profile": "Smoke", "space": "CNN", "search_dataset": "SVHN"}
    config = load({**typed, "variant": "Short"})
    assert config.id == load({**{name: value.lower() for name, value in typed.items()}, "variant": "short"}).id


@pytest.mark.parametrize(
    "typed", ["data.train_limit=4", "final.accumulate=64", "space=cnn-tiny search.d=12 search.m=40"]
)
def test_what_just_goes_together_is_taken(typed: str) -> None:
    words = dict(word.split("=") for word in typed.split())
    load({"dataset": "digits", "profile": "smoke", **words})
