"""How long a run will take on this machine."""

import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from harness.config.identity import digest
from harness.config.load import NOT_IDENTITY, Config
from harness.estimates.asking import measuring_seconds, questions, training_seconds
from harness.estimates.machine import Machine, machine
from harness.records.files import facts, write_json
from harness.training.environment import device
from harness.training.task import read_task

_COSTS_NOTHING = {*NOT_IDENTITY, "seed", "search_seed"}


class Parts(NamedTuple):
    """Seconds of a run's parts.

    Attributes:
        networks: of training and of measuring each network of the search, by its name; runs may share them.
        final: of the final network, which is the run's own.
    """

    networks: dict[str, tuple[float, float]]
    final: float


def estimate(config: Config) -> float:
    """Seconds that the run of ``config`` takes on this machine with nothing done before."""
    seconds = parts(config)
    return sum(training + measuring for training, measuring in seconds.networks.values()) + seconds.final


def parts(config: Config) -> Parts:
    """Seconds of the parts of the run of ``config`` on this machine, with nothing done before.

    Reckoned once for runs that differ in their seeds only, and remembered in the store.
    """
    here, where = asdict(_here(config)), [platform.node(), str(device(config.device))]
    path = Path(config.runs_dir) / "speeds" / f"parts-{digest([*where, _decides_time(config)])}.json"
    remembered = facts(path, here=dict, networks=dict, final=float)
    if remembered is None or remembered["here"] != here or not all(map(_is_pair, remembered["networks"].values())):
        remembered = _reckon(config)._asdict()
        write_json(path, {"here": here, **remembered})
    return Parts(remembered["networks"], remembered["final"])


def _is_pair(seconds: Any) -> bool:
    is_pair = isinstance(seconds, list | tuple) and len(seconds) == 2
    return is_pair and all(isinstance(each, int | float) for each in seconds)


def kind(config: Config) -> str:
    """The same for runs that take as long on this machine."""
    return digest([asdict(_here(config)), _decides_time(config)])


def _decides_time(config: Config) -> Any:
    return config.model_dump(mode="json", exclude=_COSTS_NOTHING)


def _reckon(config: Config) -> Parts:
    search, here = config.for_search(), _here(config)
    (asked, architecture), task = questions(search), read_task(search)
    networks = {
        name: (training_seconds(one, task, here), measuring_seconds(one, task, here)) for name, one in asked.items()
    }
    return Parts(networks, here.seconds(read_task(config).final_work(architecture)))


def _here(config: Config) -> Machine:
    return machine(config.runs_dir, device(config.device), config.threads, config.task)
