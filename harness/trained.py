"""A run's trained network, from its folder alone: cells by the library, every other kind by who registered it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from baselines import networks
from conas import saved
from conas.architecture import Named, architecture
from conas.refusal import Refused


def load(run: Path | str) -> nn.Module:
    """As `conas.load`, for networks of any kind.

    Raises:
        NotSaved: there is none.
    """
    return saved.load(run, _build)


def load_for_images(run: Path | str) -> tuple[nn.Module, dict[str, Any]]:
    """The same and its description, of a network for images.

    Raises:
        Refused: there is none, or it is a language model.
    """
    network = load(run)
    description: Any = network.description
    if "mean" not in description:
        raise Refused(f"{run} is a language model (allowed: runs on images)")
    return network, description


def _build(description: Mapping[str, Any]) -> nn.Module:
    if description.get("kind") != "named":
        return saved.build(description)
    known = architecture(description["architecture"])
    assert isinstance(known, Named)
    sizes = (description["shape"], description["classes"]) if "shape" in description else (description["words"],)
    return networks.build(known, *sizes, seed=0)
