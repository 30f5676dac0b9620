"""A trained network in one file: its weights and what builds it, as safetensors, which cannot run code.

The file's header has one entry, ``conas``: JSON with ``kind`` (``cnn``, ``rnn`` or ``named``), ``architecture``,
``sizes`` (the arguments of the network's class) and whatever else its writer found worth knowing, such as how images
are normalised.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from conas.cnn.network import FinalNetwork
from conas.genotype import Genotype
from conas.refusal import Refused
from conas.rnn.language_model import FinalRNN

FILE = "weights.safetensors"
_ENTRY = "conas"
_BUILDERS: dict[str, Callable[..., nn.Module]] = {"cnn": FinalNetwork, "rnn": FinalRNN}


class NotSaved(Refused, ValueError):
    """A file that holds no network of this kind."""


def encode(weights: Mapping[str, Tensor], description: Mapping[str, Any]) -> bytes:
    """The content of a file with the ``weights``, a state dict, of the network that ``description`` builds."""
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in weights.items()}
    return save(tensors, {_ENTRY: json.dumps(description, sort_keys=True)})


def read(path: Path | str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights and the description in the file ``path``, or in the file `FILE` of the folder ``path``.

    Raises:
        NotSaved: there is no such file, it is damaged, or something else wrote it.
    """
    file = Path(path) / FILE if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise NotSaved(f"{file}: no such file")
    try:
        with safe_open(file, "pt") as opened:
            said = (opened.metadata() or {}).get(_ENTRY)
            weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise NotSaved(f"{file}: not a whole safetensors file ({error})") from error
    if said is None:
        raise NotSaved(f"{file}: weights that do not say of which network")
    try:
        description = json.loads(said)
    except ValueError as error:
        raise NotSaved(f"{file}: its entry {_ENTRY!r} is not JSON") from error
    if not isinstance(description, dict):
        raise NotSaved(f"{file}: its entry {_ENTRY!r} is not an object")
    return weights, description


def build(description: Mapping[str, Any]) -> nn.Module:
    """The untrained network of a description, of cells.

    Raises:
        NotSaved: it is not made of cells.
    """
    kind = description.get("kind")
    if kind not in _BUILDERS:
        raise NotSaved(f"a network of kind {kind!r} (allowed: {', '.join(_BUILDERS)}; the harness builds others)")
    return _BUILDERS[kind](Genotype.from_json(description["architecture"]), **description["sizes"])


def load(path: Path | str, build: Callable[[Mapping[str, Any]], nn.Module] = build) -> nn.Module:
    """The trained network of a run, for evaluation: a `FinalNetwork` or a `FinalRNN`.

    Its attribute ``description`` says how it was made and, for images, the ``mean`` and ``std`` per channel by which
    pixels between 0 and 1 are normalised.

    Args:
        path: the run's folder, or the file.
        build: makes the untrained network of a description; the default builds cells only.

    Raises:
        NotSaved: there is none, it is not made of cells, or its weights are not those of its description.
    """
    weights, description = read(path)
    try:
        network = build(description)
        network.load_state_dict(weights)
    except Refused:
        raise
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        raise NotSaved(f"{path}: its description and its weights do not fit ({type(error).__name__})") from error
    network.description = description  # type: ignore[assignment]
    return network.eval()
