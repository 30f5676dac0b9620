import pytest
import torch

from conas import cells
from conas.cnn.network import FinalNetwork
from conas.genotype import Genotype
from conas.space import ACTIVATIONS, space

IMAGE = [name for name in cells.names() if not name.endswith("_rnn")]
TEXT = [name for name in cells.names() if name.endswith("_rnn")]


@pytest.mark.parametrize("name", cells.names())
def test_published_genotypes_read_and_write(name):
    genotype = cells.cell(name)
    assert Genotype.from_json(genotype.to_json()) == genotype
    assert cells.source(name)


@pytest.mark.parametrize("name", IMAGE)
def test_image_genotypes_build_and_train(name):
    network = FinalNetwork(cells.cell(name), 4, 3, 5, 1, auxiliary=True)
    logits, auxiliary = network(torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == auxiliary.shape == (4, 5)
    (logits.sum() + auxiliary.sum()).backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", TEXT)
def test_recurrent_genotypes_are_one_choice_a_node(name):
    genotype = cells.cell(name)
    cell = genotype.cells["recurrent"]
    assert (genotype.inputs, list(genotype.cells)) == (1, ["recurrent"])
    assert all(len(node) == 1 for node in cell.nodes)
    assert set(genotype.operations) <= set(ACTIVATIONS)


def test_darts_cells_are_points_of_the_released_space():
    alpha = space("cnn-release").encode(cells.cell("darts_v2"))
    assert (alpha == 1).sum() == 16


def test_unknown_names_get_the_nearest_one():
    with pytest.raises(ValueError, match="unknown genotype 'darts2'; did you mean 'darts_v2'"):
        cells.cell("darts2")
