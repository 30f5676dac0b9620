"""The one-shot CNN and the final network against direct versions, interleaved in one process.

    python tests/performance/bench_cnn.py [--rows train ...] [--rounds 5] [--quick] [--out FOLDER]

``direct`` computes every operation of every edge, times 0 or 1, in torch's default memory format, as the
released code does; ``plain`` is the reference of the tests, which skips inactive edges; ``fast`` is what the harness
runs, ``torch`` the same with torch's own sums in batch norms. All versions of a row take the same weights, images and
sub-networks, and must agree. Times are by the wall; on a busy machine look at the seconds of cores, which waiting does
not change. Memory is a process's peak, beyond what it needs to import torch. The row ``growth`` plots how time and
memory grow, ``operators`` shows where the time of a one-shot step goes and how far that is from the machine's peak.
``--release`` adds the authors' code from a checkout.
"""

import argparse
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.profiler import profile
from torch.utils.flop_counter import FlopCounterMode

from conas.cells import cell as fixed
from conas.cnn.kernels import sum_like_torch
from conas.cnn.measuring import Measurer
from conas.cnn.network import FinalNetwork
from conas.cnn.one_shot import OneShotCNN
from conas.cnn.one_shot_plain import PlainOneShotCNN
from conas.seeds import generator
from conas.space import Alpha, space
from conas.torch_seeds import torch_generator
from harness.pictures.plots import panels, write_picture
from harness.records.files import write_json

Work = Callable[[int], float]
"""Does the work of one round, given its number, and returns a loss."""


@dataclass(frozen=True)
class Size:
    """What decides the cost of the one-shot CNN; the paper's values."""

    space: str = "cnn"
    channels: int = 16
    layers: int = 8
    batch: int = 64
    p: float = 0.5

    def alpha(self, round_: int) -> Alpha:
        """The sub-network of a round."""
        return space(self.space).sample(generator(round_, "alpha"), 1, self.p)[0]

    def model(self, kind: type[PlainOneShotCNN]) -> PlainOneShotCNN:
        """A one-shot model."""
        return kind(space(self.space), self.channels, self.layers, 10, seed=0)


class DirectOneShotCNN(PlainOneShotCNN):
    """Every operation of every edge, times 0 or 1."""

    def forward(self, images: Tensor, alpha: Alpha) -> Tensor:
        """As `PlainOneShotCNN.forward`."""
        active = self.active(alpha)
        before = last = self.stem(images)
        for cell in self.layers:
            edges = list(zip(cell.edges, cell.operations, torch.tensor(active[cell.kind]).float(), strict=True))
            states = [cell.preprocess[0](before), cell.preprocess[1](last)]
            for target in range(2, 2 + cell.nodes):
                states.append(sum(on * module(states[e.source]) for e, module, on in edges if e.target == target))
            before, last = last, torch.cat(states[2:], dim=1)
        return self.classifier(last.mean(dim=(2, 3)))


class ReleasedCNN(nn.Module):
    """The authors' one-shot CNN, from a checkout of their code, with the weights of ``model``.

    Its modules and operations come in our order, for the 7-operation space.
    """

    def __init__(self, path: Path, size: Size, model: PlainOneShotCNN) -> None:
        super().__init__()
        sys.path.insert(0, str(path))
        from models.search_cnn import SearchCNN  # type: ignore[import-not-found]

        self.network = SearchCNN(3, size.channels, 10, size.layers, None)
        theirs = [name for name in self.network.state_dict() if not name.startswith("alpha")]
        weights = dict(zip(theirs, model.state_dict().values(), strict=True))
        self.network.load_state_dict(weights, strict=False)

    def forward(self, images: Tensor, alpha: Alpha) -> Tensor:
        """As `PlainOneShotCNN.forward`."""
        rows = torch.from_numpy(alpha > 0).float().view(2, -1, 7)
        for parameters, bits in zip((self.network.alpha_normal, self.network.alpha_reduce), rows, strict=True):
            for i, part in enumerate(bits.split([2, 3, 4, 5])):
                parameters[i] = nn.Parameter(part)
        return self.network(images)


