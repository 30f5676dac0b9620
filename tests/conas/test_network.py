import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from conas.cells import cell as fixed
from conas.cnn.network import FinalNetwork
from conas.cnn.operations import OPERATIONS, operation
from conas.cnn.sharing import Node
from conas.genotype import Cell, Choice, Genotype, GenotypeError
from conas.seeds import generator
from conas.space import space
from conas.torch_seeds import torch_generator


def network(genotype, layers=3, channels=4, in_channels=2, **settings):
    return FinalNetwork(genotype, channels, layers, 5, in_channels, auxiliary=True, seed=3, **settings).double()


def data(size=8, count=6, in_channels=2):
    rng = torch_generator(0, "data")
    images = torch.randn(count, in_channels, size, size, generator=rng, dtype=torch.float64)
    return images, torch.randint(5, (count,), generator=rng)


def step(model, images, labels, drop_path_prob=0.0):
    model.zero_grad(set_to_none=True)
    logits, auxiliary = model(images, drop_path_prob, torch_generator(0, "drop path"))
    loss = F.cross_entropy(logits, labels) + 0.4 * F.cross_entropy(auxiliary, labels)
    loss.backward()
    return loss, logits


def by_modules(model, images):
    """The forward pass in training, module by module."""
    before = last = model.stem(images)
    for layer, cell in enumerate(model.cells):
        before, last = last, cell(before, last)
        if layer == model.auxiliary_layer:
            auxiliary = model.auxiliary(F.relu(last))
    return model.classifier(last.mean(dim=(2, 3))), auxiliary


NAMES = st.sampled_from(
    ["nasnet_a", "amoebanet_a", "amoebanet_b", "amoebanet_darts", "darts_v2", "asha", "conas", "cnn", "cnn-release"]
)


def genotype_called(name, seed):
    if name.startswith("cnn"):
        return space(name).build(space(name).sample(generator(seed, "genotype"), 1, 0.15)[0])
    return fixed(name)


@settings(max_examples=12)
@given(name=NAMES, seed=st.integers(0, 100), pool_bn=st.booleans(), layers=st.sampled_from([2, 3]))
def test_training_equals_calling_the_modules(name, seed, pool_bn, layers):
    fast = network(genotype_called(name, seed), layers, pool_bn=pool_bn)
    plain = copy.deepcopy(fast)
    images, labels = data()
    _, logits = step(fast, images, labels)
    expected, auxiliary = by_modules(plain, images)
    torch.testing.assert_close(logits, expected)
    (F.cross_entropy(expected, labels) + 0.4 * F.cross_entropy(auxiliary, labels)).backward()
    for (key, got), (_, reference) in zip(fast.named_parameters(), plain.named_parameters(), strict=True):
        assert (got.grad is None) == (reference.grad is None), key
        if got.grad is not None:
            torch.testing.assert_close(got.grad, reference.grad, rtol=1e-7, atol=1e-9, msg=key)
    for (key, got), (_, reference) in zip(fast.named_buffers(), plain.named_buffers(), strict=True):
        torch.testing.assert_close(got, reference, msg=key)


# Loss, first logits, loss after one SGD step: computed in float64 when this test was written.
RECORDED = {
    "darts_v2": (2.247549200, 0.028601780, -0.451158383, 1.740969297),
    "nasnet_darts": (2.542564785, 0.350287587, 0.096021590, 1.558796658),
    "conas": (2.380819163, -0.140436151, -0.159101339, 1.484761957),
}


@pytest.mark.parametrize("name", list(RECORDED))
def test_recorded_values(name):
    model = network(fixed(name), layers=4)
    optimiser = torch.optim.SGD(model.parameters(), 0.025, momentum=0.9, weight_decay=3e-4)
    images, labels = data(16)
    loss, logits = step(model, images, labels, 0.2)
    optimiser.step()
    later, _ = step(model, images, labels, 0.2)
    got = (loss.item(), *logits[0, :2].tolist(), later.item())
    assert got == pytest.approx(RECORDED[name], rel=1e-5)


