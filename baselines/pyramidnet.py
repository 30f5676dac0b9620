"""PyramidNet (Han et al., 2017) with ShakeDrop (Yamada et al., 2018), as the released code of AutoAugment builds it.

Bottleneck blocks whose width grows with each of them: 272 layers, 200 channels in all. ShakeDrop multiplies a block's
branch, image by image, by one random number on the way forward and by another one on the way back. The network comes
as two methods, one with AutoAugment (Cubuk et al., 2019) and one without; both by the recipe of that code.

Departures from it: the cosine falls by the epoch instead of the minibatch; weight decay is added behind the clipping of
gradients instead of before it; the last minibatch of an epoch, which it leaves out, is shorter; AutoAugment is
torchvision's, behind crop and flip.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from baselines.checks import at_least, share
from baselines.networks import network
from baselines.pyramids import EXPANSION, STAGES, STEM, Place, Shortcut, he_by_fan_out, places
from conas.cnn.operations import default_initialisation
from conas.settings import setting

_LAYERS = 3
"""Convolutions of a block."""
_CODE = "Cubuk et al. (2019), released code"
_ASSUMED = "assumption: from memory of Cubuk et al. (2019), whose baseline with cutout is the table's row"


@dataclass(frozen=True)
class PyramidNetSizes:
    """How deep, how wide.

    Attributes:
        depth: convolutions in a row, the stem and the linear layer; 2 more than a multiple of 9.
        widening: channels by which the bottlenecks widen in all.
        drop: the share of images for which ShakeDrop disturbs the last block; it rises linearly with the blocks.
    """

    depth: int = setting(272, f"{_CODE}; Yamada et al. (2018)")
    widening: int = setting(200, f"{_CODE}; Yamada et al. (2018)")
    drop: float = setting(0.5, f"{_CODE}; Yamada et al. (2018)")

    def __post_init__(self) -> None:
        if self.per_stage < 1 or self.depth != _LAYERS * STAGES * self.per_stage + 2:
            raise ValueError(f"depth is {self.depth} (allowed: 11, 20, 29 and so on, 2 more than a multiple of 9)")
        at_least(1, self, "widening")
        share(self, "drop")

    @property
    def per_stage(self) -> int:
        """Blocks of each stage."""
        return (self.depth - 2) // (_LAYERS * STAGES)


class Shaken(torch.autograd.Function):
    """The product with one factor on the way forward and with another one on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, forward: Tensor, backward: Tensor) -> Tensor:
        """``x`` times ``forward``; both factors have the shape (N, 1, 1, 1)."""
        ctx.save_for_backward(backward)
        return x * forward

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """The gradient times ``backward``."""
        (factor,) = ctx.saved_tensors
        return gradient * factor, None, None


def shake_drop(branch: Tensor, kept: float, generator: torch.Generator | None) -> Tensor:
    """ShakeDrop in training: each image's ``branch`` is kept with probability ``kept``.

    Otherwise it is multiplied by a number between -1 and 1, and its gradient by another one between 0 and 1. The mean
    of the first is 0, so that in a test the branch is multiplied by ``kept``.
    """
    shape = (len(branch), 1, 1, 1)
    chance, alpha, beta = torch.rand(3, *shape, generator=generator, device=branch.device).to(branch.dtype)
    whole = chance < kept
    return Shaken.apply(branch, torch.where(whole, 1.0, 2 * alpha - 1), torch.where(whole, 1.0, beta))


class Block(nn.Module):
    """Batch norm, 1x1, batch norm, ReLU, 3x3, batch norm, ReLU, 1x1, batch norm, with ShakeDrop, around a shortcut."""

    def __init__(self, place: Place, kept: float) -> None:
        super().__init__()
        width, self.kept = place.within, kept
        self.branch = nn.Sequential(
            nn.BatchNorm2d(place.entering),
            nn.Conv2d(place.entering, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, place.stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, EXPANSION * width, 1, bias=False),
            nn.BatchNorm2d(EXPANSION * width),
        )
        self.shortcut = Shortcut(place)

    def forward(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """(N, entering, H, W) -> (N, EXPANSION * within, H / stride, W / stride)."""
        branch = self.branch(x)
        shaken = shake_drop(branch, self.kept, generator) if self.training else self.kept * branch
        return shaken + self.shortcut(x)


def _recipe(auto_augment: str | None, why: str) -> dict[str, Any]:
    values: dict[str, tuple[Any, str]] = {
        "epochs": (1800, _CODE),
        "batch_size": (64, _CODE),
        "lr": (0.05, _CODE),
        "schedule": ("cosine", _CODE),
        "momentum": (0.9, _CODE),
        "nesterov": (True, _CODE),
        "weight_decay": (5e-5, f"{_CODE}: of all parameters"),
        "clip": (5.0, _CODE),
        "auxiliary": (0.0, f"{_CODE}: no auxiliary head"),
        "drop_path": (0.0, f"{_CODE}: ShakeDrop instead"),
        "auto_augment": (auto_augment, why),
    }
    return {"final": {name: {"value": value, "source": source} for name, (value, source) in values.items()}}


_SIZES = {
    # The published widening per block, 200 channels on 90 blocks.
    "smoke": {"depth": 11, "widening": 7},
    "laptop": {"depth": 29, "widening": 20},
}


@network(
    "pyramidnet_autoaugment",
    task="image",
    summary="PyramidNet with ShakeDrop and AutoAugment (Cubuk et al., 2019)",
    settings=PyramidNetSizes,
    sizes=_SIZES,
    recipe=_recipe("cifar10", f"{_CODE}; assumption: torchvision's version, behind crop and flip"),
)
@network(
    "pyramidnet",
    task="image",
    summary="PyramidNet with ShakeDrop (Yamada et al., 2018), without AutoAugment",
    settings=PyramidNetSizes,
    sizes=_SIZES,
    recipe=_recipe(None, _ASSUMED),
)
class PyramidNet(nn.Module):
    """A stem, three stages of blocks, a classifier on the means of the last map."""

    def __init__(self, sizes: PyramidNetSizes, shape: tuple[int, int, int], classes: int, *, seed: int) -> None:
        super().__init__()
        every = list(places(sizes.per_stage, sizes.widening))
        with default_initialisation(seed):
            self.stem = nn.Sequential(nn.Conv2d(shape[0], STEM, 3, padding=1, bias=False), nn.BatchNorm2d(STEM))
            self.blocks = nn.ModuleList(
                Block(place, 1 - sizes.drop * (place.number + 1) / len(every)) for place in every
            )
            width = EXPANSION * every[-1].within
            self.head = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
            self.classifier = nn.Linear(width, classes)
            he_by_fan_out(self)
            nn.init.uniform_(self.classifier.weight, -(classes**-0.5), classes**-0.5)
            nn.init.zeros_(self.classifier.bias)

    def forward(
        self, images: Tensor, progress: float = 0.0, generator: torch.Generator | None = None
    ) -> tuple[Tensor, None]:
        """Logits (N, classes), and no auxiliary head, for images (N, C, H, W)."""
        x = self.stem(images)
        for block in self.blocks:
            x = block(x, generator)
        return self.classifier(self.head(x).flatten(1)), None
