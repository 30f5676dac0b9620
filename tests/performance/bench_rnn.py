"""The recurrent one-shot training step against two direct versions, interleaved in one process.

    python tests/performance/bench_rnn.py [--batch 256] [--size 300] [--rounds 5] [--json FILE]

``edges`` is the plain cell, one active edge after the other; ``masked`` computes every activation of every
edge and multiplies by 0 or 1, as a DARTS search cell with fixed weights does; both with the ordinary softmax.
``fast`` is what the harness trains. All three take the same weights, words, sub-networks and masks.
"""

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from conas.genotype import Cell
from conas.language_model import LanguageModel, OneShotRNN
from conas.language_training import batchify, regularisation, window
from conas.recurrent_plain import ACTIVATIONS, Masks, PlainRecurrentCell
from conas.sampling import Bernoulli
from conas.seeds import generator, torch_generator
from conas.space import Alpha, space

RNN = space("rnn")
WORDS = 10_000


class MaskedCell(PlainRecurrentCell):
    """Every activation of every edge, times 0 or 1."""

    def forward(self, inputs: Tensor, hidden: Tensor, cell: Cell, masks: Masks | None = None) -> tuple[Tensor, Tensor]:
        """As `PlainRecurrentCell.forward`, with the input product inside the loop."""
        assert masks is not None
        switches = [self._switches(cell, i).to(hidden) for i in range(len(cell.nodes))]
        outputs = []
        for x in inputs:
            hidden = self._masked_step(x * masks.input, hidden, switches, masks.state)
            outputs.append(hidden)
        return torch.stack(outputs), hidden

    def _switches(self, cell: Cell, node: int) -> Tensor:
        on = torch.zeros(len(ACTIVATIONS), node + 1, 1, 1)
        for activation, source in cell.nodes[node]:
            on[list(ACTIVATIONS).index(activation), source] = 1 / len(cell.nodes[node])
        return on

    def _masked_step(self, x: Tensor, hidden: Tensor, switches: list[Tensor], keep: Tensor) -> Tensor:
        weight = torch.cat([self.input_weight, self.hidden_weight])
        carry, update = (torch.cat([x, hidden * keep], dim=-1) @ weight).split(self.size, dim=-1)
        states = (hidden + carry.sigmoid() * (update.tanh() - hidden))[None]
        for on, weight in zip(switches, self.weights, strict=True):
            carry, update = ((states * keep).view(-1, self.size) @ weight).view(*states.shape[:2], -1).chunk(2, dim=-1)
            carry = carry.sigmoid()
            new = torch.zeros_like(hidden)
            for switch, f in zip(on, ACTIVATIONS.values(), strict=True):
                new = new + (switch * (states + carry * (f(update) - states))).sum(dim=0)
            states = torch.cat([states, new[None]])
        return states[1:].mean(dim=0)


def softmax(model: LanguageModel, outputs: Tensor, targets: Tensor) -> Tensor:
    """The ordinary cross-entropy, all logits at once."""
    return F.cross_entropy(F.linear(outputs.flatten(0, 1), model.embedding, model.bias), targets.flatten())


def variants(size: int) -> dict[str, tuple[OneShotRNN, Callable[[LanguageModel, Tensor, Tensor], Tensor]]]:
    """The three models, with equal weights, and their losses."""
    fast, edges, masked = (OneShotRNN(RNN, WORDS, size, seed=0) for _ in range(3))
    edges.cell.__class__ = PlainRecurrentCell  # type: ignore[assignment]
    masked.cell.__class__ = MaskedCell  # type: ignore[assignment]
    return {"edges": (edges, softmax), "masked": (masked, softmax), "fast": (fast, LanguageModel.cross_entropy)}


def step(
    model: OneShotRNN,
    loss_of: Callable[[LanguageModel, Tensor, Tensor], Tensor],
    data: tuple[Tensor, Tensor],
    alpha: Alpha,
    round_: int,
) -> tuple[float, float]:
    """One training step without the optimiser: seconds and loss."""
    model.zero_grad(set_to_none=True)
    begun = time.perf_counter()
    run = model(data[0], model.initial_hidden(data[0].shape[1]), alpha, torch_generator(round_, "masks"))
    loss = loss_of(model, run.dropped, data[1])
    (loss + regularisation(run.outputs, run.dropped)).backward()
    return time.perf_counter() - begun, loss.item()


def compare(batch: int, size: int, bptt: int, rounds: int) -> dict[str, dict[str, float]]:
    """Medians, ranges and ratios over ``rounds`` rounds, after one that warms up."""
    models = variants(size)
    words = torch.randint(WORDS, (batch * (bptt + 1),), generator=torch_generator(0, "words"))
    data = window(batchify(words, batch), 0, bptt)
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for round_ in range(rounds + 1):
        alpha = Bernoulli(connect=True)(RNN, generator(round_, "alpha"))
        results = {name: step(*model, data, alpha, round_) for name, model in models.items()}
        losses = [loss for _, loss in results.values()]
        if max(losses) - min(losses) > 1e-4:
            raise SystemExit(f"the versions disagree: losses {losses}")
        for name, (spent, _) in results.items():
            seconds[name] += [spent] if round_ else []
    return {name: summary(spent, seconds["fast"]) for name, spent in seconds.items()}


def summary(seconds: list[float], fast: list[float]) -> dict[str, float]:
    """One row of the table."""
    ratios = [a / b for a, b in zip(seconds, fast, strict=True)]
    return {
        "median_s": statistics.median(seconds),
        "min_s": min(seconds),
        "max_s": max(seconds),
        "over_fast": statistics.median(ratios),
        "over_fast_min": min(ratios),
        "over_fast_max": max(ratios),
    }


def main() -> None:
    """Print the table and, with ``--json``, write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--size", type=int, default=300)
    parser.add_argument("--bptt", type=int, default=35)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json")
    options = parser.parse_args()
    rows = compare(options.batch, options.size, options.bptt, options.rounds)
    print(f"recurrent one-shot step, batch {options.batch}, {options.size} units, {torch.get_num_threads()} threads")
    for name, row in rows.items():
        print(
            f"{name:8} {row['median_s']:7.3f} s [{row['min_s']:.3f}, {row['max_s']:.3f}]   "
            f"{row['over_fast']:5.2f} x fast [{row['over_fast_min']:.2f}, {row['over_fast_max']:.2f}]"
        )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({**vars(options), "threads": torch.get_num_threads(), "rows": rows}, file, indent=2)


if __name__ == "__main__":
    main()