def images_and_labels(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Noise in the shape of CIFAR-10."""
    rng = torch_generator(seed, "images")
    return torch.randn(count, 3, 32, 32, generator=rng), torch.randint(10, (count,), generator=rng)


def training(model: nn.Module, size: Size) -> Work:
    """A training step without the optimiser."""
    images, labels = images_and_labels(size.batch)

    def work(round_: int) -> float:
        model.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(images, size.alpha(round_)), labels)
        loss.backward()
        return loss.item()

    return work


def trained(size: Size, kind: type[PlainOneShotCNN]) -> PlainOneShotCNN:
    """A model with random weights and the running statistics of a few batches."""
    model = size.model(OneShotCNN)
    with torch.no_grad():
        for i in range(5):
            model(images_and_labels(size.batch, i)[0], size.alpha(i))
    same = size.model(kind)
    same.load_state_dict(model.state_dict())
    return same


def measuring(kind: type[PlainOneShotCNN], size: Size, batches: int) -> Work:
    """One measurement: the loss on ``batches`` batches, in evaluation."""
    model = trained(size, kind).eval()
    data = [images_and_labels(size.batch, i) for i in range(batches)]

    @torch.no_grad()
    def work(round_: int) -> float:
        losses = [F.cross_entropy(model(images, size.alpha(round_)), labels).item() for images, labels in data]
        return statistics.mean(losses)

    return work


def folded(size: Size, batches: int, together: int) -> Work:
    """One measurement by the `Measurer`, called for ``together`` sub-networks at once; the time is for all of them."""
    model = trained(size, OneShotCNN)
    assert isinstance(model, OneShotCNN)
    measurer = Measurer(model, [images_and_labels(size.batch, i) for i in range(batches)])

    def work(round_: int) -> float:
        return float(measurer.losses(np.stack([size.alpha(round_ + i) for i in range(together)]))[0])

    return work


def final(batch: int, layers: int, by_modules: bool) -> Work:
    """A step of the DARTS cell's network without the optimiser, ``fast`` or a call of each module."""
    network = FinalNetwork(fixed("darts_v2"), 36, layers, 10, auxiliary=True, pool_bn=False)
    images, labels = images_and_labels(batch)

    def work(round_: int) -> float:
        network.zero_grad(set_to_none=True)
        logits, auxiliary = forward_by_modules(network, images) if by_modules else network(images)
        loss = F.cross_entropy(logits, labels) + 0.4 * F.cross_entropy(auxiliary, labels)
        loss.backward()
        return loss.item()

    return work


def forward_by_modules(network: FinalNetwork, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and the auxiliary head's."""
    before = last = network.stem(images)
    for layer, cell in enumerate(network.layers):
        before, last = last, cell(before, last)
        if layer == network.auxiliary_layer:
            auxiliary = network.auxiliary(F.relu(last))  # type: ignore[misc]
    return network.classifier(last.mean(dim=(2, 3))), auxiliary


@dataclass(frozen=True)
class Timing:
    """Seconds of each round: by the wall, and of all cores together."""

    wall: list[float]
    cores: list[float]


def compare(versions: dict[str, Work], rounds: int, shares: dict[str, int]) -> dict[str, Timing]:
    """Time ``rounds`` rounds of all versions in turn, after one that warms up.

    ``shares`` says how many pieces of work a version does at once (default 1).

    Raises:
        SystemExit: the versions' losses differ.
    """
    timings = {name: Timing([], []) for name in versions}
    for round_ in range(rounds + 1):
        losses = {}
        for name, work in versions.items():
            wall, cores = time.perf_counter(), time.process_time()
            losses[name] = work(round_)
            if round_:
                timings[name].wall.append((time.perf_counter() - wall) / shares.get(name, 1))
                timings[name].cores.append((time.process_time() - cores) / shares.get(name, 1))
        if max(losses.values()) - min(losses.values()) > 1e-3 * max(1, *losses.values()):
            raise SystemExit(f"the versions disagree: losses {losses}")
    return timings


def table(title: str, timings: dict[str, Timing]) -> list[dict[str, object]]:
    """Print a row for each version and return them."""
    fast = timings["fast"]
    rows: list[dict[str, object]] = []
    for name, timing in timings.items():
        ratios = [slow / quick for slow, quick in zip(timing.wall, fast.wall, strict=True)]
        of_cores = statistics.median(slow / quick for slow, quick in zip(timing.cores, fast.cores, strict=True))
        wall, cores = statistics.median(timing.wall), statistics.median(timing.cores)
        print(
            f"{title:34} {name:8} {wall:7.2f} s [{min(timing.wall):.2f}, {max(timing.wall):.2f}]  "
            f"{statistics.median(ratios):5.2f} x fast [{min(ratios):.2f}, {max(ratios):.2f}]  "
            f"{cores:7.2f} s of cores, {of_cores:5.2f} x fast",
            flush=True,
        )
        rows.append(
            {"work": title, "version": name, "wall_s": timing.wall, "cores_s": timing.cores, "over_fast": ratios}
        )
    return rows


VERSIONS: dict[str, type[PlainOneShotCNN]] = {
    "direct": DirectOneShotCNN,
    "plain": PlainOneShotCNN,
    "fast": OneShotCNN,
}


def train_rows(size: Size, rounds: int, release: Path | None) -> list[dict[str, object]]:
    """A training step of the one-shot model."""
    versions = {name: training(size.model(kind), size) for name, kind in VERSIONS.items()}
    if release is not None:
        versions["release"] = training(ReleasedCNN(release, size, size.model(PlainOneShotCNN)), size)
    return table(f"one-shot step, {size.space}", compare(versions, rounds, {}))


def sums_rows(size: Size, rounds: int) -> list[dict[str, object]]:
    """What exact sums in batch norms cost a training step of the one-shot model."""
    inexact = size.model(OneShotCNN)
    sum_like_torch(inexact)
    versions = {"torch": training(inexact, size), "fast": training(size.model(OneShotCNN), size)}
    return table(f"one-shot step, {size.channels} channels, sums", compare(versions, rounds, {}))


def measure_rows(size: Size, batches: int, together: int, rounds: int) -> list[dict[str, object]]:
    """A measurement."""
    versions = {name: measuring(kind, size, batches) for name, kind in VERSIONS.items() if name != "fast"}
    versions["fast"] = folded(size, batches, together)
    timings = compare(versions, rounds, {"fast": together})
    return table(f"measurement, {batches} x {size.batch}", timings)


def final_rows(batch: int, layers: int, rounds: int) -> list[dict[str, object]]:
    """A training step of the final network."""
    versions = {"plain": final(batch, layers, True), "fast": final(batch, layers, False)}
    return table(f"final step, {layers} cells, batch {batch}", compare(versions, rounds, {}))


def _measure_alone(channel: "multiprocessing.Queue[float]", version: str, size: Size) -> None:
    before = _peak_memory()
    work = training(size.model(VERSIONS[version]), size)
    seconds = []
    for round_ in range(3):
        start = time.process_time()
        work(round_)
        seconds.append(time.process_time() - start)
    channel.put(min(seconds[1:]))
    channel.put(_peak_memory() - before)


def _peak_memory() -> float:
    """The largest resident size of this process so far, in GB (Linux)."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e9


def alone(version: str, size: Size) -> tuple[float, float]:
    """Seconds of cores of a training step in a process of its own, and the process's peak memory in GB."""
    context = multiprocessing.get_context("spawn")
    channel: multiprocessing.Queue[float] = context.Queue()
    process = context.Process(target=_measure_alone, args=(channel, version, size))
    process.start()
    seconds, memory = channel.get(), channel.get()
    process.join()
    return seconds, memory


def memory_rows(size: Size) -> list[dict[str, object]]:
    """The peak memory of a training step."""
    peaks = {version: alone(version, size)[1] for version in VERSIONS}
    for version, peak in peaks.items():
        ratio = peak / peaks["fast"]
        print(f"{'memory of a one-shot step':34} {version:8} {peak:7.2f} GB {ratio:20.2f} x fast", flush=True)
    return [{"work": "memory", "version": version, "gigabytes": peak} for version, peak in peaks.items()]


def operator_rows(size: Size) -> list[dict[str, object]]:
    """Print where the time of a step goes, and its multiply-adds over what a large matrix product reaches here."""
    fast = training(size.model(OneShotCNN), size)
    for _ in range(2):
        fast(1)
    with profile() as profiler:
        fast(1)
    print(profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=16, max_name_column_width=40))
    mult_adds, peak = step_mult_adds(size), peak_rate()
    print(f"{mult_adds / 1e9:.1f} G multiply-adds at {peak / 1e9:.0f} G/s: {mult_adds / peak:.2f} s at least")
    return [{"work": "floor", "mult_adds": mult_adds, "mult_adds_a_second": peak}]


def step_mult_adds(size: Size) -> float:
    """Of a training step: the gradients of inputs and of weights cost a forward pass each.

    torch's counter is asked about the forward pass only, because it overstates depthwise convolutions' gradients.
    """
    images, _ = images_and_labels(size.batch)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        size.model(PlainOneShotCNN)(images, size.alpha(1))
    return 3 * counter.get_total_flops() / 2


def peak_rate(size: int = 1024, repeats: int = 20) -> float:
    """Multiply-adds per second of a square matrix product, the best of ``repeats``."""
    a = torch.randn(size, size, generator=torch_generator(0, "peak"))
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        torch.mm(a, a)
        seconds.append(time.perf_counter() - start)
    return size**3 / min(seconds)


GROWTH = {"channels": (4, 8, 16, 24), "layers": (2, 4, 8, 12), "batch": (16, 32, 64, 128), "p": (0.1, 0.3, 0.5, 1.0)}


def growth_rows(base: Size, out: Path) -> list[dict[str, object]]:
    """How a training step's time and memory grow, as rows and as a plot."""
    rows: list[dict[str, object]] = []
    for (quantity, values), version in product(GROWTH.items(), ("plain", "fast")):
        for value in values:
            seconds, memory = alone(version, replace(base, **{quantity: value}))
            at = {"work": "growth", "quantity": quantity, "value": value, "version": version}
            rows.append(at | {"cores_s": seconds, "gigabytes": memory})
    write_picture(lambda: draw_growth(pd.DataFrame(rows)), out / "cnn-growth")
    return rows


def draw_growth(rows: pd.DataFrame) -> Figure:
    """Time above, memory below, one column per quantity."""
    figure, axes = panels(len(GROWTH), 2, width=2.8, height=2.3)
    names = {"p": "active edges (p)", "layers": "cells"}
    for place, (what, quantity) in enumerate(product(("cores_s", "gigabytes"), GROWTH)):
        axis, shown = axes[place], rows[rows["quantity"] == quantity]
        style = {"markers": ["s", "o"], "palette": "colorblind", "legend": place == 0}
        sns.lineplot(shown, x="value", y=what, hue="version", style="version", ax=axis, **style)
        axis.set(xlabel=names.get(quantity, quantity) if what == "gigabytes" else None, ylabel=None)
        axis.set_ylim(0, 1.05 * rows[what].max())
    axes[0].set_ylabel("core-seconds per step")
    axes[len(GROWTH)].set_ylabel("GB")
    axes[0].legend(title=None, frameon=False)
    return figure


def main() -> None:
    """Print the tables; write cnn.json and cnn-growth.png."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--together", type=int, default=8, help="sub-networks measured in one call")
    parser.add_argument("--release", type=Path, metavar="PATH")
    parser.add_argument("--out", type=Path, default=Path("results/performance"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = [row for name in options.rows for row in ROWS[name](options)]
    write_json(options.out / "cnn.json", {"threads": torch.get_num_threads(), "rows": rows})


def _size(options: argparse.Namespace, space_name: str = "cnn") -> Size:
    return Size(space_name, channels=8, layers=3, batch=16) if options.quick else Size(space_name)


ROWS: dict[str, Callable[[argparse.Namespace], list[dict[str, object]]]] = {
    # in processes of their own, and first: later this process's threads may spin
    "memory": lambda options: memory_rows(_size(options)),
    "growth": lambda options: growth_rows(_size(options), options.out),
    "train": lambda options: train_rows(_size(options), options.rounds, None),
    "train-release": lambda options: train_rows(_size(options, "cnn-release"), options.rounds, options.release),
    "sums": lambda options: sums_rows(_size(options), options.rounds),
    "measure": lambda options: measure_rows(
        _size(options), 2 if options.quick else 10, options.together, options.rounds
    ),
    "final": lambda options: final_rows(*((8, 3) if options.quick else (96, 20)), options.rounds),
    "operators": lambda options: operator_rows(_size(options)),
}


if __name__ == "__main__":
    main()
