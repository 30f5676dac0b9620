"""`python harness/run.py with dataset=svhn seed=3`: search for a cell, train its network, record the run."""

import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

if __package__ in (None, ""):  # started as a script: the checkout's root takes the place of this folder
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import harness  # noqa: F401 - before torch and Sacred, which it quiets

# isort: split
from sacred import SETTINGS, Experiment
from sacred.config.config_dict import ConfigDict
from sacred.run import Run

from conas.refusal import Refused
from harness.config.assumptions import assumptions
from harness.config.load import ConfigError, defaults, load, summaries
from harness.console.progress import Reporter, Row
from harness.console.refusal import RefusedError
from harness.execution.execute import execute
from harness.execution.summary import announce, summarise
from harness.mongo.mirror import attach
from harness.records.store import RunFolder, Store
from harness.training.loop import DivergedError

SETTINGS.CAPTURE_MODE = "no"  # harness.output keeps what a run prints, also that of a run that fails
SETTINGS.CONFIG.READ_ONLY_CONFIG = False

EXPECTED = (Refused, DivergedError, OSError)

ex = Experiment("conas", save_git_info=False)


def settings(fixed: Any = None, preset: Any = None, fallback: Any = None) -> Any:
    """Sacred's view of the configuration: the defaults chosen by data set, profile, method and variant."""
    try:
        values, sources = defaults({**(preset or {}), **(fixed or {})})
    except ConfigError as error:
        raise RefusedError(str(error)) from None
    summary = ConfigDict(values)(fixed, preset, fallback)
    summary.docs.update(sources)
    return summary


ex.configurations.append(settings)


@ex.config_hook
def check(config: dict[str, Any], command_name: str, logger: Any) -> dict[str, Any]:
    """Refuse impossible settings before any work; what is shown of them is shown with all that is assumed."""
    try:
        loaded = load(config)
    except ConfigError as error:
        raise RefusedError(str(error)) from None
    if command_name == "print_config":
        print("Assumed, where the paper is silent:", *assumptions([loaded]), sep="\n  ")
    return {}


for _name, _summary in summaries("variants").items():
    ex.add_named_config(_name, variant=_name)


def folder(config: Mapping[str, Any]) -> RunFolder:
    """Where the run with Sacred's ``config`` is recorded."""
    return Store(config["runs_dir"]).run(load(dict(config)).id)


attach(ex, folder)


@ex.main
def run(_config: dict[str, Any], _run: Run) -> dict[str, float]:
    """Search for a cell with `method`, train its network on `dataset`, test it, and record everything."""
    config = load(dict(_config))
    reporter = Reporter(lambda row: _log(_run, row))
    try:
        if not _run.meta_info.get("is_announced"):  # a sweep has said for all its runs how long they take
            announce(config, reporter)
        record = execute(config, reporter)
    except EXPECTED as error:
        raise RefusedError(str(error)) from error
    summarise(config, record, reporter)
    return dict(record.metrics["last"])


def _log(run: Run, row: Row) -> None:
    for name, value in row.items():
        if name not in ("stage", "epoch"):
            run.log_scalar(f"{row['stage']}.{name}", value, row["epoch"])


def _terminate(signum: int, frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """The command line."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        ex.run_commandline()
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command continues where this one stopped")


if __name__ == "__main__":
    main()
