"""Published cells as data (genotypes.json), built and trained by the same code as the cells found here."""

import json
from functools import cache
from importlib import resources
from typing import Any

from conas.genotype import Genotype
from conas.names import unknown


@cache
def _published() -> dict[str, Any]:
    return json.loads(resources.files("baselines").joinpath("genotypes.json").read_text(encoding="utf-8"))


def names() -> list[str]:
    """The published genotypes: ``darts_v2``, ...; the recurrent ones end in ``_rnn``."""
    return list(_published())


def fixed(name: str) -> Genotype:
    """The published genotype called ``name``.

    Raises:
        ValueError: no such genotype.
    """
    return Genotype.from_json(_entry(name)["genotype"])


def source(name: str) -> str:
    """Where the published genotype called ``name`` comes from.

    Raises:
        ValueError: no such genotype.
    """
    return str(_entry(name)["source"])


def _entry(name: str) -> dict[str, Any]:
    if name not in _published():
        raise ValueError(unknown("genotype", name, _published()))
    return dict(_published()[name])
