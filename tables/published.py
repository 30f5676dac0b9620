"""The paper's numbers, from published.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_FACTS = ("name", "group", "quoted", "epochs")


@dataclass(frozen=True)
class Figure:
    """What the paper prints for one quantity; ``seeds`` is the number of trainings behind a mean with an SD."""

    mean: float
    sd: float | None = None
    best: float | None = None
    seeds: int | None = None


@dataclass(frozen=True)
class Published:
    """One row of a table of the paper; ``quoted`` names the work it is taken from, None for the authors' own runs."""

    name: str
    group: str
    quoted: str | None
    figures: Mapping[str, Figure]


@dataclass(frozen=True)
class Claim:
    """A number, or several, in the paper's running text."""

    id: str
    where: str
    says: str
    value: tuple[float, ...]


@cache
def published(table: str) -> dict[str, Published]:
    """The rows of ``table1`` ... ``table5`` in the paper's order, by name.

    Raises:
        KeyError: no such table.
    """
    content = _content()[table]
    return {row["name"]: _row(row, content["seeds"]) for row in content["rows"]}


@cache
def claims() -> dict[str, Claim]:
    """The numeric claims of the running text, by id."""
    return {
        entry["id"]: Claim(
            entry["id"],
            entry["where"],
            entry["says"],
            tuple(entry["value"]) if isinstance(entry["value"], list) else (entry["value"],),
        )
        for entry in _content()["claims"]
    }


def _content() -> Any:
    return yaml.safe_load((Path(__file__).parent / "published.yaml").read_text(encoding="utf-8"))


def _row(row: Mapping[str, Any], seeds: int | None) -> Published:
    figures = {key: _figure(value, seeds) for key, value in row.items() if key not in _FACTS}
    return Published(row["name"], row.get("group", ""), row.get("quoted"), figures)


def _figure(value: Any, seeds: int | None) -> Figure:
    if isinstance(value, Mapping):
        return Figure(value["mean"], value.get("sd"), value.get("best"), seeds)
    return Figure(value)
