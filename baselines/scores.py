"""Scores of untrained image networks, higher is better: what is said to tell good networks without training them."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from conas.cnn.operations import batch_statistics


def naswot(network: nn.Module, images: Tensor) -> float:
    """How differently the rectifiers of ``network`` treat ``images`` (N, C, H, W) (Mellor et al., 2021).

    Each image has a code, one bit for each unit that is on. The score is the log determinant of the N x N matrix of
    how many bits two codes share; minus infinity if two images have the same code. Batch norms normalise by the batch.
    """
    shared = torch.zeros(len(images), len(images), dtype=torch.float64)

    def count(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        signs = (2.0 * (inputs[0] > 0) - 1.0).flatten(1)  # sums of +-1 are exact in single precision
        shared.add_((signs.shape[1] + (signs @ signs.T).double().cpu()) / 2)

    hooks = [module.register_forward_hook(count) for module in network.modules() if isinstance(module, nn.ReLU)]
    try:
        with torch.no_grad(), batch_statistics(network):
            network(images)
    finally:
        for hook in hooks:
            hook.remove()
    sign, logarithm = torch.linalg.slogdet(shared)
    return float(logarithm) if sign > 0 else float("-inf")


def synflow(network: nn.Module, images: Tensor) -> float:
    """How much ``network`` lets through, by its weights' sizes (Tanaka et al., 2020; Abdelfattah et al., 2021).

    All parameters are made positive, an image of ones of the shape of ``images`` (N, C, H, W) goes through in double
    precision, and the score is the logarithm, for its size, of the sum over the weights of convolutions and linear
    layers of weight times gradient of the outputs' sum. Batch norms have seen nothing yet and pass it on.
    """
    positive = copy.deepcopy(network).double().eval()
    with torch.no_grad():
        for parameter in positive.parameters():
            parameter.abs_()
    output = positive(torch.ones_like(images[:1], dtype=torch.float64))
    (output[0] if isinstance(output, tuple) else output).sum().backward()
    layers: list[Any] = [module for module in positive.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    flows = [(layer.weight * layer.weight.grad).sum() for layer in layers if layer.weight.grad is not None]
    return torch.stack(flows).sum().log().item()


SCORES: dict[str, Callable[[nn.Module, Tensor], float]] = {"naswot": naswot, "synflow": synflow}
