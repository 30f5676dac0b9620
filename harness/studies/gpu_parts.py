"""The parts of `make gpu-check`: what each found, what is wrong with it, and the table of all."""

import gc
import re
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from conas import means
from harness.records.files import write_json

_KEPT_GIB = 0.25
"""What a part may leave on the device: workspaces of cuBLAS, but no model."""

Judge = Callable[[Any], list[str]]
"""What is wrong with figures, each in a line."""


@dataclass
class Check:
    """What was found so far, kept in the file ``out``; no part starts after ``seconds``, nor on a device that failed.

    Attributes:
        only: a regular expression; parts whose names have no match are not of this check.
    """

    seconds: float
    out: Path
    device: str
    only: str = ""
    results: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    hours: dict[str, float] = field(default_factory=dict)
    start: float = field(default_factory=time.monotonic)
    has_failed: bool = False

    def part(self, name: str, work: Callable[[], Any], wrong: Judge | None = None) -> None:
        """Do a part, or say in a line why not; a part that is judged by ``wrong`` has failed if it is not done."""
        if not re.search(self.only, name):
            return
        before = time.monotonic()
        if self.has_failed or before - self.start > self.seconds:
            why = "the device has failed" if self.has_failed else "no time left"
            (self.failures if wrong else self.left_out).append(f"{name}: {why}")
            return
        held = torch.cuda.memory_allocated()
        means.forget()
        try:
            self.results[name] = work()
        except Exception as error:
            self.results[name] = {"failed": traceback.format_exc()}
            found, complaints = "", [_in_a_line(error)]
        else:
            found, complaints = _short(self.results[name]), _judged(self.results[name], wrong)
        complaints += [f"{what} replaced by torch's calls: {why}" for what, why in means.replaced().items()]
        complaints += self._left(held)
        self.failures += [f"{name}: {line}" for line in complaints]
        self.save()
        print(f"{time.monotonic() - before:6.1f} s  {name}: {found}", flush=True)
        for line in complaints:
            print(f"          FAILED {line}", flush=True)

    def _left(self, held: int) -> list[str]:
        """What is wrong with the device behind a part that began with ``held`` bytes allocated."""
        gc.collect()
        try:
            if torch.cuda.is_initialized():
                torch.cuda.synchronize()
            torch.cuda.empty_cache()
        except RuntimeError as error:  # as every call from now on
            self.has_failed = True
            return [f"the device has failed, other parts need another process (--only): {_in_a_line(error)}"]
        kept = (torch.cuda.memory_allocated() - held) / 2**30
        return [f"{kept:.2f} GiB of the device's memory was not given back"] if kept > _KEPT_GIB else []

    def save(self) -> None:
        """Write everything to ``out``."""
        told = {"device": self.device, "parts": self.results, "hours": self.hours}
        write_json(self.out, told | {"failures": self.failures, "left_out": self.left_out})

    @property
    def table(self) -> list[str]:
        """The lines of the table of all parts."""
        lines = [f"{'':34}{'ms':>9}{'kernels':>9}{'busy':>7}{'GiB':>7}"]
        for name, found in self.results.items():
            if isinstance(found, dict) and "ms" in found:
                busy = found["busy_ms"] / found["ms"]
                lines.append(f"{name:34}{found['ms']:9.2f}{found['kernels']:9.0f}{busy:7.0%}{found['gib']:7.2f}")
        told = "hours, training steps and measurements alone"
        lines += [f"{name:34}{value:9.2f} {told}" for name, value in self.hours.items()]
        return lines + [f"left out {line}" for line in self.left_out] + [f"FAILED {line}" for line in self.failures]


def _judged(figures: Any, wrong: Judge | None) -> list[str]:
    """What ``wrong`` says; figures that it cannot read, such as a missing one, are wrong, too."""
    try:
        return wrong(figures) if wrong else []
    except Exception as error:
        return [_in_a_line(error)]


def _in_a_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def _short(found: Any) -> str:
    """Figures in a line; parts of them that are tables have said theirs."""
    if not isinstance(found, dict):
        return str(found)
    plain = {name: value for name, value in found.items() if not isinstance(value, dict | list)}
    return ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in plain.items())
