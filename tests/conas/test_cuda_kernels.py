"""The CUDA kernels, run by Triton's interpreter, against the plain model in float64."""

import gc
import weakref
from contextlib import nullcontext

import numpy as np
import pytest
import torch
import torch.nn.functional as F

pytest.importorskip("triton")

from conas.cnn.cuda import plan, replay
from conas.cnn.cuda.measuring import FusedMeasurer
from conas.cnn.cuda.one_shot import Evaluation, OneShotStep
from conas.cnn.cuda.plan import UnsupportedError
from conas.cnn.cuda.replay import Replay
from conas.cnn.measuring import MODES, Measurer
from conas.cnn.one_shot import OneShotCNN, WholeOneShotCNN
from conas.cnn.one_shot_plain import PlainOneShotCNN
from conas.seeds import generator
from conas.space import Space, space
from conas.torch_seeds import torch_generator

SGD = {"momentum": 0.9, "weight_decay": 3e-4}
LR = 0.1


def one_node(*operations):
    return Space("test", ("normal", "reduce"), 2, 1, operations, "skip_connect", "first")


def data(count, size, seed=0):
    rng = torch_generator(seed, "data")
    return torch.randn(count, 2, size, size, generator=rng), torch.randint(5, (count,), generator=rng)


def exact_step(model, optimizer, images, labels, alpha, clip):
    optimizer.zero_grad(set_to_none=True)
    loss = F.cross_entropy(model(images.double(), alpha), labels)
    loss.backward()
    gradients = {
        name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None
    }
    torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    return loss.detach(), gradients


def compare(of_space, alphas, channels=4, layers=3, size=8, count=3, clip=1.0):
    sizes = (of_space, channels, layers, 5, 2)
    exact, model = PlainOneShotCNN(*sizes, seed=7).double(), PlainOneShotCNN(*sizes, seed=7)
    optimizer = torch.optim.SGD(exact.parameters(), lr=LR, **SGD)
    step = OneShotStep(model, clip=clip, precision="ieee", **SGD)
    state = step.state
    for i, alpha in enumerate(alphas):
        images, labels = data(count, size, seed=i)
        loss, gradients = exact_step(exact, optimizer, images, labels, alpha, clip)
        torch.testing.assert_close(step.step(images, labels, alpha, LR), loss.float(), rtol=1e-4, atol=1e-5)
        for name, parameter in model.named_parameters():
            if name in gradients:
                close(state.view(state.gradients, parameter), gradients[name], name)
        for (name, got), expected in zip(model.state_dict().items(), exact.state_dict().values(), strict=True):
            close(got, expected, name)


def close(got, expected, name):
    scale = expected.double().abs().max().clamp_min(5e-3).item()  # an exact 0 comes out as 1e-6
    torch.testing.assert_close(
        got.double(), expected.double(), rtol=0, atol=1e-3 * scale, msg=f"{name}: {got} {expected}"
    )


def test_steps_of_random_sub_networks_equal_the_plain_model():
    tiny = space("cnn-tiny")
    compare(tiny, tiny.sample(generator(1, "alpha"), 2), size=4)


def test_a_step_through_several_nodes_of_every_operation():
    two = space("cnn-figure2")
    compare(two, two.sample(generator(0, "alpha"), 1, 0.3), size=4, count=2)


@pytest.mark.parametrize(
    "channels", [16, pytest.param(36, marks=pytest.mark.slow), pytest.param(60, marks=pytest.mark.slow)]
)
def test_every_width_in_use_and_its_multiples(channels):
    few = one_node("sep_conv_5x5", "dil_conv_3x3", "skip_connect")
    alpha = few.parse("100011110001")  # normal and reduction cell: each operation from one input
    compare(few, [alpha], channels=channels, size=4, count=2)


def test_maps_of_several_tiles_the_last_of_them_not_full(monkeypatch):
    monkeypatch.setattr(plan, "_TILE", 256)  # 16 pixels
    monkeypatch.setattr(plan, "narrow", lambda channels_in, channels: 32)
    monkeypatch.setattr(plan, "_STEPS", 1)
    few = one_node("max_pool_3x3", "avg_pool_3x3", "sep_conv_3x3", "skip_connect")
    compare(few, [few.parse("1010010110100101")], size=4, count=5)  # 80, 20 and 5 pixels


def test_the_wide_and_the_dilated_kernels_on_four_neighbours():
    wide = one_node("sep_conv_5x5", "sep_conv_7x7", "dil_conv_5x5")
    compare(wide, [wide.parse("000010100001")], size=8, count=1)


def test_zeros_add_nothing_and_train_nothing():
    some = one_node("none", "avg_pool_3x3")
    alphas = map(some.parse, ["11111111", "10111011", "10101010"])  # then of c_{k-2} only zeros, then of nothing else
    compare(some, alphas, size=4, count=2)


