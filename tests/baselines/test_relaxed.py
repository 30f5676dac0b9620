import dataclasses

import numpy as np
import pytest
import torch

from baselines.relaxations.darts import Softmax
from baselines.relaxations.models import MixedCell, RelaxedCNN, RelaxedRNN, pairs
from baselines.relaxations.rule import Moment
from conas.rnn.cell_plain import highway
from conas.space import space

FIGURE2 = space("cnn-figure2")
RNN = dataclasses.replace(space("rnn"), nodes=3)
OPERATIONS = ("none", "max_pool_3x3", "skip_connect", "sep_conv_3x3")
PASS = (Moment(0, 1, learning=True), torch.Generator())
ACTIVATIONS = ("none", "tanh", "relu", "sigmoid", "identity")


def relaxed_cnn(seed: int = 0) -> RelaxedCNN:
    return RelaxedCNN(FIGURE2, OPERATIONS, Softmax(1), channels=2, layers=3, classes=4, in_channels=1, seed=seed)


def test_the_rows_of_the_architecture_are_the_pairs_of_nodes_in_the_order_of_the_space() -> None:
    edges = [(edge.source, edge.target) for edge in FIGURE2.edges if edge.cell == "normal"]
    assert pairs(FIGURE2) == list(dict.fromkeys(edges))
    assert relaxed_cnn().architecture["normal"].shape == (5, 4)


@pytest.mark.parametrize("choice", range(len(OPERATIONS)))
def test_a_decided_mixture_is_the_sub_network_with_that_operation_on_every_edge(choice: int) -> None:
    model = relaxed_cnn().double()
    with torch.no_grad():
        for parameters in model.architecture.values():
            parameters[:, choice] = 100.0
    images = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    on = np.array([edge.operation == OPERATIONS[choice] != "none" for edge in model.network.space.edges])
    expected = model.network(images, np.where(on, 1, -1).astype(np.int8))
    torch.testing.assert_close(model(images, *PASS), expected)


def test_the_mixture_agrees_with_one_operation_at_a_time() -> None:
    model = relaxed_cnn().double()
    with torch.no_grad():
        for parameters in model.architecture.values():
            parameters.copy_(torch.randn(parameters.shape, generator=torch.Generator().manual_seed(1)))
    images = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shares = {cell: parameters.softmax(-1).flatten() for cell, parameters in model.architecture.items()}
    before = last = model.network.stem(images)
    for cell in model.network.layers:
        states = [cell.preprocess[0](before), cell.preprocess[1](last)]
        for target in range(2, 4):
            edges = zip(cell.edges, cell.operations, shares[cell.kind], strict=True)
            states.append(sum(share * module(states[e.source]) for e, module, share in edges if e.target == target))
        before, last = last, torch.cat(states[2:], dim=1)
    torch.testing.assert_close(model(images, *PASS), model.network.classifier(last.mean(dim=(2, 3))))


def test_the_recurrent_mixture_agrees_with_one_edge_and_one_activation_at_a_time() -> None:
    model = RelaxedRNN(RNN, ACTIVATIONS, Softmax(1), words=7, size=4, seed=0).double().eval()
    shares = torch.rand(len(pairs(RNN)), 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    hidden = torch.zeros(3, 4, dtype=torch.float64)
    cell = model.cell
    outputs, last = cell(x, hidden, MixedCell(model._nodes, (1, 2, 3), shares, ACTIVATIONS))
    rows = dict(zip(pairs(RNN), shares, strict=True))
    for step, word in enumerate(x):
        states = [cell.norm(highway(word @ cell.input_weight + hidden @ cell.hidden_weight, hidden, "tanh"))]
        for target in range(1, 4):
            total = torch.zeros_like(hidden)
            for source in range(target):
                for k, name in enumerate(ACTIVATIONS[1:], start=1):
                    state = states[source]
                    total += rows[source, target][k] * highway(state @ cell.weights[target - 1], state, name)
            states.append(cell.norm(total))
        hidden = (states[1] + states[2] + states[3]) / 3
        torch.testing.assert_close(outputs[step], hidden)
    torch.testing.assert_close(last, hidden)


def test_every_parameter_gets_a_gradient() -> None:
    cnn = relaxed_cnn()
    cnn(torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)), *PASS).square().sum().backward()
    rnn = RelaxedRNN(RNN, ACTIVATIONS, Softmax(1), words=7, size=4, seed=0)
    tokens = torch.arange(6).reshape(2, 3)
    run = rnn(tokens, rnn.initial_hidden(3), torch.Generator().manual_seed(0), *PASS)
    rnn.cross_entropy(run.dropped, tokens).backward()
    for model in (cnn, rnn):
        assert all(parameter.grad is not None for parameter in model.parameters())
        assert all(parameter.grad.abs().sum() > 0 for parameter in model.architecture.values())


def test_the_seed_decides_the_start() -> None:
    first, again, other = (relaxed_cnn(seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["architecture.normal"], other["architecture.normal"])


def test_impossible_operations_are_refused() -> None:
    with pytest.raises(ValueError, match="did you mean 'skip_connect'"):
        RelaxedCNN(FIGURE2, ("skip_conect",), Softmax(1), 2, 3, 4, seed=0)
    with pytest.raises(ValueError, match="needs an operation other than 'none'"):
        RelaxedRNN(RNN, ("none",), Softmax(1), 7, 4, seed=0)
