"""Five figures of the published pages, computed anew from the records by somebody who has none of this project's code.

`python tests/outsider.py [runs.jsonl]` reads the JSON lines themselves and prints one figure per line, as the pages of
`docs/laptop-replication/laptop` print them; `tests/tables/test_recomputed.py` looks them up there.
"""

import json
import math
import statistics
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

PUBLISHED = Path(__file__).parents[1] / "docs" / "laptop-replication" / "runs.jsonl"
TWO_SIDED_95 = 2.7764451
"""Student's t with 4 degrees of freedom, as printed in any table of it."""

Record = dict[str, Any]


def figures(path: Path = PUBLISHED) -> dict[str, str]:
    """What the pages say, by the page and the line that say it."""
    records = [json.loads(line)["record"] for line in path.read_text(encoding="utf-8").splitlines()]
    records = [record for record in records if record["status"] == "done"]
    conas, four_stages = _row(records, "conas"), _row(records, "conas", variant="t4")
    drawn, text = _row(records, "random_search"), _row(records, "conas", dataset="ptb")
    one, ten = (_row(records, "conas", variant="short", **{"lambda": penalty}) for penalty in (1.0, 10.0))
    return {
        "table1.md | CoNAS (t=1) |": f"{min(_errors(conas)):.2f} \\| {_spread(_errors(conas), 2)}",
        "table3.md | CoNAS |": _spread([_last(run, "test_perplexity") for run in text.values()], 1),
        "table4.md | λ = 10 |": _spread([_distance(one[seed], ten[seed]) for seed in sorted(one)], 1),
        "scorecard.md Test error (%): CoNAS (t=1) &lt; Random Search (same space and measure) |": _difference(
            conas, drawn, lambda run: _last(run, "test_error"), 2
        ),
        "scorecard.md Params (M): CoNAS (t=1) &lt; CoNAS (t=4) |": _difference(
            conas, four_stages, lambda run: run["counts"]["params"] / 1e6, 3
        ),
    }


def _row(
    records: Iterable[Record], method: str, dataset: str = "cifar10", variant: str | None = None, **search: Any
) -> dict[int, Record]:
    """The runs of a row, by seed."""
    return {
        record["seed"]: record
        for record in records
        if (record["method"], record["dataset"]) == (method, dataset)
        and record["config"]["variant"] == variant
        and record["config"]["search_seed"] is None
        and all(record["config"]["search"][name] == value for name, value in search.items())
    }


def _last(run: Record, name: str) -> float:
    return float(run["metrics"]["last"][name])


def _errors(runs: dict[int, Record]) -> list[float]:
    return [_last(run, "test_error") for run in runs.values()]


def _distance(one: Record, other: Record) -> int:
    bits = (run["search"]["details"]["alpha"] for run in (one, other))
    return sum(a != b for a, b in zip(*bits, strict=True))


def _spread(values: list[float], digits: int) -> str:
    return f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f} (n = {len(values)})"


def _difference(one: dict[int, Record], other: dict[int, Record], value: Callable[[Record], float], digits: int) -> str:
    """The mean difference within a seed and its 95 % interval."""
    differences = [value(one[seed]) - value(other[seed]) for seed in one]
    assert len(differences) == 5, "TWO_SIDED_95 is that of five seeds"
    mean = statistics.mean(differences)
    half = TWO_SIDED_95 * statistics.stdev(differences) / math.sqrt(5)
    signed = (f"{number:+.{digits}f}".replace("-", "−") for number in (mean, mean - half, mean + half))
    return "{} [{}, {}]".format(*signed)


if __name__ == "__main__":
    for place, figure in figures(*map(Path, sys.argv[1:])).items():
        print(f"{place} {figure}")