def test_a_layer_that_the_loss_does_not_reach_is_left_alone():
    few = one_node("skip_connect", "sep_conv_3x3")
    silent = -np.ones(few.n, dtype=np.int8)
    silent[[0, 5]] = 1  # normal cells read c_{k-2} only
    compare(few, [np.ones(few.n, dtype=np.int8), silent, -np.ones(few.n, dtype=np.int8)])


def test_a_loss_that_is_not_finite_stops_the_training():
    tiny = space("cnn-tiny")
    model = PlainOneShotCNN(tiny, 4, 3, 5, 2, seed=0)
    step = OneShotStep(model, clip=1.0, precision="ieee", **SGD)
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    alpha = tiny.sample(generator(0, "alpha"), 1)[0]
    images, labels = data(2, 4)
    assert not step.step(images * float("inf"), labels, alpha, LR).isfinite()
    assert all(torch.equal(before[name], parameter) for name, parameter in model.named_parameters())


@pytest.mark.parametrize("mode", MODES)
def test_measurements_equal_those_of_the_plain_measurer(mode):
    few = one_node("max_pool_3x3", "avg_pool_3x3", "sep_conv_3x3", "skip_connect")
    model = OneShotCNN(few, 4, 3, 5, 2, seed=0)
    everything = np.ones(few.n, dtype=np.int8)
    model(data(8, 4)[0], everything)  # so that running statistics are not those of the start
    alphas = few.sample(generator(0, "alpha"), 2)
    batches = [data(4, 4, seed=1), data(4 if mode == "batch" else 2, 4, seed=2)]
    expected = Measurer(model, batches, mode).losses(alphas)
    evaluation = Evaluation(model, (4, 2, 4, 4), "ieee", mode)
    got = sum(evaluation.losses(images, labels, alphas) for images, labels in batches)
    np.testing.assert_allclose(got.numpy() / sum(len(labels) for _, labels in batches), expected, rtol=1e-4)


def test_measurements_of_the_model_that_computes_inactive_operations():
    few = one_node("none", "avg_pool_3x3", "sep_conv_3x3")
    model = WholeOneShotCNN(few, 4, 3, 5, 2, seed=0)
    model(data(8, 4)[0], np.ones(few.n, dtype=np.int8))
    alphas, batches = few.sample(generator(0, "alpha"), 2), [data(3, 4, seed=1), data(2, 4, seed=2)]
    got = FusedMeasurer(model, batches, "running", "ieee").losses(alphas)
    np.testing.assert_allclose(got, Measurer(model, batches).losses(alphas), rtol=1e-4)
    with pytest.raises(UnsupportedError, match=r"^parameter factors\.normal$"):
        OneShotStep(model, clip=1.0, **SGD).prepared(batches[0][0].shape)


def test_what_is_no_longer_used_is_freed_at_once():
    model, shape = PlainOneShotCNN(space("cnn-tiny"), 4, 3, 5, 2, seed=0), torch.Size((2, 2, 4, 4))
    step, evaluation = OneShotStep(model, clip=1.0, **SGD), Evaluation(model, shape, "ieee", "running")
    kept = [weakref.ref(work._network.buffers["act"]) for work in (step.prepared(shape), evaluation)]
    gc.disable()
    try:
        del step, evaluation
        assert [reference() for reference in kept] == [None, None]
    finally:
        gc.enable()


def test_a_warm_up_runs_every_row_and_leaves_no_trace(monkeypatch):
    monkeypatch.setattr(Replay, "_on_cuda", True)
    monkeypatch.setattr(replay, "_aside", nullcontext)
    monkeypatch.setenv("CONAS_GRAPHS", "0")
    few = one_node("max_pool_3x3", "skip_connect", "dil_conv_3x3")
    model, shape = PlainOneShotCNN(few, 4, 3, 5, 2, seed=0), torch.Size((2, 2, 4, 4))
    step = OneShotStep(model, clip=1.0, precision="ieee", **SGD)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    network = step.prepared(shape)._network
    scales = [network.buffers["sta"][row["norm_at"] + row["pad_of"]] for row in network.room.tracked]
    assert all(scale > 0 for scale in scales), "a norm without statistics"
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not step.state.momenta.any()
    assert step._healthy == 1


@pytest.mark.parametrize(("name", "value"), [("eps", 1e-3), ("momentum", None)])
def test_a_norm_that_the_kernels_do_not_compute_is_refused(name, value):
    model = PlainOneShotCNN(space("cnn-tiny"), 4, 3, 5, 2, seed=0)
    setattr(model.layers[0].preprocess[0].norm, name, value)
    with pytest.raises(UnsupportedError, match=f"a batch norm with .*{name}={value}"):
        Evaluation(model, (2, 2, 4, 4), "ieee", "running")
