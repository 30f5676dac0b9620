"""Searches as their authors ran them, and the released code's settings: what they ask is what is computed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conas.cnn.one_shot import WholeOneShotCNN
from conas.seeds import generator
from harness.config.load import Config, ConfigError, ImageConfig, load
from harness.console.progress import Reporter
from harness.estimates.asking import questions
from harness.execution.execute import search
from harness.training.image.one_shot import ImageMeasurer
from harness.training.image.task import ImageTask

TINY: dict[str, Any] = {
    "dataset": "digits",
    "data": {"train_limit": 200, "validation_limit": 60, "test_limit": 20},
    "oneshot": {"epochs": 1, "channels": 2, "layers": 3},
    "alone": {"epochs": 2, "channels": 2, "layers": 3, "cutout": 2, "batch_size": 50},
    "measure": {"batches": 2, "batch_size": 20},
}


def tiny(**updates: Any) -> ImageConfig:
    config = load({**TINY, **updates})
    assert isinstance(config, ImageConfig)
    return config


def test_the_released_code_measures_other_augmented_images_each_time() -> None:
    task = ImageTask(tiny(profile="release"))
    model = task.one_shot_model("oneshot")
    assert isinstance(model, WholeOneShotCNN)
    alphas = task.space.sample(generator(0, "alphas"), 1)
    with torch.no_grad():
        model(next(task.evaluation_batches(task.validation))[0], alphas[0])
    first, second, again = (ImageMeasurer(task, model).measure(alphas, draw, False)[0] for draw in (0, 1, 0))
    assert first == again != second
    part = task.validation.select(np.arange(5))
    (images, labels), (plain, _) = next(task.measured_batches(part, 0)), next(task.evaluation_batches(part))
    assert images.shape == plain.shape
    assert not torch.equal(images, plain)
    assert torch.equal(labels, part.labels)


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("rsws", {"rounds": 1, "samples": 3, "refined": 1}),
        ("asha", {"budget": 5, "most": 2, "eta": 2}),
        ("random_search", {"samples": 2, "epochs": 1}),
    ],
)
def test_a_published_search_is_judged_by_the_error_in_its_own_space(
    tmp_path: Path, method: str, settings: dict[str, Any]
) -> None:
    config = tiny(
        profile="smoke",
        method=method,
        variant=f"{method}_published",
        runs_dir=str(tmp_path),
        search=settings,
    )
    assert config.space == "cnn-darts"
    found = search(config, Reporter())
    images = len(ImageTask(config).validation)
    wrong = found.record.details["loss"] * images
    assert wrong == pytest.approx(round(wrong)), "a share of the images"


def test_networks_trained_alone_have_batch_norms_behind_pools_where_that_is_set() -> None:
    def norms(**alone: Any) -> int:
        task = ImageTask(tiny(profile="smoke", alone={**TINY["alone"], **alone}))
        pools = task.space.build(np.where(["pool" in edge.operation for edge in task.space.edges], 1, -1))
        network = task.network(pools, task.config.alone, "alone")
        return sum(isinstance(part, torch.nn.BatchNorm2d) for part in network.modules())

    assert norms() == norms(pool_bn=False) < norms(pool_bn=True)


def test_rsws_of_equal_time_takes_the_seconds_of_the_search_of_conas(tmp_path: Path) -> None:
    sizes: dict[str, Any] = {"dataset": "descriptions", "profile": "smoke", "runs_dir": str(tmp_path)}
    sizes |= {"data": {"train_limit": 600, "validation_limit": 100}, "measure": {"limit": 100}}
    ours = load({**sizes, "method": "rsws", "search": {"device_seconds": "conas"}}).for_search()
    found, theirs = search(ours, Reporter()), search(load({**sizes, "method": "conas"}).for_search(), Reporter())
    times = found.record.details["device_seconds"]
    assert times["given"] == theirs.record.seconds
    assert times["spent"] == found.record.seconds >= times["given"]
    assert {name.partition(" one_shot")[0] for name in questions(ours)[0]} == {"as long as"}


@pytest.mark.parametrize("updates", [{"alone": {"epochs": 100}}, {"search": {"most": 2000}}])
def test_networks_that_would_train_past_their_cosine_are_refused(updates: dict[str, Any]) -> None:
    published = load({"dataset": "cifar10", "profile": "paper", "method": "asha"})
    assert published.alone.epochs == 300  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"past the end of their cosine"):
        load({"dataset": "cifar10", "profile": "paper", "method": "asha", **updates})


def test_the_published_recurrent_searches_differ_where_they_should() -> None:
    def text(**updates: Any) -> Config:
        return load({"dataset": "ptb", "profile": "paper", **updates})

    rsws = text(method="rsws", variant="rsws_published_text")
    assert (rsws.oneshot.batch_size, rsws.oneshot.units, rsws.search["rounds"]) == (64, 850, 2)  # type: ignore[attr-defined]
    assert text(method="rsws").search["rounds"] == 1
    darts = text(method="darts", variant="darts_released_text")
    assert darts.relaxed.second_order == "released"  # type: ignore[attr-defined]
    assert darts.key != text(method="darts").key
