"""`python harness/run.py with dataset=svhn seed=3`: search for a cell, train its network, record the run."""

import signal
import sys
from pathlib import Path

if __package__ in (None, ""):  # started as a script: the checkout's root takes the place of this folder
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import harness  # noqa: F401 - before torch and Sacred, which it quiets

# isort: split
from conas.refusal import Refused
from harness.config.command_line import parse
from harness.config.load import load
from harness.console.pipes import piped
from harness.deadline import interrupt


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, or 1 if the run is refused, diverges or is interrupted."""
    signal.signal(signal.SIGTERM, interrupt)
    debug = False
    try:
        command = parse(sys.argv[1:] if arguments is None else arguments)
        debug = "--debug" in command.options
        if command.help is not None:
            print(command.help)
            return 0
        config = load(command.settings).model_dump(mode="json")
        from harness.execution.experiment import make  # what is refused needs no Sacred

        with piped():
            make(command.name, config, command.options)
    except (Refused, OSError) as error:
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
