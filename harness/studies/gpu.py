"""`make gpu-check`: is a CUDA device right, does it repeat its bits, and how long does the paper take on it?

Steps are compared with float64, two smoke runs with each other; the parts of the paper's experiments are timed at the
published sizes, as plain calls and as CUDA graphs, and in TF32 and bfloat16, and projected to the hours that they alone
take in the rows of the paper. Data sets that are not on this machine are replaced by random numbers of their shape. A
part that fails says so and the check goes on, as it does where something is replaced by torch's calls or is further
from the truth than its precision allows (`harness.studies.gpu_limits`); in the end, the exit status is 1. A kernel that
goes astray takes the device from its process: ``--only`` then makes the other parts, or that one alone with
CUDA_LAUNCH_BLOCKING=1, which names it. Nothing is recorded among the runs.
"""

import argparse
import importlib
import math
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from conas.cells import cell
from conas.questions import OneShot
from conas.sampling import Bernoulli
from conas.seeds import generator
from harness.config.load import load
from harness.console.places import add_data_dir
from harness.console.progress import Reporter
from harness.data.files import DataError
from harness.data.registry import ImageSet, dataset
from harness.deadline import interrupt
from harness.execution.execute import execute
from harness.studies.gpu_limits import CONVOLUTIONAL, FINAL, RECURRENT, REPEATED, beyond
from harness.studies.gpu_parity import parity
from harness.studies.gpu_parts import Check
from harness.studies.gpu_timing import cost
from harness.studies.gpu_together import steps_per_second
from harness.studies.synthetic import synthetic_images, synthetic_text
from harness.training.answers import answering
from harness.training.environment import make_deterministic
from harness.training.faults import why_not
from harness.training.image import FinalTraining, ImageTask
from harness.training.precision import choose
from harness.training.text import FinalTraining as FinalTextTraining
from harness.training.text import TextTask

_TOGETHER = 8


@dataclass(frozen=True)
class Tasks:
    """The paper's experiments, on real data where they are."""

    data_dir: str

    def images(self, name: str = "cifar10", **updates: Any) -> ImageTask:
        """A task of images."""
        config: Any = load({"dataset": name, "profile": "paper", "device": "cuda", **self._where, **updates})
        return ImageTask(config, None if self._there(name) else synthetic_images(name))

    def text(self, **updates: Any) -> TextTask:
        """The task of Penn Treebank."""
        config: Any = load({"dataset": "ptb", "profile": "paper", "device": "cuda", **self._where, **updates})
        return TextTask(config, None if self._there("ptb") else synthetic_text("ptb"))

    @property
    def _where(self) -> dict[str, Any]:
        return {"data_dir": self.data_dir, "offline": True}

    def _there(self, name: str) -> bool:
        try:
            kind = TextTask if name == "ptb" else ImageTask
            config: Any = load({"dataset": name, "profile": "paper", **self._where})
            kind(config)
        except (DataError, OSError):
            return False
        return True


def repeats(dataset: str) -> dict[str, Any]:
    """Whether two smoke runs on the device end at the same bits."""
    ends = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            sizes = {"oneshot": {"epochs": 1}, "final": {"epochs": 2}, "search": {"m": 40}}
            config = load({"dataset": dataset, "profile": "smoke", "runs_dir": folder, "device": "cuda", **sizes})
            record = execute(config, Reporter())
            ends.append((record.genotype, record.metrics, record.weights))
    return {"same bits": ends[0] == ends[1]}


def timed(trainee: Any, at: int | None = None) -> dict[str, float]:
    """The cost of a training step: of one after the other, or again and again of the one numbered ``at``."""
    return cost(lambda i: trainee.step(0, i if at is None else at), 4)


def text_step(trainee: Any) -> dict[str, float]:
    """The cost of a window of 35 rows, or of the length next to that."""
    lengths = [length for _, length in trainee._windows(0)]
    return timed(trainee, lengths.index(min(lengths, key=lambda length: abs(length - 35))))


def _one_shot(task: Any) -> Any:
    return answering(task.name, OneShot).training(task, OneShot(Bernoulli(0.5)))


def measuring(task: Any) -> dict[str, float]:
    """The cost of one measurement, of several in a call."""
    measurer = _one_shot(task).measurer()
    alphas = task.space.sample(generator(0, "gpu"), _TOGETHER)
    found = cost(lambda i: measurer.measure(alphas, 0, False), 2)
    return {name: value if name in ("gib", "set_up_s") else value / _TOGETHER for name, value in found.items()}


