"""What no single setting shows: settings that do not go together are refused before any work, in one line."""

from typing import TYPE_CHECKING, Any

from baselines.checks import parted
from baselines.registry import method
from conas.names import unknown
from conas.space import SPACES, Space
from harness.config.grammar import ConfigError
from harness.config.layers import task_of
from harness.data.registry import ImageSet, dataset, dataset_names, is_own

if TYPE_CHECKING:
    from harness.config.load import Config, ImageConfig

_SECTIONS = {"one_shot": "oneshot", "hypernet": "oneshot", "stand_alone": "alone", "relaxed": "relaxed"}
_CELLS = {"image": ({"normal", "reduce"}, 2), "text": ({"recurrent"}, 1)}


def check(config: "Config") -> None:
    """Refuse what can be told without the data.

    Raises:
        ConfigError: one line that says what is wrong and what is allowed.
    """
    _space(config)
    _search_dataset(config)
    if config.name is not None and not any(map(is_own, filter(None, (config.dataset, config.search_dataset)))):
        own = "data of your own (dataset=text, dataset=folder)"
        raise ConfigError(f"name={config.name} is for {own}, not for {config.dataset}")
    _own_sizes(config)
    try:
        method(config.method).check(SPACES[config.space], config.settings)
    except ValueError as error:
        raise ConfigError(f"method {config.method}: {error}") from error
    known = dataset(config.dataset)
    if isinstance(known, ImageSet):
        of_images: Any = config
        limit, whole = of_images.data.train_limit, known.for_training
        is_open = known.own or (config.allow_subset and limit is None)
        count = limit if is_open else min(limit or whole, whole)
        images(of_images, count, known.side)
        _schedule(of_images)
        _refuse_past_cosine(of_images)
        _refuse_narrow(of_images)


def images(config: "ImageConfig", count: int | None, side: int | None) -> None:
    """Refuse what no training can use: ``count`` training images of ``side`` pixels, None where it is not known.

    Raises:
        ConfigError: one line that says what is wrong and what is allowed.
    """
    searched = _searched(config)
    for section in ["final"] * config.has_final + ["alone"] * ("alone" in searched):
        _cutout(section, getattr(config, section).cutout, side)
    if count is None:
        return
    if config.has_final:
        _batch_norm("final", count, config.final.batch_size)
    for section in searched:
        limit = config.data.validation_limit if section == "relaxed" else None  # the architecture learns from those
        _batch_norm(section, min(count // 2, limit or count), getattr(config, section).batch_size)


def _searched(config: "ImageConfig") -> list[str]:
    """The groups of settings with which the search trains on the run's own data."""
    if config.search_dataset is not None:
        return []
    return [_SECTIONS[kind.name] for kind in method(config.method).asks(config.settings) if kind.name in _SECTIONS]


def _cutout(section: str, cutout: int, side: int | None) -> None:
    if side is not None and cutout >= side:
        raise ConfigError(f"{section}.cutout={cutout} covers an image of {side} pixels (allowed: 0 to {side - 1})")


def _batch_norm(section: str, count: int, batch_size: int) -> None:
    """Refuse training without a step of two images, of which batch norm can tell a deviation."""
    if min(count, batch_size) < 2:
        raise ConfigError(f"{section}.batch_size={batch_size}: batch norm needs 2 images in a step, there are {count}")


def _schedule(config: "ImageConfig") -> None:
    """Refuse what no optimiser takes, and milestones that a schedule would misread."""
    for section in ("relaxed", "final"):
        group = getattr(config, section)
        if group.nesterov and not group.momentum:
            raise ConfigError(f"{section}.momentum={group.momentum}: nesterov needs a momentum above 0")
    milestones = list(config.final.milestones)
    if milestones != sorted(milestones):
        raise ConfigError(f"final.milestones={milestones} (allowed: in increasing order)")


def _refuse_past_cosine(config: "ImageConfig") -> None:
    """Refuse networks trained alone past the end of their cosine, where the learning rate stays at its least."""
    longest = method(config.method).longest(config.settings)
    if longest > config.alone.epochs:
        raise ConfigError(
            f"alone.epochs={config.alone.epochs}: method {config.method!r} trains networks for {longest} epochs, past "
            f"the end of their cosine (allowed: {longest} and more)"
        )


def _own_sizes(config: "Config") -> None:
    """Refuse sizes of language models of cells that are typed for a network with sizes of its own."""
    if not method(config.method).is_network:
        return
    for name in config.updates:
        if name == "final.units" or name.startswith("final.dropout."):
            own = ", ".join(f"search.{size}" for size in config.search)
            raise ConfigError(
                f"{name} is for recurrent cells; method {config.method!r} has its own sizes (allowed: {own})"
            )


def _refuse_narrow(config: "ImageConfig") -> None:
    """Refuse a relaxation that computes ``search.parts`` of channels that cannot be parted so."""
    parts = config.search.get("parts", 1)
    if parts > 1:
        try:
            parted(parts, config.relaxed.channels)
        except ValueError as error:
            raise ConfigError(f"relaxed.channels, search.parts: {error}") from error


def _space(config: "Config") -> None:
    task = config.task
    fitting = [name for name, space in SPACES.items() if _fits(space, task)]
    if config.space not in fitting:
        kinds = " and ".join(sorted(_CELLS[task][0]))
        raise ConfigError(
            f"space={config.space!r} has no {kinds} cell, which {config.dataset} needs (allowed: {', '.join(fitting)})"
        )


def _fits(space: Space, task: str) -> bool:
    return (set(space.cells), space.inputs) == _CELLS[task]


def _search_dataset(config: "Config") -> None:
    other = config.search_dataset
    if other is None:
        return
    if other not in dataset_names():
        raise ConfigError(unknown("search_dataset", other, dataset_names()))
    if task_of(other) != config.task:
        same = [name for name in dataset_names() if task_of(name) == config.task]
        raise ConfigError(f"search_dataset={other!r} is not a data set of {config.task}s (allowed: {', '.join(same)})")
