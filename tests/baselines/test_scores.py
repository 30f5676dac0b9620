"""Scores of untrained networks against plain references, and what they see."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from baselines.scores import naswot, synflow
from conas.cnn.network import FinalNetwork
from conas.space import space
from conas.torch_seeds import torch_generator

FIGURE2 = space("cnn-figure2")


def tiny() -> nn.Sequential:
    """Two layers of rectifiers on images of 2x2 pixels."""
    torch.manual_seed(0)
    first, second, third = (nn.Linear(*size, bias=False) for size in [(4, 6), (6, 5), (5, 3)])
    return nn.Sequential(nn.Flatten(), first, nn.BatchNorm1d(6), nn.ReLU(), second, nn.ReLU(), third).eval()


def test_naswot_is_the_log_determinant_of_how_many_rectifiers_agree() -> None:
    network, images = tiny().double(), torch.randn(4, 1, 2, 2, dtype=torch.float64)
    codes = [[] for _ in images]
    for k, image in enumerate(images):
        before = network[:3](image[None])
        codes[k] = [*(before[0] > 0).tolist(), *(network[:5](image[None])[0] > 0).tolist()]
    kernel = np.zeros((4, 4))
    for i, j in itertools.product(range(4), repeat=2):
        kernel[i, j] = sum(a == b for a, b in zip(codes[i], codes[j], strict=True))
    assert naswot(network, images) == pytest.approx(np.linalg.slogdet(kernel)[1], rel=1e-12)


def test_naswot_has_no_score_for_images_of_one_code() -> None:
    images = torch.randn(1, 1, 2, 2).expand(3, 1, 2, 2)
    assert naswot(tiny(), images) == float("-inf")


def test_synflow_of_linear_layers_is_their_number_times_what_goes_through() -> None:
    network = tiny()
    first, second, third = (network[k].weight.detach().double().abs().numpy() for k in (1, 4, 6))
    through = (third @ second @ first @ np.ones(4)).sum() / np.sqrt(1 + network[2].eps)  # the batch norm's epsilon
    assert synflow(network, torch.zeros(7, 1, 2, 2)) == pytest.approx(np.log(3 * through), rel=1e-12)


@pytest.mark.parametrize("score", [naswot, synflow])
def test_a_score_leaves_the_network_as_it_was(score) -> None:
    alpha = np.ones(FIGURE2.n, dtype=np.int8)
    network = FinalNetwork(FIGURE2.build(alpha), channels=2, layers=3, classes=4, in_channels=1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images = noise()
    first = score(network, images)
    assert np.isfinite(first)
    assert score(network, images) == first
    assert all((value == before[name]).all() for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())


def noise() -> Tensor:
    return torch.randn(8, 1, 8, 8, generator=torch_generator(0, "images"))


def test_a_larger_network_has_higher_scores() -> None:
    images = noise()
    convolutions = np.array([1 if edge.operation == "sep_conv_3x3" else -1 for edge in FIGURE2.edges], dtype=np.int8)
    pools = np.array([1 if edge.operation == "max_pool_3x3" else -1 for edge in FIGURE2.edges], dtype=np.int8)
    large, small = (FinalNetwork(FIGURE2.build(x), 4, 3, 4, 1) for x in (convolutions, pools))
    assert naswot(large, images) > naswot(small, images)
    assert synflow(large, images) > synflow(small, images)