@contextmanager
def form(name: str) -> Iterator[None]:
    """Inside, work is ``plain`` calls, ``graph``, graphs of torch's kernels, or ``fused``: graphs of own kernels."""
    chosen = {"CONAS_GRAPHS": str(int(name != "plain")), "CONAS_KERNELS": str(int(name == "fused"))}
    with patch.dict(os.environ, chosen):
        yield


def check(tasks: Tasks, done: Check) -> None:
    """All parts, what matters most first."""
    rows: dict[str, tuple[Callable[..., Any], Callable[[Any], Any]]] = {
        "one-shot CNN step": (lambda **given: _one_shot(tasks.images(**given)).training, timed),
        "final CNN step": (lambda **given: FinalTraining(tasks.images(**given), cell("conas")), timed),
        "PTB one-shot step": (lambda **given: _one_shot(tasks.text(**given)).training, text_step),
        "PTB final step": (lambda **given: FinalTextTraining(tasks.text(**given), cell("darts_v2_rnn")), text_step),
        "CNN measurement": (tasks.images, measuring),
        "PTB measurement": (tasks.text, measuring),
    }

    def row(name: str, how: str, precision: str = "torch") -> None:
        said = f", {precision}" if precision != "torch" else ""
        done.part(f"{name}, {how}{said}", partial(_measured, *rows[name], how, precision))

    for name in rows:
        row(name, "fused")
    small: dict[str, Any] = {"final": {"layers": 6}}  # as wide as published: kernels that are compiled already
    even = {"units": 200, "bptt_deviation": 0.0}  # windows of many lengths come too seldom to be captured here
    few: dict[str, Any] = {"data": {"train_limit": 60_000}, "oneshot": {"units": 100}, "final": even}
    for name, how, make, limits in (
        ("one-shot RNN", "fused", lambda: _one_shot(tasks.text(**few)).training, RECURRENT),
        ("final RNN", "fused", lambda: FinalTextTraining(tasks.text(**few), cell("darts_v2_rnn")), RECURRENT),
        ("averaged final RNN", "fused", lambda: _averaging(tasks.text(**few)), RECURRENT),
        ("final CNN", "fused", lambda: FinalTraining(tasks.images(**small), cell("conas")), CONVOLUTIONAL),
    ):
        done.part(f"right, {name}", partial(_in_form, how, parity, make), partial(beyond, limits=limits))
    done.part("right, final CNN with drop-path, float32", partial(_dropping, tasks), partial(beyond, limits=FINAL))
    for kind, name in (("images", "digits"), ("text", "descriptions")):
        done.part(f"two runs, {kind}", partial(repeats, name), partial(beyond, limits=REPEATED))
    done.part("right, one-shot CNN, float32", partial(_fused, "float32"), _beyond_fused)
    done.part("right, one-shot CNN of DARTS' operations", _fused_darts, _beyond_fused)
    for precision in ("tf32", "bf16"):
        done.part(f"right, one-shot CNN, {precision}", partial(_fused, precision), _beyond_fused)
    of_torch = partial(_in_form, "graph", parity, lambda: FinalTraining(tasks.images(**small), cell("conas")))
    done.part("right, final CNN of torch", of_torch, partial(beyond, limits=CONVOLUTIONAL))
    for name in ("one-shot CNN step", "final CNN step"):
        row(name, "fused", "tf32")
        row(name, "fused", "bf16")
    for name in ("PTB one-shot step", "PTB final step", "CNN measurement", "PTB measurement"):
        row(name, "fused", "tf32")
    row("PTB final step", "graph")
    row("final CNN step", "graph")
    for name in rows:
        row(name, "plain")
    done.part("processes that share the device, one-shot CNN steps a second", partial(_together, tasks))


def _in_form(how: str, work: Callable[..., Any], *given: Any) -> Any:
    with form(how):
        return work(*given)


def _dropping(tasks: Tasks) -> dict[str, Any]:
    """Kernels of the published width, half way to the last epoch, when a tenth of the paths are dropped."""
    narrow: dict[str, Any] = {"final": {"layers": 3}, "precision": "float32"}
    with form("fused"), computing("float32"):
        return parity(lambda: FinalTraining(tasks.images(**narrow), cell("conas")), epoch=300)


def _together(tasks: Tasks) -> dict[str, float]:
    return {str(count): steps_per_second(count, partial(_one_shot_training, tasks)) for count in (1, 2, 3)}


def _one_shot_training(tasks: Tasks) -> Any:
    return _one_shot(tasks.images()).training


