"""A training step of the recurrent models against two direct versions, interleaved in one process.

    python tests/performance/bench_rnn.py [--batch 256] [--size 300] [--rounds 5] [--out FOLDER]

``edges`` is the plain cell, one active edge after the other; ``masked`` computes every activation of every
edge and multiplies by 0 or 1, as a DARTS search cell with fixed weights does; both with the ordinary softmax.
``fast`` is what the harness trains. All three take the same weights, words, sub-networks and masks. The one-shot
model trains a random sub-network per step, the final one the cell DARTS V2.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from conas.cells import cell as fixed
from conas.genotype import Cell, Node
from conas.rnn.cell_plain import ACTIVATIONS, Masks, PlainRecurrentCell
from conas.rnn.language_model import LanguageModel, OneShotRNN
from conas.rnn.text_windows import batchify, regularisation, window
from conas.sampling import Bernoulli
from conas.seeds import generator
from conas.space import Alpha, space
from conas.torch_seeds import torch_generator
from harness.records.files import write_json

RNN = space("rnn")
WORDS = 10_000


class MaskedCell(PlainRecurrentCell):
    """Every activation of every edge, times 0 or 1."""

    def forward(self, inputs: Tensor, hidden: Tensor, cell: Cell, masks: Masks | None = None) -> tuple[Tensor, Tensor]:
        """As `PlainRecurrentCell.forward`, with the input product inside the loop."""
        assert masks is not None
        switches = [_switches(node, i).to(hidden) for i, node in enumerate(cell.nodes, start=1)]
        first = torch.cat([self.input_weight, self.hidden_weight])
        outputs = []
        for x in inputs:
            both = torch.cat([x * masks.input, hidden * masks.state], dim=1)
            hidden = self._masked_step(both @ first, hidden, switches, masks.state)
            outputs.append(hidden)
        return torch.stack(outputs), hidden

    def _masked_step(self, gates: Tensor, hidden: Tensor, switches: list[Tensor], keep: Tensor) -> Tensor:
        carry, update = gates.split(self.size, dim=-1)
        states = (hidden + carry.sigmoid() * (update.tanh() - hidden))[None]
        for on, weight in zip(switches, self.weights, strict=True):
            carry, update = ((states * keep).view(-1, self.size) @ weight).view(*states.shape[:2], -1).chunk(2, dim=-1)
            carry = carry.sigmoid()
            new = torch.zeros_like(hidden)
            for switch, f in zip(on, ACTIVATIONS.values(), strict=True):
                new = new + (switch * (states + carry * (f(update) - states))).sum(dim=0)
            states = torch.cat([states, new[None]])
        return states[1:].mean(dim=0)


def _switches(node: Node, target: int) -> Tensor:
    """The share of every activation and source in a node's mean, shape (activations, sources, 1, 1)."""
    shares = torch.zeros(len(ACTIVATIONS), target, 1, 1)
    for activation, source in node:
        shares[list(ACTIVATIONS).index(activation), source] = 1 / len(node)
    return shares


def softmax(model: LanguageModel, outputs: Tensor, targets: Tensor) -> Tensor:
    """The ordinary cross-entropy, all logits at once."""
    return F.cross_entropy(F.linear(outputs.flatten(0, 1), model.embedding, model.bias), targets.flatten())


LossOf = Callable[[LanguageModel, Tensor, Tensor], Tensor]


def versions(size: int) -> dict[str, tuple[OneShotRNN, LossOf]]:
    """The three models, with equal weights, and their losses."""
    fast, edges, masked = (OneShotRNN(RNN, WORDS, size, seed=0) for _ in range(3))
    edges.cell.__class__ = PlainRecurrentCell  # type: ignore[assignment]
    masked.cell.__class__ = MaskedCell  # type: ignore[assignment]
    return {"edges": (edges, softmax), "masked": (masked, softmax), "fast": (fast, LanguageModel.cross_entropy)}


def step(
    model: OneShotRNN, loss_of: LossOf, data: tuple[Tensor, Tensor], alpha: Alpha, round_: int
) -> tuple[float, float, float]:
    """One training step without the optimiser: its loss, and seconds by the wall and of all cores together."""
    model.zero_grad(set_to_none=True)
    begun = time.perf_counter(), time.process_time()
    run = model(data[0], model.initial_hidden(data[0].shape[1]), alpha, torch_generator(round_, "masks"))
    loss = loss_of(model, run.dropped, data[1])
    (loss + regularisation(run.outputs, run.dropped)).backward()
    return loss.item(), time.perf_counter() - begun[0], time.process_time() - begun[1]


def sub_network(kind: str, round_: int) -> Alpha:
    """What a step trains: a random sub-network, as Algorithm 1 does, or one cell, as final training does."""
    if kind == "one-shot":
        return Bernoulli(connect=True)(RNN, generator(round_, "alpha"))
    return RNN.encode(fixed("darts_v2_rnn"))


def compare(kind: str, batch: int, size: int, bptt: int, rounds: int) -> dict[str, dict[str, float]]:
    """Medians, ranges and ratios over ``rounds`` rounds, after one that warms up.

    Raises:
        SystemExit: the versions' losses differ.
    """
    models = versions(size)
    words = torch.randint(WORDS, (batch * (bptt + 1),), generator=torch_generator(0, "words"))
    data = window(batchify(words, batch), 0, bptt)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in models}
    for round_ in range(rounds + 1):
        losses = []
        for name, model in models.items():
            loss, *spent = step(*model, data, sub_network(kind, round_), round_)
            losses.append(loss)
            seconds[name] += [(spent[0], spent[1])] if round_ else []
        if max(losses) - min(losses) > 1e-4:
            raise SystemExit(f"the versions disagree: losses {losses}")
    return {name: summary(spent, seconds["fast"]) for name, spent in seconds.items()}


def summary(seconds: list[tuple[float, float]], fast: list[tuple[float, float]]) -> dict[str, float]:
    """One row of a table."""
    walls = [wall for wall, _ in seconds]
    ratios = [wall / own for (wall, _), (own, _) in zip(seconds, fast, strict=True)]
    return {
        "median_s": statistics.median(walls),
        "min_s": min(walls),
        "max_s": max(walls),
        "over_fast": statistics.median(ratios),
        "over_fast_min": min(ratios),
        "over_fast_max": max(ratios),
        "cpu_s": statistics.median(cpu for _, cpu in seconds),
        "cpu_over_fast": statistics.median(cpu / own for (_, cpu), (_, own) in zip(seconds, fast, strict=True)),
    }


def main() -> None:
    """Print the tables; write rnn.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--size", type=int, default=300)
    parser.add_argument("--bptt", type=int, default=35)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("results/performance"))
    options = parser.parse_args()
    sizes = (options.batch, options.size, options.bptt, options.rounds)
    tables = {kind: compare(kind, *sizes) for kind in ("one-shot", "final")}
    print(f"a training step, batch {options.batch}, {options.size} units, {torch.get_num_threads()} threads")
    for kind, rows in tables.items():
        for name, row in rows.items():
            print(
                f"{kind:8} {name:6} {row['median_s']:7.3f} s [{row['min_s']:.3f}, {row['max_s']:.3f}]   "
                f"{row['over_fast']:5.2f} x fast [{row['over_fast_min']:.2f}, {row['over_fast_max']:.2f}]   "
                f"{row['cpu_s']:7.3f} s of cores, {row['cpu_over_fast']:.2f} x fast"
            )
    report = vars(options) | {"out": None, "threads": torch.get_num_threads(), "tables": tables}
    write_json(options.out / "rnn.json", report)


if __name__ == "__main__":
    main()
