import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from conas.cnn.measuring import Measurer
from conas.cnn.one_shot import OneShotCNN
from conas.cnn.one_shot_plain import PlainOneShotCNN
from conas.cnn.sharing import entry
from conas.seeds import generator
from conas.space import space
from conas.torch_seeds import torch_generator


def pair(name="cnn", layers=3, channels=4, classes=5, in_channels=2):
    arguments = (space(name), channels, layers, classes, in_channels)
    plain, fast = PlainOneShotCNN(*arguments, seed=7).double(), OneShotCNN(*arguments, seed=7).double()
    return plain, fast


def data(size=8, count=6, in_channels=2, classes=5, seed=0):
    rng = torch_generator(seed, "data")
    images = torch.randn(count, in_channels, size, size, generator=rng, dtype=torch.float64)
    return images, torch.randint(classes, (count,), generator=rng)


def backward(model, images, labels, alpha):
    model.zero_grad(set_to_none=True)
    loss = F.cross_entropy(model(images, alpha), labels)
    loss.backward()
    return loss


def draw(name, p, seed):
    return space(name).sample(generator(seed, "alpha"), 1, p)[0]


@settings(max_examples=8)
@given(
    name=st.sampled_from(["cnn", "cnn-release", "cnn-figure2"]),
    p=st.sampled_from([0.0, 0.03, 0.2, 0.5, 1.0]),
    seed=st.integers(0, 1000),
)
def test_fast_equals_plain(name, p, seed):
    plain, fast = pair(name)
    images, labels = data(seed=seed)
    alpha = draw(name, p, seed)
    losses = [backward(model, images, labels, alpha) for model in (plain, fast)]
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-10, atol=1e-12)
    for (key, expected), (_, got) in zip(plain.named_parameters(), fast.named_parameters(), strict=True):
        assert (expected.grad is None) == (got.grad is None), key
        if expected.grad is not None:
            torch.testing.assert_close(got.grad, expected.grad, rtol=1e-8, atol=1e-10, msg=key)
    for (key, expected), (_, got) in zip(plain.named_buffers(), fast.named_buffers(), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12, msg=key)


def test_same_seed_same_weights_and_the_global_generator_is_untouched():
    state = torch.get_rng_state()
    first, second = pair()
    assert torch.equal(torch.get_rng_state(), state)
    for (key, value), (_, same) in zip(first.state_dict().items(), second.state_dict().items(), strict=True):
        assert torch.equal(value, same), key
    other = OneShotCNN(space("cnn"), 4, 3, 5, 2, seed=8)
    assert not torch.equal(other.classifier.weight, first.classifier.weight.float())


def test_an_optimiser_leaves_inactive_operations_alone():
    _, model = pair()
    images, labels = data()
    optimiser = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=0.1)
    for seed in range(2):  # the second step has momentum buffers from the first
        alpha = draw("cnn", 0.3, seed)
        before = {key: value.clone() for key, value in model.state_dict().items()}
        backward(model, images, labels, alpha)
        optimiser.step()
        active = model.active(alpha)
        for layer, cell in enumerate(model.cells):
            chosen = active["reduce" if cell.reduce else "normal"]
            for i, on in enumerate(chosen):
                for key, value in cell.operations[i].state_dict().items():
                    unchanged = torch.equal(value, before[f"cells.{layer}.operations.{i}.{key}"])
                    assert unchanged or on, (layer, i, key)
        assert not torch.equal(model.classifier.weight, before["classifier.weight"])


@pytest.mark.parametrize("size", [8, 28, 32])
def test_an_empty_network_has_the_same_logits_for_every_image(size):
    _, model = pair(in_channels=2)
    images, _ = data(size)
    logits = model(images, np.full(140, -1, dtype=np.int8))
    torch.testing.assert_close(logits, model.classifier.bias.expand_as(logits))


def test_reruns_are_bit_equal():
    model = OneShotCNN(space("cnn"), 8, 3, 5, 2, seed=1)
    images, labels = data(16, 16)
    images, alpha = images.float(), draw("cnn", 0.5, 3)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    grads = []
    for _ in range(2):
        model.load_state_dict(state)
        backward(model, images, labels, alpha)
        grads.append({key: p.grad for key, p in model.named_parameters() if p.grad is not None})
    assert all(torch.equal(grads[0][key], grads[1][key]) for key in grads[0])


@pytest.mark.parametrize("name", ["cnn", "cnn-release"])
@pytest.mark.parametrize("norm", ["running", "batch"])
def test_measuring_equals_the_plain_model(name, norm):
    plain, fast = pair(name)
    with torch.no_grad():  # gather running statistics
        for seed in range(4):
            plain(data(seed=seed)[0], draw(name, 0.5, seed))
    fast.load_state_dict(plain.state_dict())
    batches = [data(seed=10), data(seed=11, count=4)]
    alphas = np.stack([draw(name, p, seed) for seed, p in enumerate([0.0, 0.05, 0.5, 0.5, 1.0])])
    before = {key: value.clone() for key, value in fast.state_dict().items()}
    got = Measurer(fast, batches, norm).losses(alphas)
    plain.eval()
    for module in plain.modules():
        if isinstance(module, torch.nn.BatchNorm2d) and norm == "batch":
            module.train().momentum = 0.0
    for alpha, value in zip(alphas, got, strict=True):
        with torch.no_grad():
            sums = [F.cross_entropy(plain(x, alpha), y, reduction="sum").item() for x, y in batches]
        assert value == pytest.approx(sum(sums) / 10, rel=1e-9)
    assert all(torch.equal(value, before[key]) for key, value in fast.state_dict().items())
    assert fast.training


def test_an_error_is_the_share_of_wrong_answers():
    _, model = pair()
    images, labels = data(count=70)
    alpha = draw("cnn", 0.5, 1)
    model(images, alpha)  # gather running statistics
    (error,) = Measurer(model, [(images, labels)], quantity="error").losses(alpha[None])
    assert error == pytest.approx((model.eval()(images, alpha).argmax(1) != labels).double().mean().item())
    images[69] = torch.nan
    assert np.isnan(Measurer(model, [(images, labels)], quantity="error").losses(alpha[None])).all()


def test_bad_measuring_is_refused():
    _, model = pair()
    with pytest.raises(ValueError, match="at least one batch"):
        Measurer(model, [])
    with pytest.raises(ValueError, match="did you mean 'running'"):
        Measurer(model, [data()], "runing")


def test_images_of_one_channel_are_computed_channels_last_too():
    stem = torch.nn.Conv2d(1, 4, 3, padding=1)
    assert entry(stem, torch.zeros(2, 1, 8, 8)).value.is_contiguous(memory_format=torch.channels_last)


def test_measuring_together_gives_the_bits_of_measuring_alone():
    _, model = pair()
    model.float()
    images, labels = data(count=70)
    measurer = Measurer(model, [(images.float(), labels)])
    alphas = np.stack([draw("cnn", 0.5, seed) for seed in range(5)])
    together = measurer.losses(alphas)
    assert [measurer.losses(alpha[None])[0] for alpha in alphas] == together.tolist()


def test_bfloat16_autocast_trains():
    model = OneShotCNN(space("cnn-release"), 4, 3, 5, 2, seed=7)
    images, labels = data()
    with torch.autocast("cpu", torch.bfloat16):
        loss = F.cross_entropy(model(images.float(), draw("cnn-release", 0.7, 0)), labels)
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
