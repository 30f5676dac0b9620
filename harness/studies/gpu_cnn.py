"""The fused kernels of the one-shot CNN on this CUDA device: their numbers against float64, their bits, their time.

`python -m harness.studies.gpu_cnn` takes about two minutes at the paper's sizes, and fails if a figure is beyond its
limit. A check that fails takes one line.
"""

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from conas.cnn.cuda.one_shot import Evaluation, OneShotStep
from conas.cnn.one_shot_plain import PlainOneShotCNN
from conas.names import unknown
from conas.seeds import generator
from conas.space import Alpha, space
from conas.torch_seeds import torch_generator
from harness.records.files import write_json
from harness.studies.gpu_limits import FUSED, beyond
from harness.studies.gpu_parity import State, largest, median, moved_wrongly
from harness.training.faults import why_not
from harness.training.precision import choose

Figures = dict[str, Any]
_SGD = {"momentum": 0.9, "weight_decay": 3e-4, "clip": 5.0}
_LR = 0.025
_MEASURED, _ALPHAS = 640, 20


class Setting:
    """The one-shot model of a space at some size, a minibatch and the sub-networks that it is trained with."""

    def __init__(
        self,
        channels: int = 16,
        layers: int = 8,
        batch: int = 64,
        size: int = 32,
        of: str = "cnn",
        device: str = "cuda",
    ) -> None:
        self.space, self._device = space(of), device
        self._sizes, self.shape = (channels, layers, 10), (batch, 3, size, size)
        rng = torch_generator(0, "gpu check")
        self.images = torch.randn(self.shape, generator=rng).to(device)
        self.labels = torch.randint(10, (batch,), generator=rng).to(device)

    def model(self) -> PlainOneShotCNN:
        """The same weights every time."""
        return PlainOneShotCNN(self.space, *self._sizes, seed=0).to(self._device)

    def alpha(self, step: int) -> Alpha:
        """The sub-network of a step."""
        return self.space.sample(generator(step, "gpu check"), 1)[0]

    def fused(self, precision: str) -> tuple[PlainOneShotCNN, OneShotStep]:
        """A model and the captured steps that train it."""
        model = self.model()
        return model, OneShotStep(model, precision=precision, **_SGD)

    @cached_property
    def measured(self) -> tuple[Tensor, Tensor, Alpha]:
        """Images, their labels and the sub-networks whose losses on them are measured."""
        rng, device = torch_generator(1, "gpu check"), self.images.device
        images = torch.randn((_MEASURED, *self.shape[1:]), generator=rng).to(device)
        labels = torch.randint(10, (_MEASURED,), generator=rng).to(device)
        return images, labels, self.space.sample(generator(1, "gpu check"), _ALPHAS)

    @cached_property
    def truth(self) -> Tensor:
        """These losses in float64."""
        images, labels, alphas = self.measured
        exact = self.model().double().eval()
        return torch.stack([_whole_loss(exact, images, labels, alpha) for alpha in alphas])

    def train(self, step: OneShotStep, steps: int) -> list[float]:
        """Losses of steps."""
        losses = [step.step(self.images, self.labels, self.alpha(i), _LR) for i in range(steps)]
        return [loss.item() for loss in losses]


def parity(setting: Setting, precision: str) -> Figures:
    """Relative errors of one step against the plain model in float64; and those of the plain one in float32.

    ``left alone`` says whether weights that have no gradient are as they were.
    """
    exact, plain = setting.model().double(), setting.model()
    start = _weights(exact)
    loss, _ = (_backward(model, setting) for model in (exact, plain))
    model, step = setting.fused(precision)
    got = step.step(setting.images, setting.labels, setting.alpha(0), _LR)
    buffers = [_distance(a, b) for a, b in zip(model.buffers(), exact.buffers(), strict=True)]
    state, own = step.state, dict(model.named_parameters())
    errors = _gradient_errors({name: state.view(state.gradients, p) for name, p in own.items()}, exact)
    of_plain = _gradient_errors({name: p.grad for name, p in plain.named_parameters()}, exact)
    worst = max(errors, key=lambda name: errors[name])
    _descend(exact)
    weights, right = _weights(model), _weights(exact)
    updates = moved_wrongly(weights, right, start)
    return {
        "loss": float(abs(got.double() - loss) / loss),
        "gradient median": median(errors.values()),
        "gradient worst": largest(errors.values()),
        "worst of": worst,
        "plain float32 median": median(of_plain.values()),
        "update median": median(updates.values()),
        "update worst": largest(updates.values()),
        "left alone": all(torch.equal(weights[name], start[name].float()) for name in start.keys() - updates.keys()),
        "running statistics": largest(buffers),
    }


