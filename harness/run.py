"""`python harness/run.py with dataset=svhn seed=3`: search for a cell, train its network, record the run."""

import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, NoReturn, TextIO, cast

if __package__ in (None, ""):  # started as a script: the checkout's root takes the place of this folder
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import harness  # noqa: F401 - before torch and Sacred, which it quiets

# isort: split
from sacred import SETTINGS, Experiment
from sacred.config.config_dict import ConfigDict
from sacred.run import Run

from conas.refusal import Refused
from harness.config.assumptions import assumptions
from harness.config.command_line import parse
from harness.config.layers import CHOICES, defaults, summaries
from harness.config.load import load, recorded
from harness.console.plain import Uncoloured
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
    """Sacred's view of a complete configuration: the defaults that it chooses, with their sources, and what differs."""
    values, sources = defaults({name: fixed[name] for name in CHOICES})
    summary = ConfigDict({**values, "typed": []})(fixed, preset, fallback)
    typed = [word.partition("=")[0] for word in fixed["typed"]]
    summary.docs.update({**sources, **dict.fromkeys(typed, "typed")})
    return summary


ex.configurations.append(settings)

for _name, _summary in summaries("variants").items():
    ex.add_named_config(_name, variant=_name)
    ex.named_configs[_name].__doc__ = _summary


def folder(config: Mapping[str, Any]) -> RunFolder:
    """Where the run with Sacred's ``config`` is recorded."""
    return Store(config["runs_dir"]).run(recorded(dict(config)).id)


attach(ex, folder)


@ex.option_hook
def quiet(options: dict[str, Any]) -> None:
    """Let Sacred say nothing that a run says itself, nor that nobody records one which is recorded in files."""
    options["--unobserved"] = options["--unobserved"] or not ex.observers
    options["--loglevel"] = options["--loglevel"] or "WARNING"


@ex.config_hook
def assume(config: dict[str, Any], command_name: str, logger: Any) -> dict[str, Any]:
    """Show with the settings all that is assumed in them."""
    if command_name == "print_config":
        print("Assumed, where the paper is silent:", *assumptions([recorded(config)]), sep="\n  ")
    return {}


@ex.main
def run(_config: dict[str, Any], _run: Run) -> dict[str, float]:
    """Search for a cell with `method`, train its network on `dataset`, test it, and record everything."""
    config = recorded({name: value for name, value in _config.items() if name != "__doc__"})
    reporter = Reporter(lambda row: _log(_run, row))
    try:
        if not _run.meta_info.get("is_announced"):  # a sweep announces the estimates of its runs itself
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


@contextmanager
def _plain_in_pipes() -> Iterator[None]:
    """Leave out Sacred's colours where no terminal shows them."""
    if sys.stdout.isatty():
        yield
    else:
        with redirect_stdout(cast(TextIO, Uncoloured(sys.stdout))):
            yield


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, or 1 if the run is refused, diverges or is interrupted."""
    signal.signal(signal.SIGTERM, _terminate)
    debug = False
    try:
        command = parse(sys.argv[1:] if arguments is None else arguments)
        debug = "--debug" in command.options
        if command.help is not None:
            print(command.help)
            return 0
        config = load(command.settings).model_dump(mode="json")
        with _plain_in_pipes():
            ex.run(command.name, config_updates=config, options={**command.options, "--force": True})
    except EXPECTED as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command continues where this one stopped", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
