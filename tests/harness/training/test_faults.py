"""What goes wrong with a CUDA device ends in one line, and a run that it befalls can go on."""

import itertools
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from conas.architecture import architecture
from conas.cnn.cuda import fused
from conas.refusal import Refused
from conas.rnn import cell
from harness import run
from harness.config.load import ConfigError, load
from harness.console.progress import Reporter
from harness.execution import summary
from harness.execution.execute import execute
from harness.launch import child
from harness.launch.local import JobList
from harness.launch.pool import Job
from harness.records.store import Store
from harness.training.environment import device, environment
from harness.training.faults import device_faults, fitting, why_not
from harness.training.sgd import SgdTraining
from harness.training.task import final_training, load_task


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), "out of memory.*: a smaller one"),
        (RuntimeError("CUDA error: out of memory\nCompile with"), "out of memory.*: a smaller one"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), "out of memory.*: a smaller one"),
        (RuntimeError("CUDA error: unspecified launch failure\nCompile with"), "failed .*launch failure.; the same"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "failed .*; the same command goes on"),
        (RuntimeError("Triton Error [CUDA]: an illegal memory access was encountered"), "failed .*; the same command"),
    ],
)
def test_a_line_for_a_fault(error: Exception, line: str) -> None:
    with pytest.raises(Refused, match=line) as raised, device_faults("a smaller one"):
        raise error
    assert "\n" not in str(raised.value)


LOST = "CUDA error: unspecified launch failure\nSearch for `cudaErrorLaunchFailure' in the documentation."


def lost() -> RuntimeError:
    return getattr(torch, "AcceleratorError", RuntimeError)(LOST)


@pytest.mark.parametrize(
    ("dataset", "section", "line"),
    [
        ("cifar10", "final", "final.accumulate=2 keeps the batch of 96, 48 at a time"),
        ("cifar10", "oneshot", "oneshot.batch_size=32 takes about half of what 64 does"),
        ("ptb", "final", "final.batch_size=64 takes about half of what 128 does"),
    ],
)
def test_what_fits(dataset: str, section: str, line: str) -> None:
    config = load({"dataset": dataset, "profile": "paper"})
    assert fitting(config, section) == line
    name, value = line.split()[0].split("=")
    assert load({"dataset": dataset, "profile": "paper", name: value}).key != config.key


SMOKE = {"dataset": "digits", "method": "fixed", "profile": "smoke", "device": "cpu", "final.epochs": 3}


def fails_at(monkeypatch: pytest.MonkeyPatch, call: int, error: Exception) -> None:
    """The step of a training that is made as number ``call`` from now on raises what a device would raise there."""
    step, calls = SgdTraining.step, itertools.count()

    def failing(self: SgdTraining, epoch: int, number: int) -> object:
        if next(calls) == call:
            raise error
        return step(self, epoch, number)

    monkeypatch.setattr(SgdTraining, "step", failing)


def test_a_run_goes_on_after_its_device_was_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = execute(load({**SMOKE, "runs_dir": str(tmp_path / "whole")}), Reporter())
    config = load({**SMOKE, "runs_dir": str(tmp_path / "lost")})
    steps = final_training(load_task(config), architecture(whole.genotype or {})).steps(0)
    with monkeypatch.context() as patch:
        fails_at(patch, steps + 1, lost())
        with pytest.raises(Refused, match=r"^the device failed \(CUDA error: unspecified launch failure\); the same"):
            execute(config, Reporter())
    record = Store(tmp_path / "lost").run(config.id).record()
    assert record is not None
    assert record.status == "interrupted", "it says nothing against the run"
    assert "unspecified launch failure" in (record.reason or "")
    made = itertools.count()
    step = SgdTraining.step
    monkeypatch.setattr(SgdTraining, "step", lambda *given: (next(made), step(*given))[1])
    again = execute(config, Reporter())
    assert (again.status, again.metrics, again.weights) == ("done", whole.metrics, whole.weights)
    assert next(made) == 2 * steps, "the first epoch was kept"


