"""AutoAugment in batches, with random choices that are told."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.autoaugment import AutoAugment, AutoAugmentPolicy

from harness.data.augment import CHANCES, PAIR, SIGNS, Numbers, below


class Policy(AutoAugment):
    """torchvision's AutoAugment, told its random choices instead of drawing them from the global generator.

    A policy is a list of pairs of steps. Here every single step is a policy of its own, so that all images of a batch
    that take the same step, whatever their pair, are treated together.
    """

    policies: list[Any]
    _choice: tuple[int, Tensor, Tensor]

    def __init__(self, name: str) -> None:
        super().__init__(AutoAugmentPolicy(name))
        self._pairs = self.policies
        self._steps = sorted({(name, level) for pair in self._pairs for name, _, level in pair}, key=repr)
        self.policies = [((name, 1.0, level),) for name, level in self._steps]
        self._spaces: dict[Any, Any] = {}

    def apply(self, images: Tensor, numbers: Numbers) -> Tensor:
        """The treated images; each takes the two steps of its pair, each step or not, in its direction."""
        treated = images.clone()
        pairs = [self._pairs[pair] for pair in below(numbers[:, PAIR], len(self._pairs))]
        for place in range(2):
            chances, signs = numbers[:, CHANCES][:, place], numbers[:, SIGNS][:, place] >= 0.5
            for (step, sign), positions in self._together([pair[place] for pair in pairs], chances, signs).items():
                self._choice = step, torch.zeros(1), torch.tensor([sign])
                treated[positions] = self(treated[positions])
        return treated

    def _together(
        self, steps: list[Any], chances: Numbers, signs: NDArray[np.bool_]
    ) -> dict[tuple[int, bool], list[int]]:
        """The positions of the images that take the same step in the same direction."""
        groups: dict[tuple[int, bool], list[int]] = {}
        for position, (name, probability, level) in enumerate(steps):
            if chances[position] <= probability:
                key = self._steps.index((name, level)), bool(signs[position])
                groups.setdefault(key, []).append(position)
        return groups

    def get_params(self, transform_num: int) -> tuple[int, Tensor, Tensor]:
        """The choices of the images at hand, where torchvision draws."""
        return self._choice

    def _augmentation_space(self, *arguments: Any) -> Any:
        """As torchvision's, computed once: it costs more than treating an image."""
        if arguments not in self._spaces:
            self._spaces[arguments] = super()._augmentation_space(*arguments)
        return self._spaces[arguments]
