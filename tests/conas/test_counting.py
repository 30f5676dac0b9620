import dataclasses

import pytest
import torch

from conas.cells import cell as fixed
from conas.cnn.network import FinalNetwork
from conas.cnn.operations import OPERATIONS
from conas.counting import LAYERS, UncountableError, count, one_per_input
from conas.space import SPACES, space
from harness.config.load import load
from harness.training.task import load_task

# Genotype, channels, batch norm behind pools, parameters, multiply-adds: convolutions and linear, thop, ptflops (M)
PUBLISHED = [
    ("darts_v2", 36, False, 3.349, 528.36, 549.85, 547.47),
    ("darts_v1", 36, False, 3.169, 500.99, 520.96, 518.94),
    ("conas", 36, True, 2.865, 433.42, 453.86, 451.65),
    ("nasnet_darts", 33, False, 3.246, 512.5, 532.9, 531.6),
    ("amoebanet_darts", 36, False, 3.145, 488.9, 508.0, 506.3),
]


@pytest.mark.parametrize(("name", "channels", "pool_bn", "params", "layers", "by_thop", "by_ptflops"), PUBLISHED)
def test_published_counts(name, channels, pool_bn, params, layers, by_thop, by_ptflops):
    network = FinalNetwork(fixed(name), channels, 20, 10, auxiliary=True, pool_bn=pool_bn)
    got = count(network, (3, 32, 32))

    def close(figure):
        return pytest.approx(figure, abs=0.051 if round(figure, 1) == figure else 0.0051)

    assert round(got.params / 1e6, 3) == params
    assert got.mult_adds / 1e6 == close(layers)
    assert got.mult_adds_thop / 1e6 == close(by_thop)
    assert got.mult_adds_ptflops_like / 1e6 == close(by_ptflops)
    assert got.mult_adds_independent == got.mult_adds


# Genotype, channels, cells, parameters without batch norm behind pools, convolutions' and linear layers' multiply-adds:
# counted by others on the authors' code or on their own reading of it.
CELLS = [
    ("nasnet_a", 32, 20, 3_328_234, 525_786_624),
    ("amoebanet_a", 36, 20, 3_207_106, 498_388_608),
    ("amoebanet_b", 36, 20, 2_826_082, 441_654_912),
    ("pnasnet_5", 48, 9, 3_176_602, None),
    ("enas_micro_script", 36, 17, 3_729_430, 590_384_160),
    ("enas_micro_figure", 36, 17, 3_270_718, 516_158_496),
    ("snas_moderate", 36, 20, 2_847_358, 440_687_232),
    ("snas_mild", 36, 20, 2_661_382, 422_218_368),
    ("asap", 36, 20, 2_538_046, 400_652_928),
    ("gdas", 36, 20, 3_368_782, 519_428_736),
    ("pdarts", 36, 20, 3_433_798, 532_174_464),
    ("pc_darts", 36, 20, 3_634_678, 556_670_592),
    ("drnas", 36, 20, 4_099_294, 635_135_616),
]


@pytest.mark.parametrize(("name", "channels", "layers", "params", "mult_adds"), CELLS)
def test_published_cells_have_the_published_sizes(name, channels, layers, params, mult_adds):
    got = count(FinalNetwork(fixed(name), channels, layers, 10, pool_bn=False), (3, 32, 32))
    assert got.params == params
    assert mult_adds in (None, got.mult_adds)


def test_the_papers_548_is_the_ptflops_count_with_batch_norm_behind_pools():
    assert round(count(FinalNetwork(fixed("darts_v2"), 36, 20, 10), (3, 32, 32)).mult_adds_ptflops_like / 1e6) == 548


def test_counting_leaves_the_network_alone():
    network = FinalNetwork(fixed("asha"), 4, 3, 10, 1, auxiliary=True)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    count(network, (1, 8, 8))
    assert network.training
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("other", [torch.nn.ReLU6, torch.nn.SiLU, torch.nn.GELU])
def test_activations_count_as_relu_does_and_dropout_is_free(other):
    counts = []
    for added in ([torch.nn.ReLU()], [other(), torch.nn.Dropout()]):
        network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), *added, torch.nn.Flatten(), torch.nn.Linear(144, 10))
        counts.append(count(network, (3, 8, 8)))
    assert counts[0] == counts[1]


def test_a_module_without_a_rule_is_refused():
    network = FinalNetwork(fixed("asha"), 4, 3, 10)
    network.stem.append(torch.nn.Softplus())
    with pytest.raises(UncountableError, match=r"no counting rule for stem\.2, a Softplus"):
        count(network, (3, 8, 8))


def test_a_space_that_could_not_be_counted_is_refused_before_any_work(monkeypatch):
    odd = space("cnn-figure2")
    monkeypatch.setitem(OPERATIONS, "gelu", lambda channels, stride, affine: torch.nn.Softplus())
    monkeypatch.setitem(SPACES, "odd", dataclasses.replace(odd, name="odd", operations=(*odd.operations, "gelu")))
    with pytest.raises(UncountableError, match=r"operation 'gelu': no counting rule for \S+, a Softplus"):
        load_task(load({"dataset": "digits", "profile": "smoke", "space": "odd"}))
    monkeypatch.setitem(LAYERS, torch.nn.Softplus, one_per_input)
    load_task(load({"dataset": "digits", "profile": "smoke", "space": "odd"}))