def _measured(make: Callable[..., Any], measure: Callable[[Any], Any], how: str, precision: str) -> Any:
    with form(how), computing(precision):
        return measure(make(precision=precision))


@contextmanager
def computing(precision: str) -> Iterator[None]:
    """Inside, torch computes in this precision."""
    choose(precision)
    try:
        yield
    finally:
        choose("torch")


def _averaging(task: TextTask) -> FinalTextTraining:
    trainee = FinalTextTraining(task, cell("darts_v2_rnn"))
    trainee._optimize(averaging=True)
    return trainee


def _fused(precision: str) -> Any:
    """The kernels in a precision; what torch computes of the same model is in float32."""
    module = importlib.import_module("harness.studies.gpu_cnn")
    with computing("float32"):
        return module.run(_setting(), [precision])


@cache  # with what float64 says of its measurements
def _setting() -> Any:
    return importlib.import_module("harness.studies.gpu_cnn").Setting()


def _fused_darts() -> Any:
    """Those that the paper's space does not have; fewer images, as float64 takes much memory."""
    module = importlib.import_module("harness.studies.gpu_cnn")
    with computing("float32"):
        return {"parity, float32": module.parity(module.Setting(batch=16, of="cnn-darts"), "float32")}


def _beyond_fused(found: Any) -> list[str]:
    complaints: list[str] = importlib.import_module("harness.studies.gpu_cnn").complaints(found)
    return complaints


def projected(results: dict[str, Any]) -> dict[str, float]:
    """Hours of the training steps and measurements alone of the rows of the paper, without evaluation and recovery,
    from the quickest form of each part in the default precision."""
    steps = {name: _quickest(results, name) for name in ("final CNN step", "one-shot CNN step", "PTB final step")}
    steps["PTB one-shot step"] = _quickest(results, "PTB one-shot step")
    hours = {}
    for name in ("cifar10", "cifar100", "svhn", "fashion_mnist"):
        config: Any = load({"dataset": name, "profile": "paper"})
        known = dataset(name)
        assert isinstance(known, ImageSet)
        images = known.for_training
        if name in ("cifar10", "cifar100"):
            half = math.ceil(images // 2 / config.oneshot.batch_size) * config.oneshot.epochs
            measured = config.search["m"] * _quickest(results, "CNN measurement")
            hours[f"{name}: search"] = (half * steps["one-shot CNN step"] + measured) / 3.6e6
        final = math.ceil(images / config.final.batch_size) * config.final.epochs
        hours[f"{name}: final training"] = final * steps["final CNN step"] / 3.6e6
    config, words = load({"dataset": "ptb", "profile": "paper"}), dataset("ptb").counts["train"]
    for stage in ("oneshot", "final"):
        part = getattr(config, stage)
        windows = words / part.batch_size / part.bptt * part.epochs
        step = steps["PTB one-shot step" if stage == "oneshot" else "PTB final step"]
        hours[f"ptb: {'search' if stage == 'oneshot' else 'final training'}"] = windows * step / 3.6e6
    return hours


def _quickest(results: dict[str, Any], name: str) -> float:
    forms = [results.get(f"{name}, {how}", {}) for how in ("plain", "graph", "fused")]
    return min((found["ms"] for found in forms if "ms" in found), default=float("nan"))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m harness.studies.gpu", description=__doc__)
    add_data_dir(parser, "where the data sets lie, if they do")
    parser.add_argument("--minutes", type=float, default=7, help="start no part after so many (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("gpu-check.json"), help="all figures (default: %(default)s)")
    parser.add_argument("--only", default="", metavar="REGEX", help="only parts whose names match")
    arguments = parser.parse_args()
    try:
        re.compile(arguments.only)
    except re.error as error:
        parser.error(f"--only {arguments.only}: {error}")
    if not torch.cuda.is_available():
        sys.exit(f"error: no CUDA here: {why_not()}; the profiles smoke and laptop run on the CPU")
    make_deterministic(2)
    device = f"{torch.cuda.get_device_name()}, torch {torch.__version__}, CUDA {torch.version.cuda}"
    print(device, flush=True)
    done = Check(60 * arguments.minutes, arguments.out, device, arguments.only)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        check(Tasks(arguments.data_dir), done)
    finally:  # also when it was stopped
        done.hours = projected(done.results)
        done.save()
        print(*done.table, f"all figures: {arguments.out}", sep="\n")
    sys.exit(1 if done.failures else 0)


if __name__ == "__main__":
    main()
