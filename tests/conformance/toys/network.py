"""A network not made of cells, with a recipe of its own: a small residual network with blocks dropped at random."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from baselines.checks import at_least
from baselines.networks import network
from baselines.registry import METHODS
from conas.cnn.network import default_initialisation
from conas.settings import setting


@dataclass(frozen=True)
class Sizes:
    """How deep and how wide."""

    blocks: int = setting(9, "a toy")
    channels: int = setting(16, "a toy")
    drop: float = setting(0.5, "a toy")

    def __post_init__(self) -> None:
        at_least(1, self, "blocks", "channels")
        if not 0 < self.drop < 1:
            raise ValueError(f"drop is {self.drop} (allowed: between 0 and 1, both excluded)")


@network(
    "toy_network",
    task="image",
    summary="a toy",
    settings=Sizes,
    sizes={"smoke": {"blocks": 2, "channels": 4}, "laptop": {"blocks": 3, "channels": 8}},
    recipe={
        "final": {
            "lr": {"value": 0.1, "source": "a toy"},
            "schedule": {"value": "steps", "source": "a toy"},
            "milestones": {"value": [0.5, 0.75], "source": "a toy"},
            "nesterov": {"value": True, "source": "a toy"},
            "auxiliary": {"value": 0.0, "source": "a toy"},
        }
    },
)
class ToyNetwork(nn.Module):
    """Blocks of a convolution and a batch norm around an identity; later in training more of them are dropped."""

    def __init__(self, sizes: Sizes, shape: tuple[int, int, int], classes: int, *, seed: int) -> None:
        super().__init__()
        width, self._drop = sizes.channels, sizes.drop
        with default_initialisation(seed):
            self.stem = nn.Conv2d(shape[0], width, 3, padding=1)
            self.blocks = nn.ModuleList(
                nn.Sequential(nn.ReLU(), nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
                for _ in range(sizes.blocks)
            )
            self.pool = nn.AdaptiveAvgPool2d(1)
            self.classifier = nn.Linear(width, classes)

    def forward(
        self, images: Tensor, progress: float = 0.0, generator: torch.Generator | None = None
    ) -> tuple[Tensor, None]:
        """Logits (N, classes), and no auxiliary head, for images (N, C, H, W)."""
        x = self.stem(images)
        for block in self.blocks:
            kept = 1 - self._drop * progress
            if self.training and torch.rand((), generator=generator, device=images.device) >= kept:
                continue
            x = x + (block(x) if self.training else kept * block(x))
        return self.classifier(self.pool(x).flatten(1)), None


METHOD = METHODS.pop("toy_network")
"""No other test is to meet it among the methods."""
