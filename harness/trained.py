"""A run's trained network, from its folder alone: cells by the library, every other kind by who registered it."""

from pathlib import Path
from typing import Any

from torch import nn

from baselines import networks
from conas import saved
from conas.architecture import Named, architecture


def load(run: Path | str) -> tuple[nn.Module, dict[str, Any]]:
    """The network in the folder (or file) ``run``, for evaluation, and its description, see `conas.saved`.

    Raises:
        NotSaved: there is none.
    """
    weights, description = saved.read(run)
    network = _build(description)
    network.load_state_dict(weights)
    return network.eval(), description


def _build(description: dict[str, Any]) -> nn.Module:
    if description.get("kind") != "named":
        return saved.build(description)
    known = architecture(description["architecture"])
    assert isinstance(known, Named)
    sizes = (description["shape"], description["classes"]) if "shape" in description else (description["words"],)
    return networks.build(known, *sizes, seed=0)
