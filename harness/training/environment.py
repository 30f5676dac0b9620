"""What a run ran on, recorded with every run: bits repeat only on the same kind of machine, with the same versions."""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from conas import means
from conas.recovery.threads import one_thread
from harness.config.load import Config, ConfigError
from harness.training.faults import why_not
from harness.training.precision import choose, refuse_on

_PACKAGES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "sacred", "thop")


def device(name: str) -> torch.device:
    """The torch device for the setting ``device``: ``auto``, ``cpu``, ``cuda`` (the first) or ``cuda:1``.

    It becomes the device of this thread: kernels and graphs of this project run there, wherever their tensors lie.

    Raises:
        ConfigError: no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    present = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    if name not in present and not (name == "cuda" and torch.cuda.is_available()):
        reason = f": {why_not()}" if name.startswith("cuda") else ""
        raise ConfigError(f"device={name!r} is not on this machine{reason} (allowed: auto, {', '.join(present)})")
    chosen = torch.device(name)
    if chosen.type == "cuda" and torch.cuda.current_device() != (chosen.index or 0):
        torch.cuda.set_device(chosen.index or 0)
    return chosen


def device_of(config: Config) -> torch.device:
    """The device that a configuration trains on.

    Raises:
        ConfigError: no such device here, or one on which its precision means nothing.
    """
    chosen = device(config.device)
    refuse_on(chosen, config.task, config.precision)
    return chosen


def device_name(chosen: torch.device, threads: int) -> str:
    """The device as people call it, with the CPU ``threads`` that are used of it."""
    if chosen.type == "cuda":
        return torch.cuda.get_device_name(chosen)
    return f"CPU {_processor()}, threads: {threads}"


def make_deterministic(threads: int, precision: str = "torch") -> None:
    """Fix the number of CPU threads and the precision on CUDA, and refuse algorithms that do not repeat their bits.

    numpy and scipy get one thread for good: a search's own matrices are small, and where cores are busy their threads
    wait for each other far longer than they compute.
    """
    torch.set_num_threads(threads)
    one_thread()
    choose(precision)
    torch.use_deterministic_algorithms(True)
    # with that, torch writes NaN into new memory, for programs that read what they never wrote: a sixth of a step
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False


def environment() -> dict[str, Any]:
    """Commit, versions and machine, as plain data."""
    return {
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "cuda": torch.version.cuda if torch.cuda.is_available() else None,
        "tf32": _tf32() if torch.cuda.is_available() else None,
        "kernels": _kernels() if torch.cuda.is_available() else None,
        "graphs": means.graphs() if torch.cuda.is_available() else None,
        "platform": platform.platform(),
        "processor": _processor(),
    }


def _kernels() -> str | None:
    """What compiles this package's own kernels for CUDA; None where torch's operations take their place."""
    try:
        return f"triton {version('triton')}" if means.kernels() else None
    except PackageNotFoundError:
        return None


def _tf32() -> list[str]:
    """What CUDA computes with TF32 instead of single precision: torch's default has convolutions."""
    allowed = {"convolutions": torch.backends.cudnn.allow_tf32, "products": torch.backends.cuda.matmul.allow_tf32}
    return [name for name, is_allowed in allowed.items() if is_allowed]


@cache
def _commit() -> str | None:
    """The commit of the checkout, with ``+changes`` if files differ from it.

    Outside of one it is what CONAS_COMMIT says, as in an image of the Dockerfile, or None.
    """
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--abbrev=40", "--dirty=+changes"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("CONAS_COMMIT") or None


@cache
def _processor() -> str:
    """The processor and the instructions that torch uses of it, on which the bits depend."""
    return f"{_model()} ({torch.backends.cpu.get_cpu_capability()})"


def _model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
