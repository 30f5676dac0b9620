"""What runs will cost on this machine."""

from typing import Any

from baselines.registry import method
from harness.config import Config, ConfigError, digest
from harness.data import DataError
from harness.estimate import Parts, kind, parts

_DECIDES_MODEL = {"method", "space", "oneshot", "alone", "relaxed"}


class Costs:
    """Estimates of runs; what several runs share is counted in the first that is asked about."""

    def __init__(self) -> None:
        self._known: dict[str, Parts | None] = {}
        self._counted: set[str] = set()
        self.unknown: dict[str, None] = {}
        """Why some runs have no estimate, each reason once."""

    def of(self, config: Config) -> float | None:
        """Device-seconds of the run of ``config``, None if they cannot be told."""
        parts = self._parts(config)
        trains, measures = self._is_first(f"models {model(config)}"), self._is_first(f"search {_search(config)}")
        return None if parts is None else trains * parts.models + measures * parts.measurements + parts.final

    def _is_first(self, shared: str) -> bool:
        is_first = shared not in self._counted
        self._counted.add(shared)
        return is_first

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
