"""Sacred's experiment: its commands, what it shows of the settings, and the mirror of a run in MongoDB.

What computes is imported when a run starts: the other commands answer at once.
"""

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO, cast

from sacred import SETTINGS, Experiment
from sacred.config.config_dict import ConfigDict
from sacred.run import Run

from conas.refusal import Refused
from harness.config.assumptions import WORD, assumptions
from harness.config.grammar import flatten, setting, written
from harness.config.layers import CHOICES, defaults, summaries
from harness.config.load import flat_defaults, recorded
from harness.console.plain import Uncoloured
from harness.console.progress import Reporter, Row
from harness.console.refusal import RefusedError
from harness.mongo.mirror import attach
from harness.records.store import RunFolder, Store

SETTINGS.CAPTURE_MODE = "no"  # harness.records.output keeps what a run prints, also that of a run that fails
SETTINGS.CONFIG.READ_ONLY_CONFIG = False

ex = Experiment("conas", save_git_info=False)
# the line that says why is enough
logging.getLogger("conas").addFilter(lambda line: not str(line.msg).startswith(("Failed after", "Aborted after")))


def settings(fixed: Any = None, preset: Any = None, fallback: Any = None) -> Any:
    """Sacred's view of a complete configuration: the defaults that it chooses, with their sources, and what differs."""
    chosen = {name: fixed[name] for name in CHOICES}
    values, sources = defaults(chosen)
    summary = ConfigDict({**values, "typed": []})(fixed, preset, fallback)
    summary.docs.update({**sources, **_set(fixed["typed"], chosen)})
    return summary


def _set(typed: Sequence[str], chosen: Mapping[str, Any]) -> dict[str, str]:
    """What to say of the settings that a person set: what they are in the profile, and in the paper or assumed."""
    profile = chosen["profile"]
    here, (paper, sources) = flat_defaults(**chosen), defaults({**chosen, "profile": "paper"})
    published = dict(flatten(paper))
    found = {}
    for name in (setting(word)[0] for word in typed):
        source = "assumed" if WORD in sources.get(name, "") else "paper"
        others = {f"profile {profile}": here.get(name), source: published.get(name)}
        if here.get(name) == published.get(name):
            del others[f"profile {profile}"]
        told = [f"{where}: {written(value)}" for where, value in others.items()] if "." in name else []
        found[name] = "; ".join(["set by you", *told])
    return found


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
    from harness.execution.execute import execute
    from harness.execution.summary import announce, summarise
    from harness.training.loop import DivergedError

    config = recorded({name: value for name, value in _config.items() if name != "__doc__"})
    reporter = Reporter(lambda row: _log(_run, row))
    try:
        Store(config.runs_dir).check_usable()
        if not _run.meta_info.get("is_announced"):  # a sweep announces the estimates of its runs itself
            announce(config, reporter)
        record = execute(config, reporter)
    except (Refused, DivergedError, OSError) as error:
        raise RefusedError(str(error)) from error
    summarise(config, record, reporter)
    return dict(record.metrics["last"])


def _log(run: Run, row: Row) -> None:
    for name, value in row.items():
        if name not in ("stage", "epoch"):
            run.log_scalar(f"{row['stage']}.{name}", value, row["epoch"])


@contextmanager
def _plain_in_pipes() -> Iterator[None]:
    """Leave out Sacred's colours where no terminal shows them."""
    if sys.stdout.isatty():
        yield
    else:
        with redirect_stdout(cast(TextIO, Uncoloured(sys.stdout))):
            yield


def make(command: str, config: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Let Sacred run ``command`` with the complete ``config``.

    Raises:
        Refused: one line that says what is wrong.
    """
    with _plain_in_pipes():
        ex.run(command, config_updates=dict(config), options={**options, "--force": True})
