"""Parameters and multiply-adds of a final network, for one image or word, in evaluation, without the auxiliary head.

Tools disagree about what a multiply-add is, so four counts are kept for images:

- ``mult_adds``: convolutions and linear layers only, by thop with every other rule set to 0.
- ``mult_adds_independent``: the same, by torch's own counter, which sees tensor operations and not modules.
- ``mult_adds_thop``: as thop comes. It counts an affine batch norm as 4 operations per element (2 without weights), an
  average pool as 1 per output, the global average pool as 65 per channel of 8x8; ReLUs, maximum pools as none.
- ``mult_adds_ptflops_like``: the convention behind the paper's column (its DARTS: 548 M): convolutions and
  linear layers, 2 per element of an affine batch norm, 1 per element of a ReLU's output and of a pool's input.

No counter sees the sums of a node's edges, concatenations or the zeros of ``none``: none of them multiplies.
What thop cannot see at all is a function called outside a module and a module type it has no rule for; so a final
network in evaluation is made of stock torch modules only, and `count` refuses leaf modules without a rule.
"""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from thop.profile import register_hooks
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from conas.cnn.operations import Zero
from conas.refusal import Refused

Rule = Callable[[Any, tuple[Tensor, ...], Tensor], None]


class UncountableError(Refused, TypeError):
    """A module without a counting rule."""


@dataclass(frozen=True)
class Counts:
    """``params`` and multiply-adds, all plain numbers of parameters or operations (not millions)."""

    params: int
    mult_adds: int
    mult_adds_thop: int
    mult_adds_ptflops_like: int
    mult_adds_independent: int


def count(network: nn.Module, image_shape: tuple[int, int, int]) -> Counts:
    """The counts of ``network`` for one image of ``image_shape`` (channels, height, width).

    Raises:
        UncountableError: a module that no rule covers.
    """
    # On a copy, for rules leave totals behind; without data, for only shapes count.
    network = copy.deepcopy(network).to("meta").eval()
    images = torch.zeros(1, *image_shape, device="meta")
    _check(network)
    totals = dict.fromkeys(CONVENTIONS, 0)
    hooks = [leaf.register_forward_hook(partial(_add, totals)) for leaf in network.modules() if _is_leaf(leaf)]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()
    return Counts(
        params=sum(p.numel() for name, p in network.named_parameters() if not name.startswith("auxiliary.")),
        mult_adds_independent=counter.get_total_flops() // 2,
        **totals,
    )


def _add(totals: dict[str, int], module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    """Add what each convention counts of a module, with a total like those that thop gives modules."""
    counted: Any = module
    for name, rule_of in CONVENTIONS.items():
        counted.total_ops = torch.zeros(1, dtype=torch.float64)
        rule = rule_of(type(module))
        if rule is not None:
            rule(module, inputs, output)
        totals[name] += int(counted.total_ops)


def mult_adds(network: nn.Module, forward: Callable[[nn.Module, Tensor], object], shape: tuple[int, ...]) -> float:
    """Multiply-adds of a forward pass for one input of ``shape``; only shapes are computed, ``network`` is emptied."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        forward(network.to("meta"), torch.zeros(1, *shape, device="meta"))
    return counter.get_total_flops() / 2


def word_mult_adds(model: nn.Module, *given: Any) -> int:
    """Multiply-adds of a language model's pass over one word and its softmax, by torch's counter.

    It sees the products that are computed: in a recurrent cell one for each node and each node that it reads, however
    many activations share it. Dropout, activations and gates are left out, as activations are in the counts of
    networks for images.

    Args:
        given: what ``model`` is called with beside words and a hidden state, such as a one-shot RNN's encoder.
    """
    any_model: Any = copy.deepcopy(model).to("meta").eval()
    word = torch.zeros(1, 1, dtype=torch.long, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        any_model.cross_entropy(any_model(word, any_model.initial_hidden(1), *given).scored, word)
    return counter.get_total_flops() // 2


def one_per_input(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    """One operation per element of the input."""
    module.total_ops += inputs[0].numel()


def _two_per_input(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    module.total_ops += 2 * inputs[0].numel()


LAYERS: dict[type[nn.Module], Rule] = {
    nn.BatchNorm2d: _two_per_input,
    **dict.fromkeys((nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish), one_per_input),
    **dict.fromkeys((nn.Sigmoid, nn.Hardsigmoid, nn.Tanh), one_per_input),
    nn.MaxPool2d: one_per_input,
    nn.AvgPool2d: one_per_input,
    nn.AdaptiveAvgPool2d: one_per_input,
}
"""What the paper's convention counts of a module's type; of other types what thop does. An operation made of modules
that are in neither adds its rule here, `one_per_input` or its own."""
PRODUCTS = (nn.Conv2d, nn.Linear)
FREE = (nn.Identity, nn.Dropout, nn.Flatten, nn.ConstantPad2d, Zero)
CONVENTIONS: dict[str, Callable[[type[nn.Module]], Rule | None]] = {
    "mult_adds": lambda kind: register_hooks[kind] if kind in PRODUCTS else None,
    "mult_adds_thop": register_hooks.get,
    "mult_adds_ptflops_like": lambda kind: LAYERS.get(kind) or register_hooks.get(kind),
}


def _is_leaf(module: nn.Module) -> bool:
    return not list(module.children())


def check_space(operations: Iterable[str], build: Callable[[str], nn.Module]) -> None:
    """Refuse a space with an operation that could be searched but not counted.

    Args:
        build: makes the module of an operation by its name.

    Raises:
        UncountableError: one line that names the operation and the module.
    """
    for operation in operations:
        try:
            _check(build(operation))
        except UncountableError as error:
            raise UncountableError(f"operation {operation!r}: {error}") from error


def _check(network: nn.Module) -> None:
    for name, module in network.named_modules():
        if _is_leaf(module) and type(module) not in (*LAYERS, *PRODUCTS, *FREE):
            kind = type(module).__name__
            raise UncountableError(f"no counting rule for {name}, a {kind} (conas.counting.LAYERS holds the rules)")
