"""A genotype: the cells of a network, written as data.

The JSON form is meant for people::

    {"inputs": 2,
     "cells": {"normal": {"nodes": [["sep_conv_3x3@0", "skip_connect@1"], ...], "concat": [2, 3, 4, 5]},
               "reduce": {...}}}

``sep_conv_3x3@0`` is the operation ``sep_conv_3x3`` applied to node 0. Nodes ``0 .. inputs - 1`` are the
cell's inputs (for a CNN: 0 is c_{k-2}, 1 is c_{k-1}); the listed nodes follow in order.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from conas.refusal import Refused


class GenotypeError(Refused, ValueError):
    """A genotype that cannot be read or built."""


class Choice(NamedTuple):
    """One active edge into a node: an operation and the node that it reads."""

    operation: str
    source: int

    def __str__(self) -> str:
        return f"{self.operation}@{self.source}"


Node = tuple[Choice, ...]


@dataclass(frozen=True)
class Cell:
    """The intermediate nodes of a cell, each with any number of choices, and the nodes it returns."""

    nodes: tuple[Node, ...]
    concat: tuple[int, ...]


@dataclass(frozen=True)
class Genotype:
    """Named cells over ``inputs`` input nodes.

    Raises:
        GenotypeError: a node reads itself, a later node or a node that does not exist, or the output
            names a node that does not exist or one twice, or there is no input node.
    """

    inputs: int
    cells: Mapping[str, Cell]

    def __post_init__(self) -> None:
        if self.inputs < 1:
            raise GenotypeError(f"genotype of {self.inputs} input nodes (allowed: at least 1)")
        for name, cell in self.cells.items():
            for target, node in enumerate(cell.nodes, start=self.inputs):
                for choice in node:
                    if not 0 <= choice.source < target:
                        raise GenotypeError(
                            f"{name} cell: node {target} reads node {choice.source} (allowed: 0 to {target - 1})"
                        )
            last = self.inputs + len(cell.nodes) - 1
            if not cell.concat or len(set(cell.concat) & set(range(last + 1))) < len(cell.concat):
                raise GenotypeError(f"{name} cell: concat {list(cell.concat)} (allowed: some of 0 to {last}, once)")

    @property
    def operations(self) -> list[str]:
        """The operation of every active edge, cell by cell and node by node."""
        return [choice.operation for cell in self.cells.values() for node in cell.nodes for choice in node]

    def to_json(self) -> dict[str, Any]:
        """The readable form, made of dicts, lists, strings and integers only."""
        return {
            "inputs": self.inputs,
            "cells": {
                name: {"nodes": [[str(choice) for choice in node] for node in cell.nodes], "concat": list(cell.concat)}
                for name, cell in self.cells.items()
            },
        }

    def __str__(self) -> str:
        return json.dumps(self.to_json())

    @classmethod
    def from_json(cls, data: Any) -> "Genotype":
        """The inverse of `to_json`.

        Raises:
            GenotypeError: ``data`` is not of that form.
        """
        try:
            inputs = _whole("genotype: inputs", data["inputs"])
            cells = {
                name: Cell(
                    nodes=tuple(
                        tuple(_parse(f"{name} cell, node {target}", text) for text in node)
                        for target, node in enumerate(cell["nodes"], start=inputs)
                    ),
                    concat=tuple(_whole(f"{name} cell: concat", node) for node in cell["concat"]),
                )
                for name, cell in data["cells"].items()
            }
            return cls(inputs, cells)
        except KeyError as error:
            raise GenotypeError(f"not a genotype: {error} is missing") from error
        except (TypeError, AttributeError) as error:
            raise GenotypeError(f"not a genotype: {error}") from error


def _whole(where: str, number: Any) -> int:
    if type(number) is not int:
        raise GenotypeError(f"{where} {number!r} is not a whole number")
    return number


def _parse(where: str, text: str) -> Choice:
    operation, at, source = text.partition("@")
    if not operation or not at or not (source.isascii() and source.isdigit()):
        raise GenotypeError(f"{where}: {text!r} is not an edge (expected OPERATION@NODE, such as sep_conv_3x3@0)")
    return Choice(operation, int(source))
