"""What is assumed where the paper is silent: one list, from the sources of the settings, for runs and tables alike."""

from collections.abc import Iterable, Iterator

import yaml

from harness.config.grammar import flatten
from harness.config.layers import SETTINGS, defaults
from harness.config.load import NOT_IDENTITY, Config

WORD = "assumption"
_SILENT = {*NOT_IDENTITY, "seed", "search_seed"}
Assumed = tuple[str, str, str]
"""The name of a setting, its value and the source that says why."""


def assumptions(configs: Iterable[Config]) -> list[str]:
    """One line for every reason, with the settings of ``configs`` that it gives their value, by task.

    A value that a row or a person sets is a choice, and is not listed. Where there are several methods, a line on
    settings of the search says whose they are.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    whose: dict[str, list[str]] = {}
    several = list({_but_for_seeds(config): config for config in configs}.values())
    for config in several:
        for name, value, why in _assumed(config):
            if (name, value) not in found.setdefault(why, []):
                found[why].append((name, value))
            if config.method not in whose.setdefault(why, []):
                whose[why].append(config.method)
    methods = {config.method for config in several}
    lines = [f"{_told(found[why], whose[why] if len(methods) > 1 else [])}: {_reason(why)}" for why in found]
    tasks = dict.fromkeys(config.task for config in several)
    return lines + [line for task in tasks for line in _unsettled()[task]]


def _but_for_seeds(config: Config) -> str:
    return config.model_dump_json(exclude=_SILENT)


def _assumed(config: Config) -> Iterator[Assumed]:
    chosen = {"dataset": config.dataset, "method": config.method, "profile": config.profile, "variant": config.variant}
    values, sources = defaults(chosen)
    complete = dict(flatten(config.model_dump(mode="json")))
    for name, value in flatten(values):
        if WORD in sources.get(name, "") and name in complete and complete[name] == value:
            yield name, str(value), sources[name]


def _told(settings: list[tuple[str, str]], methods: list[str]) -> str:
    """The settings of one reason; those of searches with the ``methods``, if there are any."""
    listed = ", ".join(f"{name} = {value}" for name, value in settings)
    are_theirs = all(name.startswith("search.") for name, _ in settings)
    return f"{listed} ({', '.join(methods)})" if methods and are_theirs else listed


def _reason(source: str) -> str:
    return source.removeprefix(f"{WORD}: ")


def _unsettled() -> dict[str, list[str]]:
    read: dict[str, list[str]] = yaml.safe_load((SETTINGS / "assumptions.yaml").read_text(encoding="utf-8"))
    return read
