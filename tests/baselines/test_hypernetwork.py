"""Predicted weights have the shapes of the operations' own, depend on the graph, and train to a falling loss."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.hypernetwork import CellGraphs, GraphHypernetwork
from baselines.wiring import Wired
from conas.cnn.one_shot import OneShotCNN
from conas.space import space

FIGURE2 = space("cnn-figure2")
ALPHAS = [Wired(2)(FIGURE2, np.random.default_rng(seed)) for seed in range(2)]


def hypernetwork(name: str = "cnn-figure2", seed: int = 0) -> GraphHypernetwork:
    return GraphHypernetwork(OneShotCNN(space(name), 2, 3, 4, 1, seed=0), units=6, rounds=2, seed=seed)


@pytest.mark.parametrize("name", ["cnn-figure2", "cnn"])
def test_every_active_operation_with_weights_has_them_predicted_in_its_shape(name: str) -> None:
    model = hypernetwork(name)
    alpha = Wired(2)(space(name), np.random.default_rng(0))
    active = model.skeleton.active(alpha)
    own = dict(model.skeleton.named_parameters())
    expected = {
        f"cells.{layer}.operations.{i}.{weight}"
        for layer, cell in enumerate(model.skeleton.layers)
        for i, module in enumerate(cell.operations)
        for weight, _ in module.named_parameters()
        if active[cell.kind][i]
    }
    predicted = model.predict(alpha)
    assert set(predicted) == expected
    assert all(value.shape == own[weight].shape for weight, value in predicted.items())


def test_the_weights_of_an_operation_depend_on_the_rest_of_its_cell_and_on_nothing_else() -> None:
    graphs = CellGraphs(FIGURE2, units=6, rounds=2)
    alpha = np.full(FIGURE2.n, -1, dtype=np.int8)
    alpha[[3, 33]] = 1
    with_another = alpha.copy()
    with_another[14] = 1  # in the first cell
    before, after = graphs(alpha), graphs(with_another)
    assert before.shape == (2, FIGURE2.n // 2, 6)
    assert (before[0, 3] != after[0, 3]).any()
    torch.testing.assert_close(before[1], after[1])


def test_all_that_is_trained_has_a_gradient_and_the_loss_falls() -> None:
    model = hypernetwork().train()
    torch.manual_seed(0)
    labels = torch.arange(16) % 4
    images = torch.randn(16, 1, 8, 8) + 2 * labels[:, None, None, None]
    adam = torch.optim.Adam(model.trained(), 0.01)

    def losses() -> Tensor:
        return torch.stack([F.cross_entropy(model(images, alpha), labels) for alpha in ALPHAS])

    first = losses()
    first.mean().backward()
    untouched = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    own = {name for name, _ in model.named_parameters() if name.startswith("skeleton.") and ".operations." in name}
    assert own <= untouched
    assert all(name.startswith("decoders.") for name in untouched - own)  # of operations that no cell here has
    assert {id(parameter) for parameter in model.trained()}.isdisjoint(id(model.get_parameter(name)) for name in own)
    for _ in range(15):
        adam.zero_grad()
        losses().mean().backward()
        adam.step()
    assert (losses() < first).all()


def test_the_seed_decides_the_weights() -> None:
    first, same, other = (hypernetwork(seed=seed).predict(ALPHAS[0]) for seed in (0, 0, 1))
    assert all((first[name] == same[name]).all() for name in first)
    assert all((first[name] != other[name]).any() for name in first)
