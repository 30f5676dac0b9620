"""What runs will cost on this machine."""

from typing import Any

from baselines.registry import method
from harness.config import Config, ConfigError, digest
from harness.data import DataError
from harness.estimate import Parts, kind, parts

_DECIDES_MODEL = {"method", "space", "oneshot", "alone", "relaxed"}


class Costs:
    """Estimates of runs; a search that several runs share is counted in the first that is asked about."""

    def __init__(self) -> None:
        self._known: dict[str, Parts | None] = {}
        self._searched: set[str] = set()
        self.unknown: dict[str, None] = {}
        """Why some runs have no estimate, each reason once."""

    def of(self, config: Config) -> float | None:
        """Device-seconds of the run of ``config``, None if they cannot be told."""
        search = _search(config)
        is_first = search not in self._searched
        self._searched.add(search)
        both = self._parts(config)
        return None if both is None else both.final + is_first * both.search

    def _parts(self, config: Config) -> Parts | None:
        try:
            name = kind(config)
            if name not in self._known:
                self._known[name] = None
                self._known[name] = parts(config.model_copy(update={"offline": True}))  # an estimate downloads nothing
            return self._known[name]
        except (DataError, ConfigError) as error:
            self.unknown[str(error)] = None
            return None


def _search(config: Config) -> str:
    """The same for runs that share their search."""
    asked = {"search", "measure"} if config.search_dataset else {"search", "measure", "data"}
    return digest([*_where(config), config.model_dump(mode="json", include=_DECIDES_MODEL | asked)])


def model(config: Config) -> str:
    """The same for runs whose searches may share a trained model, though they ask it different questions."""
    if not method(config.method).needs:
        return config.id
    return digest([*_where(config), config.model_dump(mode="json", include=_DECIDES_MODEL)])


def _where(config: Config) -> list[Any]:
    """The data set and the seed of the search."""
    return [config.search_dataset or config.dataset, config.seed if config.search_seed is None else config.search_seed]
