"""What `make gpu-check` finds of the fused kernels of the one-shot CNN, in Triton's interpreter."""

import pytest

pytest.importorskip("triton")

from harness.studies.gpu_cnn import Setting, complaints, parity


@pytest.fixture
def small() -> Setting:
    return Setting(4, 3, 2, 4, of="cnn-tiny", device="cpu")


def test_a_right_step_is_within_its_limits_and_a_wrong_one_is_not(small, monkeypatch):
    figures = parity(small, "float32")
    assert figures["gradient median"] > 0
    assert complaints({"parity, float32": figures}) == []
    monkeypatch.setattr(small, "fused", lambda precision, fused=small.fused: _slow(*fused(precision)))
    assert {line.split()[2] for line in complaints({"parity, float32": parity(small, "float32")})} == {"update"}


def _slow(model, step):
    step.step = lambda *given, right=step.step: right(*given[:3], given[3] / 2)
    return model, step


def test_what_failed_and_what_does_not_repeat_is_said_in_a_line_each():
    results = {
        "parity, tf32": {"failed": "KernelError: sgd: no\nmore", "trace": []},
        "speed, tf32": {"ms per step": 1.0},
        "bits, bf16": {"repeat": False, "losses": []},
    }
    assert complaints(results) == ["parity, tf32: KernelError: sgd: no", "bits, bf16: repeat: no"]
