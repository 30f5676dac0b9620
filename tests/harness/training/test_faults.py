"""What goes wrong with a CUDA device ends in one line, and a run that it befalls can go on."""

import pytest
import torch

from conas.cnn.cuda import fused
from conas.refusal import Refused
from harness.config.load import ConfigError
from harness.training.environment import device, environment
from harness.training.faults import told, why_not


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), "out of memory.*final.accumulate=2"),
        (RuntimeError("CUDA error: unspecified launch failure\nCompile with"), "failed .*launch failure.; the same"),
    ],
)
def test_a_line_for_a_fault(error: Exception, line: str) -> None:
    with pytest.raises(Refused, match=line) as raised, told():
        raise error
    assert "\n" not in str(raised.value)


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(RuntimeError, match="shapes"), told():
        raise RuntimeError("shapes differ")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_why_there_is_no_cuda() -> None:
    with pytest.raises(ConfigError, match=r"device='cuda' is not on this machine: .*allowed: auto, cpu") as raised:
        device("cuda")
    assert why_not() in str(raised.value)
    assert "\n" not in str(raised.value)


def failing(error: Exception) -> None:
    raise error


def test_a_full_device_is_no_reason_for_other_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONAS_KERNELS", "1")
    with pytest.raises(torch.OutOfMemoryError):
        fused(lambda: failing(torch.OutOfMemoryError("CUDA out of memory")))
    with pytest.warns(RuntimeWarning, match="no fused kernels, so this is slower: ValueError"):
        assert fused(lambda: failing(ValueError("no such operation"))) is None


def test_the_means_on_which_bits_depend_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("CONAS_KERNELS", "1")
    monkeypatch.setenv("CONAS_GRAPHS", "0")
    pytest.importorskip("triton")
    assert environment()["kernels"].startswith("triton ")
    assert environment()["graphs"] is False
    monkeypatch.setenv("CONAS_KERNELS", "0")
    assert environment()["kernels"] is None