def test_launchers_try_again_what_a_device_has_ended_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, said = load({**SMOKE, "runs_dir": str(tmp_path)}), list[str]()
    job = Job(config.id, "sweep", config.model_dump(mode="json"), None, "model", "a run")
    source = JobList([job], [], retries=1, say=said.append)
    for _ in range(2):
        assert source.take() == job
        with monkeypatch.context() as patch:
            fails_at(patch, 0, lost())
            assert child._make(job.config, job.folder.path) == child.FAULT
        source.ended(job, "fault")
    why = "its device failed or was full: the device failed (CUDA error: unspecified launch failure)"
    assert next(line for line in said if line.startswith("again")).startswith(f"again a run ({config.id}): {why}")
    record = job.folder.record()
    assert record is not None
    assert (record.status, len(record.attempts)) == ("failed", 2)
    assert (record.reason or "").startswith(why)


def test_a_full_device_ends_a_run_in_a_line_that_says_what_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fails_at(monkeypatch, 0, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."))
    typed = [f"{name}={value}" for name, value in SMOKE.items()]
    assert run.main(["with", *typed, f"runs_dir={tmp_path}"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: out of memory")
    assert "final.accumulate=2 keeps the batch of" in said


TOO_OLD = (
    "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by downloading "
    "and installing a new version from the URL: http://www.nvidia.com/Download/index.aspx"
)


def test_a_driver_that_is_too_old_is_said_before_a_run_on_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(summary, "has_driver", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "init", lambda: failing(RuntimeError(TOO_OLD)))
    summary.announce(load({**SMOKE, "device": "auto", "runs_dir": str(tmp_path)}), Reporter())
    said = "CUDA cannot be used: The NVIDIA driver on your system is too old (found version 11040)"
    assert said in capsys.readouterr().out.splitlines()
    with pytest.raises(ConfigError, match="not on this machine: The NVIDIA driver on your system is too old"):
        device("cuda")


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(RuntimeError, match="shapes"), device_faults():
        raise RuntimeError("shapes differ")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_why_there_is_no_cuda() -> None:
    with pytest.raises(ConfigError, match=r"device='cuda' is not on this machine: .*allowed: auto, cpu") as raised:
        device("cuda")
    assert why_not() in str(raised.value)
    assert "\n" not in str(raised.value)


def failing(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("CUDA error: out of memory\nCompile with"),
        RuntimeError("Triton Error [CUDA]: out of memory"),
    ],
)
def test_a_full_device_is_no_reason_for_other_bits(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = pytest.importorskip("conas.cnn.cuda.plan")
    monkeypatch.setenv("CONAS_KERNELS", "1")
    monkeypatch.setattr(cell, "import_module", lambda name: failing(error))
    kernel = SimpleNamespace(warmup=lambda **given: failing(error), __name__="sgd")
    with pytest.raises(type(error)) as raised:
        fused("steps", plan.Bound(kernel, (1,), {}).compile)
    assert raised.value is error
    with pytest.raises(type(error)):
        cell._fault(torch.device("cpu"))


def test_nothing_takes_the_place_of_kernels_on_a_device_that_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONAS_KERNELS", "1")
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: failing(lost()))
    with pytest.raises(type(lost()), match="unspecified launch failure"):
        fused("steps", lambda: failing(RuntimeError("sgd: an illegal memory access was encountered")))


def test_what_does_not_compile_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONAS_KERNELS", "1")
    with pytest.warns(RuntimeWarning, match="kernels for steps cannot be used here, so this is slower: ValueError: no"):
        assert fused("steps", lambda: failing(ValueError("no such operation"))) is None


def test_the_means_on_which_bits_depend_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("CONAS_KERNELS", "1")
    monkeypatch.setenv("CONAS_GRAPHS", "0")
    pytest.importorskip("triton")
    assert environment()["kernels"].startswith("triton ")
    assert environment()["graphs"] is False
    monkeypatch.setenv("CONAS_KERNELS", "0")
    assert environment()["kernels"] is None


@pytest.mark.parametrize(("name", "number"), [("cuda:1", 1), ("cuda", 0), ("auto", 0)])
def test_kernels_run_on_the_device_that_is_named(name: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    current = [1 - number]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: current[0])
    monkeypatch.setattr(torch.cuda, "set_device", lambda chosen: current.insert(0, chosen))
    assert device(name).type == "cuda"
    assert current[0] == number
