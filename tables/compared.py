"""`python -m tables.compared`: what is compared, how and with which settings, as a page of Markdown, from the code."""

import re
import sys
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from baselines.registry import METHODS, Method
from conas import cells
from harness.config.grammar import flatten, written
from harness.config.layers import defaults, outside, summaries
from harness.config.load import Config, load
from harness.console.markdown import markdown_row
from tables.paper.contents import TABLES
from tables.published import published
from tables.render import escape_markdown
from tables.runs import ONE_CELL, Runs
from tables.tiers import Tier, tier

PROFILE = "paper"
DATASETS = {"image": "cifar10", "text": "ptb"}
COMMAND = "python -m tables.compared > docs/compared.md"
_REFERENCE = "fixed"
"""A method without settings of the harness of its own."""
_COMPARED = ("table1", "table2", "table3")

Sourced = dict[str, tuple[Any, str]]
"""A value and its source, by the name of the setting."""


def page() -> str:
    """The page."""
    parts = [_start(), _tiers(), _rows(), _methods(), _cells(), _variants(), _shared()]
    return "\n".join(line for part in parts for line in (*part, "")).rstrip() + "\n"


def main() -> int:
    """Print the page."""
    sys.stdout.write(page())
    return 0


def _start() -> Iterator[str]:
    yield "# What is compared, how and with which settings"
    yield ""
    yield f"This page is made from the code by `{COMMAND}`: it says what methods, tables and settings say themselves."
    yield f"Values are those of the profile `{PROFILE}`, the published sizes; the profiles `laptop` and `smoke` change"
    yield "sizes only. A source that begins with *assumption* is this project's choice where the sources are silent."
    yield "`python harness/run.py print_config with ...` prints the same for any run."


def _tiers() -> Iterator[str]:
    yield "## What a row shares with CoNAS"
    yield ""
    yield "It follows from the settings of a row's runs, and stands in the column *Compared* of each table."
    yield ""
    yield from _table(("word", "what it means"), ((one.word, one.meaning) for one in Tier))


def _rows() -> Iterator[str]:
    yield "## Which row is which run"
    plan = Runs.of([], PROFILE)
    for table in TABLES:
        if table.name not in _COMPARED:
            continue
        yield from ("", f"### {table.heading}", "")
        yield from _table(("row", "in the paper", "compared", "what is run"), _planned(table.name, plan))
        yield from ("", *(f"- {escape_markdown(note)}" for note in table.notes))


def _planned(table: str, plan: Runs) -> Iterator[tuple[str, ...]]:
    """The rows of the paper, then further ones."""
    planned = plan.planned(table)
    for row in dict.fromkeys([*published(table), *planned]):
        configs = planned.get(row) or planned.get(row + ONE_CELL, ())
        found = plan.tier(table, row)
        run = f"`{_said(configs[0])}`" if configs else "not run, see below"
        yield row, "yes" if row in published(table) else "", found.word if found else "–", run


def _said(config: Config) -> str:
    """What makes a run the row's, without its data set and seed."""
    chosen = [f"method={config.method}"] + ([f"variant={config.variant}"] if config.variant else [])
    typed = [f"{name}={written(value)}" for name, value in config.updates.items() if name != "seed"]
    return " ".join(chosen + typed)


def _methods() -> Iterator[str]:
    yield "## Methods and networks"
    yield ""
    yield from _table(("method", "what it is", "for", "asks for", "compared"), map(_summary, _every()))
    for method in _every():
        yield from ("", *_method(method))


def _every() -> list[Method]:
    return sorted(METHODS.values(), key=lambda method: method.name)


def _summary(method: Method) -> tuple[str, ...]:
    configs = _configs(method)
    asks = sorted({kind.name for config in configs.values() for kind in method.asks(config.settings)})
    found = {task: _tier(config).word for task, config in configs.items()}
    compared = ", ".join(dict.fromkeys(found.values()))
    return f"[{method.name}](#{method.name})", method.summary, ", ".join(configs), ", ".join(asks) or "–", compared


def _configs(method: Method) -> dict[str, Config]:
    """The default configuration of each task that a method can be run on."""
    return {
        task: load({"dataset": dataset, "method": method.name, "profile": PROFILE})
        for task, dataset in DATASETS.items()
        if task in method.tasks
    }