def _weights(model: PlainOneShotCNN) -> State:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def _backward(model: PlainOneShotCNN, setting: Setting) -> Tensor:
    images = setting.images.to(next(model.parameters()).dtype)
    loss = F.cross_entropy(model(images, setting.alpha(0)), setting.labels)
    loss.backward()
    return loss.detach()


def _gradient_errors(gradients: dict[str, Tensor | None], exact: PlainOneShotCNN) -> dict[str, float]:
    """By name, of the parameters that have a gradient in ``exact``."""
    return {name: _error(gradients[name], p.grad) for name, p in exact.named_parameters() if p.grad is not None}


def _descend(model: PlainOneShotCNN) -> None:
    """Torch's step, by the gradients that are there."""
    parameters = list(model.parameters())
    torch.nn.utils.clip_grad_norm_(parameters, _SGD["clip"])
    torch.optim.SGD(parameters, _LR, momentum=_SGD["momentum"], weight_decay=_SGD["weight_decay"]).step()


def _error(got: Tensor | None, exact: Tensor) -> float:
    assert got is not None
    return ((got.double() - exact).norm() / exact.norm().clamp_min(1e-12)).item()


def _distance(got: Tensor, exact: Tensor) -> float:
    return ((got.double() - exact.double()).abs() / exact.double().abs().clamp_min(0.1)).max().item()


def bits(setting: Setting, precision: str) -> Figures:
    """Whether two trainings of a few steps end at the same bits."""
    ends = []
    for _ in range(2):
        model, step = setting.fused(precision)
        ends.append((setting.train(step, 5), {k: v.clone() for k, v in model.state_dict().items()}))
        del model, step
    same = ends[0][0] == ends[1][0] and all(torch.equal(ends[0][1][k], ends[1][1][k]) for k in ends[0][1])
    return {"repeat": same, "losses": [round(loss, 4) for loss in ends[0][0]]}


def speed(setting: Setting, precision: str) -> Figures:
    """Milliseconds of a captured step, how many kernels it has and which of them take the time."""
    torch.cuda.reset_peak_memory_stats()
    start = time.monotonic()
    _, step = setting.fused(precision)
    setting.train(step, 3)
    ready = time.monotonic() - start
    torch.cuda.synchronize()
    start = time.monotonic()
    losses = setting.train(step, 60)
    each = (time.monotonic() - start) / 60
    kernels = _kernels(lambda i: step.step(setting.images, setting.labels, setting.alpha(i), _LR), 8)
    busy = sum(kernel["ms"] for kernel in kernels)
    return {
        "ms per step": 1000 * each,
        "GPU busy ms": busy,
        "kernels": sum(kernel["calls"] for kernel in kernels),
        "set-up s": ready,
        "GiB": torch.cuda.max_memory_allocated() / 2**30,
        "last loss": losses[-1],
        "where": kernels[:16],
    }


def measuring(setting: Setting, precision: str) -> Figures:
    """Milliseconds of the loss of one sub-network on 640 images, norms folded, the errors of several against float64,
    and whether they are the same bits the second time."""
    images, labels, alphas = setting.measured
    evaluation = Evaluation(setting.model(), images.shape, precision, "running")
    got = evaluation.losses(images, labels, alphas).cpu()
    start = time.monotonic()
    again = evaluation.losses(images, labels, alphas).cpu()
    each = (time.monotonic() - start) / _ALPHAS
    errors = ((got - setting.truth).abs() / setting.truth).tolist()
    return {
        "ms per measurement": 1000 * each,
        "error": median(errors),
        "worst error": largest(errors),
        "repeat": torch.equal(got, again),
    }


