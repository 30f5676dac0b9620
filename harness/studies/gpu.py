"""`make gpu-check`: is this CUDA device ready for the paper's settings, do its bits repeat, and how long will it take?

Runs the smoke profile twice and compares the bits, then times the parts of the paper's CIFAR-10 experiment on the real
data and projects its GPU-days. Nothing of it is recorded among the runs.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from baselines.genotypes import fixed
from conas.sampling import Bernoulli
from conas.seeds import generator
from conas.space import space
from harness.config.load import Config, load
from harness.console.progress import Reporter, duration
from harness.execution.execute import execute
from harness.training.environment import make_deterministic
from harness.training.task import load_task

_STEPS, _TOGETHER = 20, 8
_DAY = 86_400


def repeats(reporter: Reporter) -> bool:
    """Whether two smoke runs on the device end at the same bits."""
    results = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            record = execute(load({"dataset": "digits", "profile": "smoke", "runs_dir": folder}), reporter)
            results.append((record.genotype, record.metrics, record.weights))
    return results[0] == results[1]


def timings(config: Config) -> dict[str, float]:
    """Seconds of the parts of the paper's CIFAR-10 experiment at full size, from a few steps of each."""
    paper: Any = config
    images = load_task(config)
    one_shot = images.one_shot(Bernoulli(0.5))
    final = images.final(fixed("conas"))
    measurer = images.measurer(one_shot.state_dict()["model"])
    alphas = space(config.space).sample(generator(0, "gpu"), _TOGETHER)
    seconds = {
        "one-shot epoch": one_shot.steps(0) * _each(lambda step: one_shot.step(0, step)),
        "final epoch": final.steps(0) * _each(lambda step: final.step(0, step)),
    }
    seconds["1,000 measurements"] = 1000 / _TOGETHER * _each(lambda _: measurer.measure(alphas, 0, False))
    seconds["search"] = seconds["one-shot epoch"] * paper.oneshot.epochs + seconds["1,000 measurements"]
    seconds["final training"] = seconds["final epoch"] * paper.final.epochs
    return seconds


def _each(work: Callable[[int], object]) -> float:
    """Seconds of one call, the first one left out."""
    work(0)
    torch.cuda.synchronize()
    start = time.monotonic()
    for step in range(1, _STEPS):
        work(step)
    torch.cuda.synchronize()
    return (time.monotonic() - start) / (_STEPS - 1)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m harness.studies.gpu", description=__doc__)
    parser.add_argument("--data-dir", default="data", type=Path, help="where CIFAR-10 lies (default: %(default)s)")
    parser.add_argument("--allow-subset", action="store_true", help="accept data that are not the complete set")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("error: no CUDA device here; the profiles smoke and laptop run on the CPU")
    reporter = Reporter()
    config = load(
        {
            "dataset": "cifar10",
            "profile": "paper",
            "data_dir": str(arguments.data_dir),
            "allow_subset": arguments.allow_subset,
        }
    )
    make_deterministic(config.threads)
    reporter.say(torch.cuda.get_device_name())
    same = repeats(reporter)
    reporter.say(f"two smoke runs {'end at the same bits' if same else 'DIFFER'}")
    for name, seconds in timings(config).items():
        reporter.say(f"{name:<20}{duration(seconds):>16}{seconds / _DAY:>10.4f} GPU-days")
    if not same:
        sys.exit("error: this device does not repeat its bits")


if __name__ == "__main__":
    main()
