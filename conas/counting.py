"""Parameters and multiply-adds of a final network, for one image or word, in evaluation, without the auxiliary head.

Tools disagree about what a multiply-add is, so four counts are kept for images:

- ``mult_adds``: convolutions and linear layers only, by thop with every other rule set to 0.
- ``mult_adds_independent``: the same, by torch's own counter, which sees tensor operations and not modules.
- ``mult_adds_thop``: as thop comes. It counts an affine batch norm as 4 operations an element (2 without weights), an
  average pool as 1 an output, the global average pool as 65 a channel of 8x8; ReLUs, maximum pools as none.
- ``mult_adds_ptflops_like``: the convention behind the paper's column (its DARTS: 548 M): convolutions and
  linear layers, 2 an element of an affine batch norm, 1 an element of a ReLU's output and of a pool's input.

No counter sees the sums of a node's edges, concatenations or the zeros of ``none``: none of them multiplies.
What thop cannot see at all is a function called outside a module and a module type it has no rule for; so a final
network in evaluation is made of stock torch modules only, and `count` refuses leaf modules without a rule.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import thop
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from conas.cnn.network import FinalNetwork
from conas.cnn.operations import Zero
from conas.genotype import Cell
from conas.rnn.language_model import LanguageModel

Rule = Callable[[Any, tuple[Tensor, ...], Tensor], None]


@dataclass(frozen=True)
class Counts:
    """``params`` and multiply-adds, all plain numbers of parameters or operations (not millions)."""

    params: int
    mult_adds: int
    mult_adds_thop: int
    mult_adds_ptflops_like: int
    mult_adds_independent: int


def count(network: FinalNetwork, image_shape: tuple[int, int, int]) -> Counts:
    """The counts of ``network`` for one image of ``image_shape`` (channels, height, width).

    Raises:
        TypeError: a module that no rule covers.
    """
    # On a copy, for thop leaves buffers behind; without data, for only shapes count.
    network = copy.deepcopy(network).to("meta").eval()
    images = torch.zeros(1, *image_shape, device="meta")
    _check(network)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(images)
    return Counts(
        params=sum(p.numel() for name, p in network.named_parameters() if not name.startswith("auxiliary.")),
        mult_adds=_thop(network, images, dict.fromkeys(LAYERS, _nothing)),
        mult_adds_thop=_thop(network, images, {}),
        mult_adds_ptflops_like=_thop(network, images, LAYERS),
        mult_adds_independent=counter.get_total_flops() // 2,
    )


def mult_adds(network: nn.Module, forward: Callable[[nn.Module, Tensor], object], shape: tuple[int, ...]) -> float:
    """Multiply-adds of a forward pass for one input of ``shape``; only shapes are computed, ``network`` is emptied."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        forward(network.to("meta"), torch.zeros(1, *shape, device="meta"))
    return counter.get_total_flops() / 2


def word_mult_adds(model: LanguageModel, cell: Cell) -> int:
    """Multiply-adds of all products of a vector and a matrix for one word, the softmax included, by torch's counter.

    It sees the products that are computed: one for each node and each node that it reads, however many activations
    share it. Dropout, activations and gates are left out, as activations are in the counts of networks for images.
    """
    model = copy.deepcopy(model).to("meta").eval()
    word = torch.zeros(1, 1, dtype=torch.long, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        outputs = model.run(word, model.initial_hidden(1), cell).outputs
        F.linear(outputs, model.embedding, model.bias)
    return counter.get_total_flops() // 2


def _thop(network: nn.Module, images: Tensor, rules: dict[type[nn.Module], Rule]) -> int:
    return int(thop.profile(network, (images,), custom_ops=rules, verbose=False)[0])


def _nothing(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    """thop's rule of a module that does not count."""


def _one_an_input(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    module.total_ops += inputs[0].numel()


def _two_an_input(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    module.total_ops += 2 * inputs[0].numel()


LAYERS: dict[type[nn.Module], Rule] = {
    nn.BatchNorm2d: _two_an_input,
    nn.ReLU: _one_an_input,
    nn.MaxPool2d: _one_an_input,
    nn.AvgPool2d: _one_an_input,
    nn.AdaptiveAvgPool2d: _one_an_input,
}
COVERED = (*LAYERS, nn.Conv2d, nn.Linear, nn.Identity, nn.ConstantPad2d, Zero)


def _check(network: FinalNetwork) -> None:
    for name, module in network.named_modules():
        if not list(module.children()) and type(module) not in COVERED:
            raise TypeError(f"no counting rule for {name}, a {type(module).__name__}")
