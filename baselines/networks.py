"""Final networks that are not made of cells. One is a class under the decorator `network`, in a module of its own.

The decorator also registers a search method of the same name that settles on the network at once. Its settings are the
network's sizes, and its recipe, settings of the final training with their sources, is laid over the data set's.
"""

import copy
import dataclasses
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from baselines.registry import METHODS, Method, register
from conas.architecture import Named
from conas.names import unknown
from conas.problem import Cost, Outcome, Problem
from conas.refusal import Refused
from conas.rnn.language_model import Run
from conas.rnn.state import State


class ImageNetwork(Protocol):
    """A classifier of images, a torch module; built as ``Class(settings, shape, classes, seed)``."""

    def __call__(
        self, images: Tensor, progress: float = 0.0, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Logits (N, classes), and while training those of an auxiliary head if there is one, for (N, C, H, W).

        ``progress`` is the share of the training that is done, from 0 to 1; all randomness is that of ``generator``,
        which is there while training.
        """


class WordModel(Protocol):
    """A language model, a torch module; built as ``Class(settings, words, seed)``."""

    def initial_hidden(self, batch: int) -> State:
        """What is carried into the first window, for ``batch`` columns of text."""

    def __call__(self, tokens: Tensor, hidden: State, generator: torch.Generator | None = None) -> Run:
        """A pass over a window, tokens (T, B); all randomness is that of ``generator``, there while training."""

    def cross_entropy(self, outputs: Any, targets: Tensor) -> Tensor:
        """The mean cross-entropy in nats of the words ``targets``, shape (T, B), under what a pass has ``scored``."""


@dataclass(frozen=True)
class Network:
    """A registered network: its sizes and what builds it."""

    settings: type
    build: Callable[..., nn.Module]


NETWORKS: dict[str, Network] = {}

Class = TypeVar("Class", bound=type[nn.Module])


def network(
    name: str,
    task: str,
    summary: str,
    settings: type,
    sizes: Mapping[str, Mapping[str, Any]] | None = None,
    recipe: Mapping[str, Any] | None = None,
) -> Callable[[Class], Class]:
    """Register a class of networks, and the method that takes it.

    Args:
        task: ``image``, for an `ImageNetwork`, or ``text``, for a `WordModel`.
        settings: a frozen dataclass of sizes, each with its source (`conas.settings.setting`).
        sizes: what differs in a profile, see `baselines.registry.Method`.
        recipe: settings of the harness, nested, each ``{"value": ..., "source": ...}``.

    Raises:
        ValueError: the name is taken.
    """

    def search(problem: Problem, seed: int, chosen: Any) -> Outcome:
        return Outcome(Named(name, dataclasses.asdict(chosen)))

    def registered(build: Class) -> Class:
        taken = Method(name, summary, search, settings, frozenset(), lambda s: Cost(), sizes or {})
        register(dataclasses.replace(taken, recipe=recipe or {}, tasks=(task,), is_network=True))
        NETWORKS[name] = Network(settings, build)
        return build

    return registered


def check_classifier(network: nn.Module, name: str, shape: tuple[int, int, int], classes: int) -> None:
    """Refuse, before it is trained, what does not answer as an `ImageNetwork`; only shapes are computed.

    Raises:
        Refused: it takes or gives something else; one line.
    """
    images = torch.zeros(2, *shape, device="meta")
    try:
        inspect.signature(network.forward).bind(images, 0.0, None)
    except TypeError as error:
        raise Refused(f"network {name!r}: {error} (allowed: forward(images, progress, generator))") from error
    with torch.no_grad():
        answer = copy.deepcopy(network).to("meta").eval()(images, 0.0, None)
    pair = answer if isinstance(answer, tuple) and len(answer) == 2 else ()
    if not pair or not isinstance(pair[0], Tensor) or pair[0].shape != (len(images), classes):
        given = _shape(pair[0] if pair else answer)
        wanted = f"(logits of shape (N, {classes}), those of the auxiliary head or None)"
        raise Refused(f"network {name!r} answers with {given} for N = {len(images)} images (allowed: {wanted})")


def _shape(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return f"{len(value)} values" if isinstance(value, tuple) else type(value).__name__


def build(architecture: Named, *shape: Any, seed: int) -> nn.Module:
    """The untrained network of ``architecture``; ``shape`` is (channels, height, width) and the classes for images,
    the number of words for text.

    Raises:
        ValueError: no such network.
    """
    METHODS.get(architecture.name)  # its module registers the network, too
    if architecture.name not in NETWORKS:
        raise ValueError(unknown("network", architecture.name, NETWORKS))
    found = NETWORKS[architecture.name]
    return found.build(found.settings(**architecture.sizes), *shape, seed=seed)
