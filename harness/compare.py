"""`python -m harness.compare A B`: what differs between two runs: settings, cells side by side, figures."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from pymongo.errors import PyMongoError

from conas.architecture import architecture
from conas.genotype import Genotype
from conas.names import unknown
from conas.refusal import Refused
from harness import results
from harness.config.grammar import flatten, written
from harness.config.load import NOT_IDENTITY, Config, recorded
from harness.console.places import add_store
from harness.console.plain import plain
from harness.console.progress import duration
from harness.records.schema import Record

Line = tuple[str, str, str]
"""What is compared, and what the first and the second run have."""


class NoSuchRun(Refused, ValueError):
    """A name that stands for no run, or for several."""


def chosen(records: Sequence[Record], name: str) -> Record:
    """The run called ``name``, or whose name begins or ends so, if there is but one.

    Raises:
        NoSuchRun: there is none, or there are several.
    """
    found = [one for one in records if one.id == name] or [
        one for one in records if one.id.startswith(name) or one.id.endswith(name)
    ]
    if not found:
        raise NoSuchRun(unknown("run", name, [one.id for one in records]).partition(" (allowed")[0])
    if len(found) > 1:
        raise NoSuchRun(f"{len(found)} runs are called {name}...: {', '.join(one.id for one in found[:5])}")
    return found[0]


def settings(configs: Sequence[Config]) -> dict[str, list[Any]]:
    """The settings in which ``configs`` differ, with the value that each has, None where it has no such setting."""
    flat = [dict(flatten(config.model_dump(mode="json", exclude=NOT_IDENTITY))) for config in configs]
    names = dict.fromkeys(name for values in flat for name in values)
    return {name: values for name in names if _differ(values := [one.get(name) for one in flat])}


def _differ(values: Sequence[Any]) -> bool:
    return any(value != values[0] for value in values)


def cells(first: Record, second: Record) -> Iterator[Line]:
    """What every node of every cell reads through which operation, in both runs' cells."""
    ours, theirs = _nodes(first), _nodes(second)
    for node in sorted({*ours, *theirs}):
        yield (node, ours.get(node, ""), theirs.get(node, ""))


def _nodes(record: Record) -> dict[str, str]:
    if record.genotype is None:
        return {}
    found = architecture(record.genotype)
    if not isinstance(found, Genotype):
        return {"network": str(found)}
    return {
        f"{name} {target}": ", ".join(map(str, node))
        for name, cell in found.cells.items()
        for target, node in enumerate(cell.nodes, start=found.inputs)
    }


def figures(first: Record, second: Record) -> Iterator[Line]:
    """What came out, and what it took."""
    ours, theirs = _figures(first), _figures(second)
    for name in dict.fromkeys([*ours, *theirs]):
        yield (name, ours.get(name, ""), theirs.get(name, ""))


def _figures(record: Record) -> dict[str, str]:
    last = {name.replace("_", " "): f"{value:.5g}" for name, value in record.metrics.get("last", {}).items()}
    found = {"status": record.status, **last}
    if record.counts is not None:
        found |= {"parameters": f"{record.counts.params:,}", "mult-adds": f"{record.counts.mult_adds:,.0f}"}
    if record.search is not None:
        found["search time"] = duration(record.search.seconds)
    if record.training_seconds is not None:
        found["training time"] = duration(record.training_seconds)
    return found | ({"device": record.attempts[-1].device} if record.attempts else {})


def told(first: Record, second: Record) -> Iterator[str]:
    """All of it, line by line; what is equal is left out of the settings, and marked in the cells."""
    differing = settings([recorded(first.config), recorded(second.config)])
    said = [(name, written(ours), written(theirs)) for name, (ours, theirs) in differing.items()]
    yield from _table("settings", [("", first.id, second.id), *said] if said else [("no setting differs", "", "")])
    yield from _table("cells (operation@input)", [_marked(line) for line in cells(first, second)])
    yield from _table("figures at the last epoch", list(figures(first, second)))


def _marked(line: Line) -> Line:
    node, ours, theirs = line
    return (node if ours != theirs else f"{node} =", ours, theirs)


def _table(title: str, lines: Sequence[Line]) -> Iterator[str]:
    widths = [max((len(column) for column in columns), default=0) for columns in zip_longest(*lines, fillvalue="")]
    yield f"\n{title}"
    for line in lines:
        yield "  " + "  ".join(plain(part).ljust(width) for part, width in zip(line, widths, strict=True)).rstrip()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 if a run is not there."""
    parser = argparse.ArgumentParser(prog="python -m harness.compare", description=__doc__)
    parser.add_argument("runs", nargs=2, metavar="RUN", help="its name, or the beginning or the end of it")
    add_store(parser, "the folder, packed .jsonl file or mongodb:// address of the runs")
    options = parser.parse_args(arguments)
    try:
        records, _ = results.records(results.source(options.store))
        first, second = (chosen(records, name) for name in options.runs)
        print(*told(first, second), sep="\n")
    except (Refused, PyMongoError, OSError) as error:
        print(f"error: {plain(error)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
