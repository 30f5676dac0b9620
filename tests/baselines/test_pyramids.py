"""Networks that widen block by block: their published sizes, and what is random in them."""

import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from baselines.proxylessnas_net import Branch, Halves, ProxylessNet, ProxylessSizes
from baselines.pyramidnet import PyramidNet, PyramidNetSizes, shake_drop
from baselines.pyramids import Place, Shortcut, places
from harness.config.load import load
from harness.training.sgd import SgdTraining

IMAGES = 40_000


@pytest.mark.parametrize(
    ("network", "sizes", "params"),
    [(PyramidNet, PyramidNetSizes(), 26_210_842), (ProxylessNet, ProxylessSizes(), 5_731_530)],
)
def test_they_have_the_published_sizes(network: Callable[..., nn.Module], sizes: Any, params: int) -> None:
    with torch.device("meta"):
        built = network(sizes, (3, 32, 32), 10, seed=0)
    assert sum(p.numel() for p in built.parameters()) == params


def test_widths_grow_by_the_same_amount_and_two_blocks_stride() -> None:
    every = list(places(30, 200))
    assert [every[0].within, every[-1].within] == [18, 216]
    assert {after.within - before.within for before, after in itertools.pairwise(every)} == {2, 3}
    assert [place.number for place in every if place.stride == 2] == [30, 60]
    assert all(place.within % 2 == 0 for place in places(18, 84, even=True))


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shaken(kept: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """The factors on the way forward and on the way back of many images."""
    branch = torch.ones(IMAGES, 2, 1, 1, dtype=torch.float64, requires_grad=True)
    there = shake_drop(branch, kept, drawn(seed))
    (back,) = torch.autograd.grad(there.sum(), branch)
    assert torch.equal(there[:, 0], there[:, 1])
    assert torch.equal(back[:, 0], back[:, 1])
    return there[:, 0].flatten().detach(), back[:, 0].flatten()


def test_shake_drop_draws_a_factor_for_each_image_and_each_direction() -> None:
    there, back = shaken(0.7)
    whole = there == 1
    assert torch.equal(whole, back == 1)
    assert whole.double().mean() == pytest.approx(0.7, abs=0.01)
    alpha, beta = there[~whole], back[~whole]
    assert (alpha.min(), alpha.max(), alpha.mean()) == pytest.approx((-1, 1, 0), abs=0.02)
    assert (beta.min(), beta.max(), beta.mean()) == pytest.approx((0, 1, 0.5), abs=0.02)
    assert torch.corrcoef(torch.stack([alpha, beta]))[0, 1].abs() < 0.03


@pytest.mark.parametrize("kept", [0.5, 0.95])
def test_shake_drop_is_on_average_what_a_test_multiplies_by(kept: float) -> None:
    there, _ = shaken(kept)
    assert there.mean() == pytest.approx(kept, abs=0.01)
    network = PyramidNet(PyramidNetSizes(depth=11, widening=7), (1, 8, 8), 4, seed=0)
    assert [block.kept for block in network.blocks] == pytest.approx([1 - 0.5 / 3, 1 - 1 / 3, 0.5])
    block = network.blocks[0].eval()
    images = torch.randn(3, 16, 8, 8, generator=drawn())
    assert torch.equal(block(images, None), block.kept * block.branch(images) + block.shortcut(images))


def test_shake_drop_takes_its_random_numbers_from_the_generator_alone() -> None:
    before = torch.random.get_rng_state()
    first, second, other = shaken(0.5), shaken(0.5), shaken(0.5, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(*pair) for pair in zip(first, second, strict=True))
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("size", [7, 8])
def test_a_shortcut_halves_and_adds_zeros(size: int) -> None:
    x = torch.randn(2, 3, size, size, generator=drawn())
    around = Shortcut(Place(1, 3, 2, 2))(x)
    assert around.shape == (2, 8, 4, 4)
    assert not around[:, 3:].any()
    assert torch.allclose(around[:, :3, 0, 0], x[:, :, :2, :2].mean((2, 3)))


def test_a_branch_is_the_normalised_sum_of_its_leaves_beside_its_input() -> None:
    branch = Branch(2, "3i5mad").double().eval()
    x = torch.randn(2, 2, 8, 8, generator=drawn(), dtype=torch.float64)
    first, left, right, second, third, fourth = branch.operations
    leaves = left(first(x)) + right(first(x)) + third(second(x)) + fourth(second(x))
    assert torch.allclose(branch(x), branch.norm(leaves) + x)


def test_the_two_groups_are_mixed_before_they_go_apart() -> None:
    halves = Halves(Place(0, 16, 4, 1), "iiiiiiiiiiii").eval()
    seen: list[Tensor] = []
    for branch in halves.branches:
        branch.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.randn(2, 4, 8, 8, generator=drawn())
    halves(x)
    mixed = nn.ChannelShuffle(2)(halves.convolution(halves.relu(halves.norm(x))))
    assert torch.equal(torch.cat(seen, dim=1), mixed)


def test_depthwise_convolutions_are_those_of_torch_also_in_training() -> None:
    branch = Branch(4, "7d53d7").double()
    x = torch.randn(3, 4, 8, 8, generator=drawn(), dtype=torch.float64)
    for norm in branch.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.eps = 1e-12
    assert torch.allclose(branch(x), _by_torch(branch, x))


def _by_torch(branch: Branch, x: Tensor) -> Tensor:
    def operate(operation: Any, value: Tensor) -> Tensor:
        normed = (value - value.mean((0, 2, 3), keepdim=True)) / value.std((0, 2, 3), correction=0, keepdim=True)
        return operation.point(operation.depth(normed.relu()))

    first, left, right, second, third, fourth = branch.operations
    pairs = [(first, left), (first, right), (second, third), (second, fourth)]
    total = sum(operate(leaf, operate(edge, x)) for edge, leaf in pairs)
    assert isinstance(total, Tensor)
    return x + (total - total.mean((0, 2, 3), keepdim=True)) / total.std((0, 2, 3), correction=0, keepdim=True)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("pyramidnet", (1800, 64, 0.05, 5e-5, 5.0, True, 16, None)),
        ("pyramidnet_autoaugment", (1800, 64, 0.05, 5e-5, 5.0, True, 16, "cifar10")),
        ("proxylessnas_net", (600, 64, 0.1, 1e-4, None, True, 16, None)),
    ],
)
def test_each_is_trained_by_its_own_recipe(method: str, expected: tuple[Any, ...]) -> None:
    names = ("epochs", "batch_size", "lr", "weight_decay", "clip", "nesterov", "cutout", "auto_augment")
    final: Any = load({"dataset": "cifar10", "method": method, "profile": "paper"}).final  # type: ignore[attr-defined]
    assert tuple(getattr(final, name) for name in names) == expected
    smoke = load({"dataset": "digits", "method": method, "profile": "smoke"})
    assert smoke.final.cutout == 2  # type: ignore[attr-defined]


@dataclasses.dataclass
class Schedule:
    clip: float | None
    epochs: int = 1
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.0


class OneBatch:
    def steps(self, epoch: int) -> int:
        return 1

    def __call__(self, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        return torch.full((2, 1), 100.0), torch.zeros(2)


def _stepped(clip: float | None) -> Tensor:
    network = nn.Linear(1, 1)
    nn.init.ones_(network.weight)
    loss = functools.partial(lambda *given: (network(given[-2]) ** 2).mean())
    SgdTraining(network, Schedule(clip), OneBatch(), loss, dict).step(0, 0)
    return network.weight.detach()


def test_gradients_are_clipped_only_if_the_recipe_says_so() -> None:
    torch.manual_seed(0)
    assert _stepped(1.0).abs() < 2
    torch.manual_seed(0)
    assert _stepped(None).abs() > 1000
