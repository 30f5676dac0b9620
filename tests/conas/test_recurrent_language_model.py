"""Language models, their evaluation and the pieces of their training."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from conas.genotype import Cell, Choice, Genotype, GenotypeError
from conas.rnn.language_model import Dropout, FinalRNN, OneShotRNN
from conas.rnn.measuring import RecurrentMeasurer, evaluate, perplexity
from conas.rnn.text_windows import (
    Lengths,
    averaged_weights,
    averaging_starts,
    batchify,
    regularisation,
    window,
    windows,
)
from conas.seeds import generator
from conas.space import space
from conas.torch_seeds import torch_generator

RNN = space("rnn")
WORDS, SIZE = 50, 6


def genotype(*choices: str, concat: tuple[int, ...] = tuple(range(1, 9))) -> Genotype:
    return Genotype.from_json(
        {"inputs": 1, "cells": {"recurrent": {"nodes": [[choice] for choice in choices], "concat": list(concat)}}}
    )


DARTS_V2 = genotype(
    "sigmoid@0", "relu@1", "relu@1", "identity@1", "tanh@2", "sigmoid@5", "tanh@3", "relu@5"
)  # fmt: skip
ENAS = genotype(
    "tanh@0", "tanh@1", "relu@1", "tanh@3", "tanh@3", "relu@3", "relu@4", "relu@7", "relu@8", "relu@8", "relu@8",
    concat=(2, 5, 6, 9, 10, 11),
)  # fmt: skip


def text(words: int, batch: int) -> torch.Tensor:
    return batchify(torch.randint(WORDS, (words,), generator=torch_generator(0, "text")), batch)


def alphas(k: int, p: float = 0.5) -> np.ndarray:
    return RNN.sample(generator(5, "alphas"), k, p)


def test_parameters_at_the_papers_size() -> None:
    model = FinalRNN(DARTS_V2, 10_000, 850, seed=0)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 10_000 * 850 + 10_000 + (1700 * 1700) + 8 * 850 * 1700
    assert round(count / 1e6) == 23  # Table 3
    one_shot = OneShotRNN(RNN, 10_000, 850, seed=0)
    assert sum(parameter.numel() for parameter in one_shot.parameters()) == count


@pytest.mark.parametrize("cell", [DARTS_V2, ENAS, RNN.build(RNN.parse("1" * RNN.n)), RNN.build(RNN.parse("0" * RNN.n))])
def test_every_genotype_learns_what_context_tells(cell: Genotype) -> None:
    model = FinalRNN(cell, WORDS, SIZE, seed=0, dropout=Dropout(0, 0, 0, 0, 0))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    tokens, targets = window(text(200, 4), 0, 4)
    losses = []
    for _ in range(20):
        run = model(tokens, model.initial_hidden(4), torch_generator(0))
        loss = model.cross_entropy(run.outputs, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    frequencies = targets.flatten().bincount() / targets.numel()
    without_context = torch.special.entr(frequencies).sum().item()
    assert losses[0] == pytest.approx(math.log(WORDS), rel=0.01)
    assert losses[-1] < 0.9 * without_context


def test_one_implementation_for_encoders_and_genotypes() -> None:
    alpha = RNN.encode(DARTS_V2)
    one_shot, final = OneShotRNN(RNN, WORDS, SIZE, seed=1), FinalRNN(DARTS_V2, WORDS, SIZE, seed=1)
    tokens, _ = window(text(200, 4), 0, 9)
    runs = [
        one_shot(tokens, one_shot.initial_hidden(4), alpha, torch_generator(2)),
        final(tokens, final.initial_hidden(4), torch_generator(2)),
    ]
    assert torch.equal(runs[0].outputs, runs[1].outputs)
    assert torch.equal(runs[0].dropped, runs[1].dropped)


def test_dropout_masks_come_from_the_generator_and_are_locked_in_time() -> None:
    model = OneShotRNN(RNN, WORDS, SIZE, seed=1)
    tokens = text(200, 4)[:9]
    before = torch.random.get_rng_state()
    first, again, other = (
        model(tokens, model.initial_hidden(4), alphas(1)[0], torch_generator(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(first.dropped, again.dropped)
    assert not torch.equal(first.dropped, other.dropped)
    dropped = first.dropped == 0
    assert torch.equal(dropped.all(dim=0), dropped.any(dim=0))
    kept = ~dropped
    torch.testing.assert_close(first.dropped[kept], first.outputs[kept] / 0.25)
    with pytest.raises(ValueError, match="needs a generator"):
        model(tokens, model.initial_hidden(4), alphas(1)[0])


def test_a_dropped_word_is_dropped_everywhere() -> None:
    model = FinalRNN(genotype("identity@0", concat=(1,)), WORDS, SIZE, seed=1, dropout=Dropout(0, 0, 0, 0, 0.5))
    twice = torch.arange(WORDS).repeat(2)[None]
    outputs = model(twice, model.initial_hidden(2 * WORDS), torch_generator(0)).outputs[0]
    assert torch.equal(outputs[:WORDS], outputs[WORDS:])
    dropped = (outputs[:WORDS] == 0).all(dim=1)  # a cell of highways leaves zeros at zero
    assert 0.2 * WORDS < dropped.sum() < 0.8 * WORDS


def test_cross_entropy_in_chunks_is_the_cross_entropy() -> None:
    model = FinalRNN(DARTS_V2, WORDS, SIZE, seed=1).double()
    outputs = torch.randn(400, 4, SIZE, dtype=torch.float64, generator=torch_generator(0), requires_grad=True)
    targets = torch.randint(WORDS, (400, 4), generator=torch_generator(1))
    logits = F.linear(outputs, model.embedding, model.bias)
    inputs = (outputs, model.embedding, model.bias)
    plain, chunked = F.cross_entropy(logits.flatten(0, 1), targets.flatten()), model.cross_entropy(outputs, targets)
    torch.testing.assert_close(chunked, plain)
    torch.testing.assert_close(torch.autograd.grad(chunked, inputs), torch.autograd.grad(plain, inputs))


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_dropout_refuses_impossible_rates(rate: float) -> None:
    with pytest.raises(ValueError, match="dropout state"):
        Dropout(state=rate)


def test_final_network_refuses_what_it_cannot_build() -> None:
    empty = Genotype(1, {"recurrent": Cell(((Choice("tanh", 0),), ()), (1, 2))})
    with pytest.raises(GenotypeError, match="node 2 has no input"):
        FinalRNN(empty, WORDS, SIZE, seed=0)
    with pytest.raises(GenotypeError, match="did you mean 'tanh'"):
        FinalRNN(genotype("tan@0", concat=(1,)), WORDS, SIZE, seed=0)
    with pytest.raises(GenotypeError, match="one cell 'recurrent'"):
        FinalRNN(space("cnn").build(space("cnn").parse("1" * 140)), WORDS, SIZE, seed=0)


def test_measuring_is_a_plain_pass_over_the_text() -> None:
    model = OneShotRNN(RNN, WORDS, SIZE, seed=1).double()
    for parameter in model.parameters():
        parameter.data.mul_(10)
    stream, encoders = text(210, 4), np.concatenate([alphas(3), RNN.parse("1" * RNN.n)[None]])
    measured = RecurrentMeasurer(model, stream, bptt=7).losses(encoders)
    assert model.training
    model.eval()
    for alpha, loss in zip(encoders, measured, strict=True):
        outputs = model(stream[:-1], model.initial_hidden(4), alpha).outputs
        logits = F.linear(outputs, model.embedding, model.bias)
        expected = F.cross_entropy(logits.flatten(0, 1), stream[1:].flatten())
        assert loss == pytest.approx(expected.item(), rel=1e-12)
    assert len({round(loss, 9) for loss in measured}) == len(measured)


def test_a_sub_network_without_edges_is_measured() -> None:
    model = OneShotRNN(RNN, WORDS, SIZE, seed=1)
    (loss,) = RecurrentMeasurer(model, text(100, 4)).losses(RNN.parse("0" * RNN.n)[None])
    assert loss == pytest.approx(math.log(WORDS), rel=1e-6)


def test_divergence_is_returned_and_not_clamped() -> None:
    model = FinalRNN(genotype("identity@0", concat=(1,)), WORDS, SIZE, seed=1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1e30)
    assert not math.isfinite(evaluate(model, text(100, 2)))
    assert perplexity(math.log(60)) == pytest.approx(60)
    assert perplexity(1e6) == math.inf
    assert math.isnan(perplexity(math.nan))


@given(st.integers(2, 400), st.integers(1, 50), st.integers(0, 20))
def test_windows_cover_the_text_once(rows: int, length: int, epoch: int) -> None:
    stream = torch.arange(rows)[:, None]
    lengths = Lengths(bptt=length)
    for cuts in (list(windows(stream, length)), [window(stream, *cut) for cut in lengths.epoch(rows, 0, epoch)]):
        assert torch.equal(torch.cat([tokens for tokens, _ in cuts]), stream[:-1])
        assert torch.equal(torch.cat([targets for _, targets in cuts]), stream[1:])


def test_window_lengths_follow_the_recipe() -> None:
    rng = generator(0, "lengths")
    final = np.array([Lengths().draw(rng) for _ in range(3000)])
    assert final.min() >= 5
    assert final.max() <= 55
    assert final.mean() == pytest.approx(0.95 * 35 + 0.05 * 17.5 - 0.5, abs=0.5)  # int() cuts half a row
    search = [Lengths(deviation=0).draw(rng) for _ in range(2000)]
    assert set(search) == {35, 17}
    assert search.count(17) / 2000 == pytest.approx(0.05, abs=0.02)
    assert Lengths().epoch(1000, 7, 2) == Lengths().epoch(1000, 7, 2) != Lengths().epoch(1000, 7, 3)
    assert Lengths().rate(20.0, 7) == 4.0


def test_batchify_reads_columns_and_refuses_a_short_text() -> None:
    assert batchify(torch.arange(7), 3).tolist() == [[0, 2, 4], [1, 3, 5]]
    with pytest.raises(ValueError, match="too short for 4 columns"):
        batchify(torch.arange(7), 4)


def test_regularisation_is_the_mean_square_of_outputs_and_of_their_differences() -> None:
    outputs, dropped = torch.tensor([1.0, 3.0, 2.0]).view(3, 1, 1), torch.tensor([2.0, 0.0, 4.0]).view(3, 1, 1)
    assert regularisation(outputs, dropped, activation=0.5, temporal=0.1).item() == pytest.approx(
        0.5 * 20 / 3 + 0.1 * 5 / 2
    )
    assert regularisation(outputs[:1], dropped[:1]).item() == 0


@given(st.lists(st.floats(0, 10), max_size=20), st.floats(0, 10), st.integers(1, 8))
def test_averaging_starts_when_no_better_than_patience_epochs_ago(
    history: list[float], loss: float, patience: int
) -> None:
    old = history[: max(0, len(history) - patience)]
    assert averaging_starts(history, loss, patience) == any(loss > earlier and earlier == min(old) for earlier in old)


def test_averaged_weights_are_swapped_in_and_out() -> None:
    parameter = torch.nn.Parameter(torch.ones(3))
    unused = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.ASGD([parameter, unused], lr=0.1, t0=0, lambd=0)
    seen = []
    for _ in range(4):
        (parameter**2).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        seen.append(parameter.detach().clone())
    with averaged_weights(optimizer):  # torch's average leaves out the first step
        torch.testing.assert_close(parameter.detach(), torch.stack(seen[1:]).mean(dim=0))
    assert torch.equal(parameter.detach(), seen[-1])
    assert unused.item() == 1
