"""What a search can settle on: cells (`conas.genotype.Genotype`), or a network of any other kind by its name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conas.genotype import Genotype, GenotypeError


@dataclass(frozen=True)
class Named:
    """A network that is not made of cells: whoever registered ``name`` builds it from ``sizes``, made of JSON only.

    Raises:
        GenotypeError: the name is no word of small letters, digits, ``_`` and ``-``.
    """

    name: str
    sizes: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not re.fullmatch("[a-z0-9][a-z0-9_-]{0,63}", self.name):
            raise GenotypeError(f"{self.name!r} is not the name of a network (allowed: small letters, digits, _ and -)")

    def to_json(self) -> dict[str, Any]:
        """The readable form."""
        return {"network": self.name, "sizes": dict(self.sizes)}


Architecture = Genotype | Named


def architecture(data: Any) -> Architecture:
    """The inverse of ``to_json``, of either kind.

    Raises:
        GenotypeError: ``data`` is of neither form.
    """
    if not isinstance(data, Mapping) or "network" not in data:
        return Genotype.from_json(data)
    name, sizes = data["network"], data.get("sizes")
    if not isinstance(name, str) or not isinstance(sizes, Mapping):
        raise GenotypeError("not a network: its name is not text, or its sizes are not a mapping")
    return Named(name, dict(sizes))
