"""The cells of the field by name: `conas.cell("darts_v2")`, each with its source."""

import json
from functools import cache
from importlib import resources
from typing import Any

from conas.genotype import Genotype
from conas.names import unknown


@cache
def _cells() -> dict[str, Any]:
    return json.loads(resources.files("conas").joinpath("cells.json").read_text(encoding="utf-8"))


def names() -> list[str]:
    """The published cells: ``darts_v2``, ...; the recurrent ones end in ``_rnn``."""
    return list(_cells())


def cell(name: str) -> Genotype:
    """The published genotype called ``name``, in small or capital letters.

    Raises:
        ValueError: no such genotype; the message has the nearest name.
    """
    return Genotype.from_json(_entry(name)["genotype"])


def source(name: str) -> str:
    """Where the published genotype called ``name`` comes from.

    Raises:
        ValueError: no such genotype.
    """
    return str(_entry(name)["source"])


def _entry(name: str) -> dict[str, Any]:
    if name.lower() not in _cells():
        raise ValueError(unknown("genotype", name, _cells()))
    return dict(_cells()[name.lower()])
