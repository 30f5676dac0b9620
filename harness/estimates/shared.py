"""What runs will cost on this machine."""

from typing import TYPE_CHECKING

from conas.refusal import Refused
from harness.config.identity import digest
from harness.config.load import Config
from harness.data.files import MissingError

if TYPE_CHECKING:
    from harness.estimates.run import Parts

_DECIDES_ALL = {"dataset", "data", "seed", "numerics", "precision"}
_DECIDES_NETWORK = {"space", "oneshot", "alone", "relaxed"}


class Costs:
    """Estimates of runs; what several runs share is counted in the first that is asked about."""

    def __init__(self) -> None:
        self._known: dict[str, Parts | None] = {}
        self._counted: dict[str, float] = {}
        self.unknown: dict[str, None] = {}
        """Why some runs have no estimate, each reason once."""

    def of(self, config: Config) -> float | None:
        """Device-seconds of the run of ``config``, None if they cannot be told."""
        parts = self._parts(config)
        if parts is None:
            return None
        trained, asked = _search(config, _DECIDES_NETWORK), _search(config, _DECIDES_NETWORK | {"measure"})
        searched = sum(
            uncounted(f"training {name} {trained}", training, self._counted)
            + uncounted(f"asking {name} {asked}", measuring, self._counted)
            for name, (training, measuring) in parts.networks.items()
        )
        return searched + parts.final

    def _parts(self, config: Config) -> "Parts | None":
        from harness.estimates.run import kind, parts  # and with it torch

        try:
            name = kind(config)
            if name not in self._known:
                self._known[name] = None
                self._known[name] = parts(config.model_copy(update={"offline": True}))  # an estimate downloads nothing
            return self._known[name]
        except MissingError as error:
            self.unknown[error.where] = None  # the run itself would download them
        except Refused as error:
            self.unknown[str(error)] = None
        return None


def uncounted(shared: str, seconds: float, counted: dict[str, float]) -> float:
    """What ``seconds`` of ``shared`` work add to those that are ``counted``: longer work continues shorter."""
    before = counted.get(shared, 0.0)
    counted[shared] = max(before, seconds)
    return counted[shared] - before


def _search(config: Config, sections: set[str]) -> str:
    """The same for runs whose searches have the same data and seed and agree in ``sections``."""
    return digest(config.for_search().model_dump(mode="json", include=_DECIDES_ALL | sections))


def model(config: Config) -> str:
    """The same for runs whose searches begin with the same trained network, whatever they ask of it."""
    from harness.estimates.asking import first_asked  # and with it torch

    asked = first_asked(config.for_search())
    return config.id if asked is None else f"{asked} {_search(config, _DECIDES_NETWORK)}"
