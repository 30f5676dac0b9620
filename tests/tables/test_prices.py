"""Prices are the measured steps, and agree with the hours that the check of the device reckoned."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.config.load import load
from tables.prices import HOUR, devices, price, told

CHECKED = json.loads((Path(__file__).parents[2] / "docs/paper-scale/gpu-check-h200.json").read_text())
H200, EPYC = devices()
PARTS = {
    "image one-shot": "one-shot CNN step, fused",
    "image measurement": "CNN measurement, fused",
    "image final": "final CNN step, graph",
    "text one-shot": "PTB one-shot step, fused",
    "text measurement": "PTB measurement, fused",
    "text final": "PTB final step, fused",
}


@pytest.mark.parametrize("kind", H200.steps)
def test_a_step_is_the_measured_one(kind: str) -> None:
    assert H200.steps[kind] == pytest.approx(CHECKED["parts"][PARTS[kind]]["ms"] / 1000, abs=1e-6)


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
def test_the_hours_of_conas_are_those_of_the_check(dataset: str) -> None:
    of_it = price(load({"dataset": dataset, "profile": "paper"}), H200)
    assert of_it.search is not None
    assert of_it.final is not None
    assert of_it.search / HOUR == pytest.approx(CHECKED["hours"][f"{dataset}: search"], rel=0.01)
    assert of_it.final / HOUR == pytest.approx(CHECKED["hours"][f"{dataset}: final training"], rel=0.01)


@pytest.mark.parametrize("dataset", ["svhn", "fashion_mnist"])
def test_so_are_final_trainings_on_other_data(dataset: str) -> None:
    found = price(load({"dataset": dataset, "profile": "paper"}), H200).final
    assert found is not None
    assert found / HOUR == pytest.approx(CHECKED["hours"][f"{dataset}: final training"], rel=0.01)


def test_a_search_is_paid_once_and_what_was_not_measured_has_no_price() -> None:
    seeds = tuple(load({"dataset": "cifar10", "profile": "paper", "seed": 0, "search.lambda": s}) for s in (1, 5))
    alone = price(seeds[0], H200)
    assert alone.search is not None
    assert alone.final is not None
    assert told(seeds, H200) == f"{(alone.search + 2 * alone.final) / HOUR:.1f} h"
    others = tuple(
        load({"dataset": dataset, "profile": "paper", "method": "asha"}) for dataset in ("cifar10", "fashion_mnist")
    )
    hours = sum(price(config, H200).final or 0.0 for config in others) / HOUR
    assert told(others, H200) == f"not measured (final training {hours:.1f} h)"
    assert told((load({"dataset": "ptb", "profile": "paper"}),), EPYC) == "not measured"


def test_a_row_pays_only_for_what_no_row_before_it_did() -> None:
    config = load({"dataset": "cifar10", "profile": "paper"})
    one = price(config, H200)
    assert one.search
    assert one.final
    counted: dict[str, float] = {}
    assert told((config,), H200, counted) == f"{(one.search + one.final) / HOUR:.1f} h"
    assert told((config,), H200, counted) == f"{one.final / HOUR:.1f} h"
    assert list(counted.values()) == [one.search]


@pytest.mark.parametrize(
    ("changed", "search", "final"),
    [
        ({}, True, True),
        ({"method": "rsws", "variant": "rsws_published_text"}, False, True),
        ({"oneshot.bptt": 70}, False, True),
        ({"measure.limit": 1000}, False, True),
        ({"variant": "awd_lstm_recipe"}, True, False),
        ({"final.finetuning_lr": 20.0}, True, False),
        ({"final.units": 748}, True, False),
    ],
)
def test_a_language_model_of_another_size_has_no_price(changed: dict[str, Any], search: bool, final: bool) -> None:
    found = price(load({"dataset": "ptb", "profile": "paper", **changed}), H200)
    assert (found.search is not None, found.final is not None) == (search, final)


def test_a_one_shot_model_for_images_of_another_size_has_no_price() -> None:
    found = price(load({"dataset": "cifar10", "profile": "paper", "oneshot.channels": 32}), H200)
    assert found.search is None
    assert found.final is not None