def _tier(config: Config) -> Tier:
    return tier(config, config.with_method("conas"))


def _method(method: Method) -> Iterator[str]:
    yield from (f"### {method.name}", "")
    yield from _prose(sys.modules[method.settings.__module__].__doc__ or method.summary)
    own = {task: _own(method, task) for task in _configs(method)}
    if any(own.values()):
        yield ""
        yield from _table(("setting", "value", "source"), _settings(own))
    sizes = [f"{layer}: {_listed(outside(changed))}" for layer, changed in method.sizes.items() if layer != "text"]
    yield from ("", f"Smaller sizes: {'; '.join(sizes)}.") if sizes else ()


def _own(method: Method, task: str) -> Sourced:
    """A method's settings, and those of the harness that differ for it."""
    chosen = {"dataset": DATASETS[task], "profile": PROFILE}
    mine, usual = (_sourced({**chosen, "method": name}) for name in (method.name, _REFERENCE))
    return {
        name: said
        for name, said in mine.items()
        if name != "method" and (name.startswith("search.") or said != usual.get(name))
    }


def _sourced(chosen: dict[str, str]) -> Sourced:
    values, sources = defaults(chosen)
    return {name: (value, sources.get(name, "")) for name, value in flatten(values)}


def _settings(own: dict[str, Sourced]) -> Iterator[tuple[str, ...]]:
    """The settings of a method; those that differ between its tasks once for each."""
    for name in dict.fromkeys(name for settings in own.values() for name in settings):
        said = {task: settings[name] for task, settings in own.items() if name in settings}
        everywhere = len(said) == len(own) and all(one == next(iter(said.values())) for one in said.values())
        for task, (value, source) in list(said.items())[: 1 if everywhere else None]:
            yield f"`{name}`" + ("" if everywhere else f" ({task})"), _value(value), source


def _value(value: Any) -> str:
    return f"`{written(value)}`"


def _listed(settings: dict[str, Any]) -> str:
    return ", ".join(f"`{name}={written(value)}`" for name, value in settings.items())


def _cells() -> Iterator[str]:
    yield "## Published cells"
    yield ""
    yield "`method=fixed genotype=NAME` trains one of them; so does a file, JSON, or the notation of DARTS."
    yield ""
    yield from _table(("genotype", "source"), ((f"`{name}`", cells.source(name)) for name in cells.names()))


def _variants() -> Iterator[str]:
    yield "## Named variants"
    yield ""
    yield "`python harness/run.py with NAME ...`; each setting of theirs with its source: `print_config with NAME`."
    yield ""
    yield from _table(("variant", "what it is"), ((f"`{name}`", text) for name, text in summaries("variants").items()))


def _shared() -> Iterator[str]:
    yield "## Settings that all methods share"
    for task, dataset in DATASETS.items():
        chosen = {"dataset": dataset, "profile": PROFILE, "method": _REFERENCE}
        said = {name: one for name, one in _sourced(chosen).items() if not name.startswith("search.")}
        yield from ("", f"### Of {task} (`dataset={dataset}`)", "")
        yield from _table(("setting", "value", "source"), ((f"`{n}`", _value(v), s) for n, (v, s) in said.items()))


def _table(headers: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield markdown_row(list(headers))
    yield markdown_row(["---"] * len(headers))
    for row in rows:
        yield markdown_row([_escaped(cell).replace("|", r"\|").replace("\n", " ") for cell in row])


def _prose(docstring: str) -> Iterator[str]:
    """A docstring as Markdown: its code is between single backticks there."""
    for line in docstring.strip().splitlines():
        yield _escaped(line.strip().replace("``", "`"), "$<")


def _escaped(text: str, special: str = "*$<") -> str:
    """What Markdown would take for emphasis, a formula or a tag, as it stands; not within code, where nothing is."""
    parts = text.split("`")
    plain = (re.sub(f"([{special}])", r"\\\1", part) for part in parts[::2])
    return "`".join(part for pair in zip_longest(plain, parts[1::2]) for part in pair if part is not None)


if __name__ == "__main__":
    sys.exit(main())