@torch.no_grad()
def _whole_loss(exact: PlainOneShotCNN, images: Tensor, labels: Tensor, alpha: Alpha) -> Tensor:
    """The sum of the cross-entropies of a model in float64, a few images at a time."""
    parts = zip(images.double().split(64), labels.split(64), strict=True)
    return torch.stack([F.cross_entropy(exact(part, alpha), own, reduction="sum") for part, own in parts]).sum().cpu()


def _kernels(work: Callable[[int], object], times: int) -> list[Figures]:
    """Kernels by name: milliseconds and calls per call of ``work``, the longest first."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for i in range(times):
            work(i)
        torch.cuda.synchronize()
    rows = [
        {"kernel": event.key[:48], "ms": event.self_device_time_total / times / 1000, "calls": event.count / times}
        for event in profile.key_averages()
        if event.self_device_time_total > 0
    ]
    return sorted(rows, key=lambda row: -row["ms"])


def checks(setting: Setting, precisions: list[str]) -> Iterator[tuple[str, Callable[[], Figures]]]:
    """Names and checks, in order."""
    for precision in precisions:
        for check in (parity, speed, measuring, bits):
            yield f"{check.__name__}, {precision}", partial(check, setting, precision)


def complaints(results: dict[str, Figures]) -> list[str]:
    """In a line each, what failed in the results of `run` and what is beyond its limit."""
    return [f"{name}: {line}" for name, figures in results.items() for line in _complaints(name, figures)]


def _complaints(name: str, figures: Figures) -> list[str]:
    if "failed" in figures:
        return [figures["failed"].splitlines()[0]]
    check, precision = name.split(", ")
    return beyond(figures, FUSED[precision].get(check, {}))


def run(setting: Setting, precisions: list[str]) -> dict[str, Figures]:
    """All checks; one that fails leaves its error."""
    results = {}
    for name, check in checks(setting, precisions):
        start = time.monotonic()
        results[name] = _tried(check)
        torch.cuda.empty_cache()
        print(f"{time.monotonic() - start:6.1f} s  {name}: {_line(results[name])}", flush=True)
    return results


def _tried(check: Callable[[], Figures]) -> Figures:
    try:
        return check()
    except Exception as error:  # the other checks still tell something
        return {"failed": f"{type(error).__name__}: {error}", "trace": traceback.format_exc().splitlines()[-7:]}


def _line(figures: Figures) -> str:
    if "failed" in figures:
        return "FAILED " + "\n    ".join([figures["failed"][:1500], *figures["trace"]])
    rows = [f"\n    {k['ms']:7.3f} ms {k['calls']:6.0f} x {k['kernel']}" for k in figures.get("where", [])]
    return ", ".join(f"{k} {_short(v)}" for k, v in figures.items() if k != "where") + "".join(rows)


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main() -> None:
    """The checks as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--precisions", default="float32,bf16,tf32")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    arguments = parser.parse_args()
    precisions = arguments.precisions.split(",")
    if wrong := [name for name in precisions if name not in FUSED]:
        parser.error(f"--precisions: {unknown('precision', wrong[0], FUSED)}")
    if not torch.cuda.is_available():
        sys.exit(f"error: no CUDA here: {why_not()}")
    torch.use_deterministic_algorithms(True)
    choose("float32")  # the stem, the classifier and the plain model; kernels are told theirs
    print(torch.cuda.get_device_name(), torch.__version__, flush=True)
    results = run(Setting(), precisions)
    if arguments.json:
        write_json(arguments.json, results)
    failures = complaints(results)
    for line in failures:
        print(f"FAILED {line}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