def test_drop_path_drops_whole_images_and_keeps_the_scale():
    nodes = ((Choice("sep_conv_3x3", 0),), (Choice("skip_connect", 0),))
    cell = Cell(nodes, (2, 3))
    model = network(Genotype(2, {"normal": cell, "reduce": cell}))
    keep = model.draw(torch.zeros(500, 2, 8, 8), 0.25, torch_generator(0))
    assert keep.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert keep.mean().item() == pytest.approx(1, abs=0.05)
    first = model.layers[0]
    state = model.stem(data()[0])
    dropped = iter([torch.tensor([0.0, 1, 1, 1, 1, 1], dtype=torch.float64).view(-1, 1, 1, 1)] * 2)
    out = first.train_forward(Node(state), Node(state), dropped).value
    assert (out[0, :4] == 0).all()
    assert (out[1, :4] != 0).any()
    assert (out[0, 4:] != 0).any()  # an identity is never dropped


def test_drop_path_never_draws_from_the_global_generator():
    with pytest.raises(ValueError, match="needs a generator"):
        network(fixed("darts_v2"))(data()[0], 0.2)


def test_drop_path_depends_on_its_generator_only():
    model = network(fixed("darts_v2"))
    images, labels = data()
    losses = [step(model, images, labels, p)[0].item() for p in (0.3, 0.3, 0.0)]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("size", [8, 28, 32])
def test_image_sizes(size):
    model = network(fixed("darts_v2"))
    images, _ = data(size, 2)
    logits, auxiliary = model(images)
    assert logits.shape == auxiliary.shape == (2, 5)
    assert model.eval()(images)[1] is None


def test_images_too_small_for_the_auxiliary_head_are_refused():
    with pytest.raises(ValueError, match="map of 2x2 pixels or more, got 1x1"):
        network(fixed("darts_v2"))(data(4)[0])


def test_bfloat16_autocast_trains():
    model = network(fixed("conas")).float()
    images, labels = data()
    with torch.autocast("cpu", torch.bfloat16):
        logits, auxiliary = model(images.float(), 0.2, torch_generator(0))
        loss = F.cross_entropy(logits, labels) + F.cross_entropy(auxiliary, labels)
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_the_auxiliary_head_pools_as_darts_does():
    head = network(fixed("darts_v2")).auxiliary
    x = torch.rand(2, 64, 8, 8, generator=torch_generator(0), dtype=torch.float64)
    expected = head.classifier(head.features(F.avg_pool2d(x, 5, 3, count_include_pad=False)).flatten(1))
    torch.testing.assert_close(head(x), expected)


def cell_of(*choices, concat=(2,)):
    return Cell((tuple(choices),), concat)


GOOD = cell_of(Choice("skip_connect", 0))


@pytest.mark.parametrize(
    ("genotype", "message"),
    [
        (Genotype(2, {"normal": GOOD, "reduce": cell_of(Choice("sep_conv3x3", 1))}), "did you mean 'sep_conv_3x3'"),
        (Genotype(2, {"normal": cell_of(), "reduce": GOOD}), "normal cell: node 2 has no input"),
        (
            Genotype(2, {"normal": GOOD, "reduce": cell_of(Choice("none", 0), concat=(1, 2))}),
            "reduce cell: concat .1, 2.",
        ),
        (Genotype(2, {"normal": GOOD}), "cells normal and reduce with 2 inputs, got normal with 2"),
        (
            Genotype(1, dict.fromkeys(["normal", "reduce"], cell_of(Choice("tanh", 0), concat=(1,)))),
            "got normal, reduce with 1",
        ),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(genotype, message):
    with pytest.raises(GenotypeError, match=message) as caught:
        FinalNetwork(genotype, 4, 3, 5)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", list(OPERATIONS))
def test_operations_keep_the_channels_and_divide_the_size(name, stride):
    assert operation(name, 8, stride, affine=True, pool_bn=True)(torch.randn(2, 8, 6, 6)).shape == (
        2,
        8,
        6 // stride,
        6 // stride,
    )


def test_a_pool_of_two_by_two_takes_maxima_of_pixels_only():
    images = -torch.arange(1.0, 17).view(1, 1, 4, 4)
    same = operation("max_pool_2x2", 1, 1, affine=True, pool_bn=False)(images)
    assert torch.equal(same, images)  # the largest is the upper left one, and nothing beyond the edge is larger
    assert operation("max_pool_2x2", 1, 2, affine=True, pool_bn=False)(images).flatten().tolist() == [-1, -3, -9, -11]
