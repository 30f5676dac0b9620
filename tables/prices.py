"""`python -m tables.prices`: what the rows of the paper's tables take on the devices that were measured.

Steps are counted from the settings, and each costs what one of its kind took (`prices.yaml`). A final network for
images of another size is priced in proportion to layers x channels^2 x batch, its cell taken for the measured one. What
nothing like it was measured for has no price: searches that train networks alone or a relaxation, other operations,
networks without cells, one-shot and language models of other sizes, a second pass of finetuning.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from baselines.registry import method
from conas.questions import OneShot
from harness.config import sweeps
from harness.config.equal_time import rival
from harness.config.load import Config
from harness.data.registry import ImageSet, dataset
from harness.estimates.shared import model, uncounted
from tables.runs import ONE_CELL

HOUR = 3600.0
NO_PRICE = "not measured"
_SPACES = {"image": "cnn", "text": "rnn"}
_CHANNELS, _LAYERS, _BATCH = 36, 20, 96
"""Of the final network for images that was measured."""
_SIZES: Mapping[str, Mapping[str, Mapping[str, int | None]]] = {
    "image": {
        "oneshot": {"layers": 8, "channels": 16, "batch_size": 64},
        "measure": {"batches": 10, "batch_size": 64},
        "final": {},
    },
    "text": {
        "oneshot": {"units": 300, "batch_size": 256, "bptt": 35},
        "measure": {"limit": None, "batch_size": 1024},
        "final": {"units": 850, "batch_size": 128, "bptt": 35, "passes": 1},
    },
}
"""Of all else that was measured, by the group of settings; what differs in one of them has no price."""


@dataclass(frozen=True)
class Device:
    """Seconds of a step of each kind on a device, and where they were measured."""

    name: str
    source: str
    steps: Mapping[str, float]


@dataclass(frozen=True)
class Price:
    """Seconds of a run's search and of its final training, None where nothing like them was measured."""

    search: float | None
    final: float | None


@cache
def devices() -> list[Device]:
    """The devices that were measured."""
    read = yaml.safe_load(Path(__file__).with_name("prices.yaml").read_text(encoding="utf-8"))
    return [Device(name, about["source"], about["steps"]) for name, about in read.items()]


def price(config: Config, device: Device) -> Price:
    """What the run of ``config`` takes on ``device``."""
    searching = config.for_search()
    return Price(_search(rival(searching) or searching, device), _final(config, device))


def _search(config: Any, device: Device) -> float | None:
    chosen = method(config.method)
    asks = chosen.asks(config.settings)
    if not asks:
        return 0.0
    steps = [device.steps.get(f"{config.task} {kind}") for kind in ("one-shot", "measurement")]
    is_known = asks == {OneShot} and config.space == _SPACES[config.task] and not chosen.learns
    is_known = is_known and _has_sizes(config, "oneshot") and _has_sizes(config, "measure")
    if not is_known or steps[0] is None or steps[1] is None:
        return None
    return _epochs(config, config.oneshot, 0.5) * steps[0] + chosen.budget(config.settings).measurements * steps[1]


def _final(config: Any, device: Device) -> float | None:
    step, final = device.steps.get(f"{config.task} final"), config.final
    if step is None or method(config.method).is_network or not _has_sizes(config, "final"):
        return None
    if config.task == "image":
        step *= final.layers / _LAYERS * (final.channels / _CHANNELS) ** 2 * final.batch_size / _BATCH
    return _epochs(config, final, 1.0) * step


def _has_sizes(config: Any, group: str) -> bool:
    """Whether a group of settings has the sizes that were measured."""
    return all(getattr(getattr(config, group), name) == size for name, size in _SIZES[config.task][group].items())


def _epochs(config: Any, section: Any, share: float) -> float:
    """The steps of all epochs of a training on a ``share`` of the training images, or on the training text."""
    known = dataset(config.dataset)
    if isinstance(known, ImageSet):
        images = min(known.for_training, config.data.train_limit or known.for_training)
        return share * images / section.batch_size * section.epochs
    return known.counts["train"] / section.batch_size / section.bptt * section.epochs


def told(configs: tuple[Config, ...], device: Device, counted: dict[str, float] | None = None) -> str:
    """The hours of all runs ``configs`` of a row on ``device``, a search counted once.

    ``counted`` are the seconds of the searches of earlier rows, by their models; those of this row are added to it.
    """
    prices = [price(config, device) for config in configs]
    finals = [each.final for each in prices if each.final is not None]
    searches = [each.search for each in prices if each.search is not None]
    if len(finals) < len(prices):
        return NO_PRICE
    if len(searches) < len(prices):
        return f"{NO_PRICE} (final training {_hours(finals)})"
    shared = {} if counted is None else counted
    keys = [f"{config.method} {model(config)}" for config in configs]  # another method measures other sub-networks
    new = [uncounted(key, seconds, shared) for key, seconds in zip(keys, searches, strict=True)]
    return _hours([*new, *finals])


def _hours(parts: list[float]) -> str:
    return f"{sum(parts) / HOUR:.1f} h"


def rows() -> Iterator[tuple[str, str, tuple[Config, ...]]]:
    """Every row of the paper's tables with its runs in the profile ``paper``, also those that train one cell."""
    for sweep in sweeps.names():
        if sweep.startswith("table"):
            planned = sweeps.rows(sweep, "paper")
            for row in dict.fromkeys(name.removesuffix(ONE_CELL) for name in planned):
                yield sweep, row, (*planned.get(row, ()), *planned.get(row + ONE_CELL, ()))


def markdown() -> Iterator[str]:
    """The page, line by line."""
    yield "# What the paper's rows take"
    yield ""
    yield "Printed by `python -m tables.prices > docs/prices.md`. A row's hours are those of all its runs together:"
    yield "its searches, each counted once, the final training of each, and the trainings of one cell that the paper"
    yield "averages. They are computed, not measured: steps (from the settings) times seconds per step (on each"
    yield "device). No final network has been trained at this scale. One for images of a size that was not measured"
    yield "is priced in proportion to layers x channels^2 x batch, whatever its cell, since one cell was measured. A"
    yield "language model or a one-shot model of another size, and a second pass of finetuning, have no price."
    yield ""
    yield from (f"- {device.name}: {device.source}" for device in devices())
    yield f"- `{NO_PRICE}`: no step like those of its search or its network was measured on that device."
    yield ""
    yield "| sweep | row | runs | " + " | ".join(device.name for device in devices()) + " |"
    yield "|---|---|---:|" + "---:|" * len(devices())
    for sweep, row, configs in rows():
        yield f"| {sweep} | {row} | {len(configs)} | " + " | ".join(told(configs, one) for one in devices()) + " |"


def main() -> int:
    """Print the page."""
    print(*markdown(), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
