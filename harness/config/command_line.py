"""What stands behind ``python harness/run.py``: a command, some of Sacred's options, and words that set things."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from baselines.registry import METHODS
from conas.names import unknown
from harness.config.grammar import ConfigError, dotted, read, readings, setting
from harness.config.layers import summaries
from harness.data.registry import dataset_names

_COMMANDS = {
    "run": "search, train, test, record (if no command is named)",
    "print_config": "every setting with its value and its source",
    "print_named_configs": "the variants",
    "print_dependencies": "the packages that a run uses",
    "help": "this text",
}
_REASONS = {
    "-q": "python harness/sweep.py FILE.yaml --queue queues runs",
    "--queue": "python harness/sweep.py FILE.yaml --queue queues runs",
    "-i": "a run's name follows from its settings",
    "--id": "a run's name follows from its settings",
}


@dataclass(frozen=True)
class Command:
    """A command of Sacred's, its options under their long names, the settings; or the text that answers ``-h``."""

    name: str
    options: Mapping[str, Any]
    settings: Mapping[str, Any]
    help: str | None = None


def parse(arguments: list[str]) -> Command:
    """The command that ``arguments`` stand for.

    Raises:
        ConfigError: an option, a command or a word that means nothing.
    """
    parser = _parser()
    options, others = parser.parse_known_intermixed_args(arguments)
    if others:
        raise ConfigError(_no_option(others[0]))
    name, words = _command(options.words)
    chosen = {name: value for name, value in vars(options).items() if name.startswith("--") and value}
    if options.help or name == "help":
        return Command(name, chosen, {}, parser.format_help())
    return Command(name, chosen, settings(words))


def _command(words: list[str]) -> tuple[str, list[str]]:
    """The command and the words behind it and behind ``with``."""
    named = words[0] if words and words[0] in _COMMANDS else "run"
    rest = words[1:] if words and words[0] in _COMMANDS else words
    return named, rest[1:] if rest and rest[0] == "with" else rest


def settings(words: Sequence[str]) -> dict[str, Any]:
    """What words set: ``NAME=VALUE``, a file NAME.yaml or NAME.json, or the name of a variant.

    What is typed wins over what stands in a file, a later file over an earlier one; variants add up.

    Raises:
        ConfigError: a word that is none of these, or a setting that is typed twice.
    """
    stored: dict[str, Any] = {}
    typed: dict[str, Any] = {}
    variants: list[str] = []
    if any(word.startswith("=") for word in words):
        raise ConfigError("a = stands alone: expected NAME=VALUE, without spaces around the =")
    for word in words:
        if "=" in word:
            typed |= _new(typed, *setting(word))
        elif word.endswith((".yaml", ".yml", ".json")):
            stored |= dotted(read(word))
        else:
            variants.append(_variant(word))
    base = typed.get("variant", stored.get("variant"))
    named = [] if readings(base)[0] is None else [str(base)]
    return {**stored, **typed, **({"variant": "+".join([*named, *variants])} if variants else {})}


def _new(typed: Mapping[str, Any], name: str, value: str) -> dict[str, str]:
    if typed.get(name, value) != value:
        raise ConfigError(f"{name} is set twice, to {typed[name]} and to {value}")
    return {name: value}


def _variant(word: str) -> str:
    known = summaries("variants")
    if word.lower() not in known:
        raise ConfigError(
            f"{unknown('command or variant', word, [*known, *_COMMANDS, 'with'])}, NAME=VALUE or a file NAME.yaml"
        )
    return word.lower()


def _no_option(option: str) -> str:
    name = option.lstrip("-").partition("=")[0]
    if option.startswith("--") and name in ("dataset", "profile", "method", "seed"):
        return f"{option} is not an option; settings are written without dashes: {name}=VALUE"
    reason = _REASONS.get(option, "python harness/run.py -h lists those that work")
    return f"{option} is not an option of a run; {reason}"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see python harness/run.py -h")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python harness/run.py",
        usage="%(prog)s [COMMAND] [OPTIONS] with [VARIANT ...] [NAME=VALUE ...] [FILE.yaml ...]",
        description="Search for a cell, train its network, test it, record the run. The same command goes on with a "
        "run that was stopped; one that is done is not computed again.",
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("-h", "--help", action="store_true", help="this text")
    parser.add_argument(
        "-m", "--mongo_db", dest="--mongo_db", metavar="DB", help="mirror the run into HOST:PORT:DB or mongodb://..."
    )
    parser.add_argument("-u", "--unobserved", dest="--unobserved", action="store_true", help="mirror it nowhere")
    parser.add_argument("-p", "--print-config", dest="--print-config", action="store_true", help="print_config first")
    parser.add_argument(
        "-l", "--loglevel", dest="--loglevel", metavar="LEVEL", help="DEBUG, INFO, WARNING, ERROR or a number"
    )
    parser.add_argument("-d", "--debug", dest="--debug", action="store_true", help="show where an error comes from")
    return parser


def _epilog() -> str:
    lists = {"data sets": dataset_names(), "methods": METHODS, "profiles": summaries("profiles")}
    lines = ["commands:", *(f"  {name:<20} {about}" for name, about in _COMMANDS.items())]
    lines += ["variants:", *(f"  {name:<20} {about}" for name, about in summaries("variants").items())]
    return "\n".join([*lines, *(f"{kind}: {', '.join(names)}" for kind, names in lists.items())])
