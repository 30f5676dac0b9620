"""A network that is not made of cells is run, killed, resumed, counted, recorded and estimated like every other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from baselines.networks import check_classifier
from baselines.registry import METHODS
from conas.architecture import Named
from conas.genotype import GenotypeError
from conas.refusal import Refused
from harness.config.load import load
from harness.console.progress import Reporter
from harness.estimates.run import estimate
from harness.execution.execute import execute
from harness.records.schema import Record
from harness.records.store import Store
from tests.conformance.toys import network, word_model
from tests.runs import Dying, Killed

RUN: dict[str, Any] = {
    "dataset": "digits",
    "method": "toy_network",
    "profile": "smoke",
    "data": {"train_limit": 200, "test_limit": 60, "validation_limit": 60},
    "final": {"batch_size": 32},
}


TEXT: dict[str, Any] = {
    "dataset": "descriptions",
    "method": "toy_word_model",
    "profile": "smoke",
    "data": {"train_limit": 300, "validation_limit": 100, "test_limit": 100},
}


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    for toy in (network, word_model):
        monkeypatch.setitem(METHODS, toy.METHOD.name, toy.METHOD)


def killed_and_resumed(run: dict[str, Any], folder: Path, deaths: tuple[int, ...] = (2,)) -> Record:
    """The record of a run that was killed after some epochs and resumed, found the same as that of one that was not."""
    whole, parts = (load({**run, "runs_dir": str(folder / name)}) for name in ("whole", "parts"))
    expected = execute(whole, Reporter())
    for epoch in deaths:
        with pytest.raises(Killed):
            execute(parts, Dying(epoch))
    resumed = execute(parts, Reporter())
    assert (resumed.metrics, resumed.weights, resumed.counts) == (expected.metrics, expected.weights, expected.counts)
    stored = Store(parts.runs_dir).run(resumed.id)
    assert stored.record() == resumed
    assert not list(stored.path.glob("cell_*"))
    return resumed


def test_a_word_model_whose_state_is_a_tree_is_resumed_and_counted(known: None, tmp_path: Path) -> None:
    record = killed_and_resumed(TEXT, tmp_path)
    assert record.genotype == {"network": "toy_word_model", "sizes": {"units": 6, "drop": 0.5}}
    assert record.counts is not None
    words = record.data["counts"]["words"]
    assert record.counts.params == words * (6 + 1) + 2 * (2 * 4 * 6 * 6 + 2 * 4 * 6)
    assert record.metrics["last"]["test_perplexity"] < words


@pytest.mark.parametrize("name", sorted(name for name, known in METHODS.items() if known.tasks == ("text",)))
def test_every_language_model_is_resumed_in_both_of_its_passes(name: str, tmp_path: Path) -> None:
    run = {**TEXT, "method": name}
    final: Any = load(run).final  # type: ignore[attr-defined]
    first = final.epochs
    record = killed_and_resumed(run, tmp_path, (2, first + 1)[: final.passes])
    rows = [row for row in Store(tmp_path / "whole").run(record.id).metrics if row["stage"] == "final"]
    assert len(rows) == final.passes * first
    assert [row["averaged"] for row in rows] == [0.0] * first + [1.0] * (len(rows) - first)
    best = min(rows, key=lambda row: row["valid_loss"])
    assert record.metrics["last"]["valid_perplexity"] == best["valid_perplexity"]
    assert record.metrics["last"]["test_perplexity"] < record.data["counts"]["words"]


def test_a_network_for_images_is_resumed_and_counted(known: None, tmp_path: Path) -> None:
    resumed = killed_and_resumed(RUN, tmp_path)
    assert resumed.genotype == {"network": "toy_network", "sizes": {"blocks": 2, "channels": 4, "drop": 0.5}}
    assert resumed.counts is not None
    assert resumed.counts.mult_adds == resumed.counts.mult_adds_flopcounter == 64 * 4 * 9 * (1 + 2 * 4) + 4 * 10


@pytest.mark.parametrize("method", ["pyramidnet_autoaugment", "proxylessnas_net"])
def test_a_published_network_is_resumed_and_counted(method: str, tmp_path: Path) -> None:
    resumed = killed_and_resumed({**RUN, "method": method, "data": {**RUN["data"], "train_limit": 64}}, tmp_path)
    assert resumed.genotype is not None
    assert resumed.genotype["network"] == method
    assert resumed.counts is not None
    assert resumed.counts.mult_adds == resumed.counts.mult_adds_flopcounter > 0


def test_its_recipe_lies_over_the_data_sets_and_under_what_is_typed(known: None) -> None:
    final: Any = load(RUN).final  # type: ignore[attr-defined]
    assert (final.lr, final.schedule, final.milestones, final.nesterov) == (0.1, "steps", (0.5, 0.75), True)
    typed: Any = load({**RUN, "final": {"lr": 0.2}}).final  # type: ignore[attr-defined]
    assert (typed.lr, typed.schedule) == (0.2, "steps")


def test_more_blocks_are_estimated_to_take_longer(known: None, tmp_path: Path) -> None:
    few, many = ({**RUN, "runs_dir": str(tmp_path), "search": {"blocks": blocks}} for blocks in (2, 60))
    assert 0 < estimate(load(few)) < estimate(load(many))


def test_it_is_refused_for_text_in_one_line(known: None) -> None:
    with pytest.raises(Refused, match="method 'toy_network' is for image data, not for text"):
        load({"dataset": "descriptions", "method": "toy_network"})


class Answering(torch.nn.Module):
    def __init__(self, answer: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self._answer = answer

    def forward(self, images: torch.Tensor, progress: float, generator: torch.Generator | None) -> Any:
        return self._answer(images)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (torch.nn.Flatten(), r"too many positional arguments \(allowed: forward\(images, progress, generator\)\)"),
        (
            Answering(lambda x: x),
            r"a tensor of shape \(2, 1, 8, 8\) for N = 2 images \(allowed: \(logits of shape \(N, 10\)",
        ),
        (Answering(lambda x: (x.flatten(1)[:, :7], None)), r"a tensor of shape \(2, 7\)"),
        (Answering(lambda x: (x, x, x)), "3 values"),
        (Answering(lambda x: None), "NoneType"),
    ],
)
def test_a_network_that_does_not_answer_as_it_should_is_refused_in_one_line(
    network: torch.nn.Module, said: str
) -> None:
    with pytest.raises(Refused, match=f"^network 'mine'.*{said}"):
        check_classifier(network, "mine", (1, 8, 8), 10)


def test_names_that_could_be_paths_are_refused() -> None:
    with pytest.raises(GenotypeError, match="is not the name of a network"):
        Named("../x", {})
