"""The fused branch of `OneShotSgd`, its kernels in Triton's interpreter, beside `SgdTraining` of the same model."""

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

pytest.importorskip("triton")

from conas import means
from conas.cnn.cuda import one_shot
from conas.cnn.one_shot import OneShotCNN
from conas.seeds import generator
from conas.space import Space
from conas.torch_seeds import torch_generator
from harness.training.image import fused_final
from harness.training.image.fused_one_shot import OneShotSgd
from harness.training.precision import Precision
from harness.training.sgd import SgdTraining

SMALL = Space("test", ("normal", "reduce"), 2, 1, ("max_pool_3x3", "skip_connect"), "skip_connect", "first")
SCHEDULE: Any = SimpleNamespace(epochs=4, lr=0.1, momentum=0.9, weight_decay=3e-4, clip=1.0)


@pytest.fixture(autouse=True)
def _kernels_in_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    interpret_kernels(monkeypatch)


def interpret_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have trainings use kernels here, and say anew what is replaced."""
    means.forget()
    means._warn.cache_clear()
    monkeypatch.setenv("CONAS_KERNELS", "1")
    monkeypatch.setattr(fused_final, "is_there", lambda tensor: True)


class Minibatches:
    """Of 3 images and of 2, in turn; the one numbered ``broken`` is infinite."""

    def __init__(self, broken: int | None = None) -> None:
        self._broken = broken

    def steps(self, epoch: int) -> int:
        return 4

    def __call__(self, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        rng, count = torch_generator(step, "data"), 3 - step % 2
        images, labels = torch.randn(count, 2, 4, 4, generator=rng), torch.randint(5, (count,), generator=rng)
        return images * (float("inf") if step == self._broken else 1), labels


def trainee(fused: bool, batches: Minibatches, schedule: Any = SCHEDULE) -> Any:
    model = OneShotCNN(SMALL, 4, 3, 5, 2, seed=7)

    def draw(epoch: int, step: int) -> Any:
        return SMALL.sample(generator(step, "alpha"), 1)[0]

    def loss(epoch: int, step: int, images: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(model(images, draw(epoch, step)), labels)

    if not fused:
        return SgdTraining(model, schedule, batches, loss, dict)
    here = Precision("torch", torch.device("cpu"))
    return OneShotSgd(model, schedule, batches, draw, loss, dict, precision=here)


def assert_same(ours: Any, plain: Any) -> None:
    """Weights and statistics, and the momenta that the plain trainee has."""
    torch.testing.assert_close(ours.network.state_dict(), plain.network.state_dict(), rtol=1e-3, atol=1e-4)
    momenta = ours._optimizer.state_dict()["state"]
    for number, state in plain._optimizer.state_dict()["state"].items():
        torch.testing.assert_close(momenta[number], state, rtol=1e-2, atol=1e-3)


def test_minibatches_of_two_sizes_and_a_checkpoint_between_them() -> None:
    plain, ours = trainee(False, Minibatches()), trainee(True, Minibatches())
    expected = [plain.step(0, step) for step in range(3)]
    found = [float(ours.step(0, step)) for step in range(2)]
    again = trainee(True, Minibatches())
    again.load_state_dict(copy.deepcopy(ours.state_dict()))
    assert [*found, float(again.step(0, 2))] == pytest.approx(expected, rel=1e-4)
    assert again._fused is not None
    assert_same(again, plain)


def test_torch_goes_on_where_the_kernels_of_another_size_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, ours = trainee(False, Minibatches()), trainee(True, Minibatches())
    found = [float(ours.step(0, 0))]
    monkeypatch.setattr(one_shot, "update", lambda *given: 1 // 0)
    with pytest.warns(RuntimeWarning, match="kernels for training steps cannot be used here"):
        found += [float(ours.step(0, step)) for step in (1, 2)]
    assert ours._fused is None
    assert found == pytest.approx([plain.step(0, step) for step in range(3)], rel=1e-4)
    assert_same(ours, plain)


def test_no_step_counts_after_a_loss_that_is_not_finite_until_a_checkpoint_is_read() -> None:
    ours = trainee(True, Minibatches(broken=1))
    start = copy.deepcopy(ours.state_dict())
    assert not ours.step(0, 1).isfinite()
    ours.step(0, 3)
    parameters = dict(ours.network.named_parameters())
    assert all(torch.equal(parameter, start["model"][name]) for name, parameter in parameters.items())
    ours.load_state_dict(start)
    assert ours.step(0, 3).isfinite()
    assert not all(torch.equal(parameter, start["model"][name]) for name, parameter in parameters.items())


def test_momentum_that_the_kernels_do_not_have() -> None:
    nesterov = SimpleNamespace(**vars(SCHEDULE), nesterov=True)
    with pytest.warns(RuntimeWarning, match="UnsupportedError: Nesterov's momentum"):
        assert trainee(True, Minibatches(), nesterov)._fused is None
