"""What `make gpu-check` finds of the fused kernels of the one-shot CNN, in Triton's interpreter, and what it keeps."""

from functools import partial

import pytest
import torch

pytest.importorskip("triton")

from harness.studies import gpu_cnn
from harness.studies.gpu_cnn import Setting, complaints, measuring, parity
from harness.studies.gpu_limits import REPEATED, beyond
from harness.studies.gpu_parts import Check


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


def test_all_measurements_are_compared_and_made_twice(small, monkeypatch):
    monkeypatch.setattr(gpu_cnn, "_MEASURED", 2)
    monkeypatch.setattr(gpu_cnn, "_ALPHAS", 2)
    assert complaints({"measuring, float32": measuring(small, "float32")}) == []
    right, factors = gpu_cnn.Evaluation.losses, iter((1.1, 1.2))
    monkeypatch.setattr(gpu_cnn.Evaluation, "losses", lambda *given: right(*given) * torch.tensor([1.0, next(factors)]))
    wrong = complaints({"measuring, float32": measuring(small, "float32")})
    assert wrong == ["measuring, float32: worst error 0.1, allowed 0.001", "measuring, float32: repeat: no"]


def test_what_failed_and_what_does_not_repeat_is_said_in_a_line_each():
    results = {
        "parity, tf32": {"failed": "KernelError: sgd: no\nmore", "trace": []},
        "speed, tf32": {"ms per step": 1.0},
        "bits, bf16": {"repeat": False, "losses": []},
    }
    assert complaints(results) == ["parity, tf32: KernelError: sgd: no", "bits, bf16: repeat: no"]


def test_figures_that_cannot_be_judged_are_kept(tmp_path):
    done = Check(60, tmp_path / "check.json", "cpu")
    done.part("two runs", lambda: {"ms": 1.5}, partial(beyond, limits=REPEATED))
    done.part("three runs", lambda: 1 / 0)
    assert done.results["two runs"] == {"ms": 1.5}
    assert "ZeroDivisionError" in done.results["three runs"]["failed"]
    assert done.failures == ["two runs: KeyError: 'same bits'", "three runs: ZeroDivisionError: division by zero"]
    assert done.out.exists()


def test_on_a_device_that_has_failed_the_check_ends_with_its_table(tmp_path, monkeypatch):
    done = Check(60, tmp_path / "check.json", "cuda")
    done.part("a row", lambda: {"ms": 1.5, "busy_ms": 1.0, "kernels": 3.0, "gib": 0.5})

    def illegal():
        raise RuntimeError("CUDA error: an illegal memory access\nmore")

    monkeypatch.setattr(torch.cuda, "empty_cache", illegal)
    done.part("a kernel", illegal)
    done.part("another row", dict)
    done.part("right, something", dict, lambda figures: [])
    assert done.failures == [
        "a kernel: RuntimeError: CUDA error: an illegal memory access",
        "a kernel: the device has failed, other parts need another process (--only): "
        "RuntimeError: CUDA error: an illegal memory access",
        "right, something: the device has failed",
    ]
    assert done.left_out == ["another row: the device has failed"]
    assert done.table[1].split() == ["a", "row", "1.50", "3", "67%", "0.50"]
    assert done.out.exists()


def test_parts_are_chosen_by_their_names(tmp_path):
    done = Check(60, tmp_path / "check.json", "cpu", only="^(?!.*final)")
    for name in ("final CNN step, fused", "PTB one-shot step, fused", "right, final CNN"):
        done.part(name, dict, lambda figures: [])
    assert list(done.results) == ["PTB one-shot step, fused"]
    assert done.failures == []


def test_projected_hours_say_what_they_are_of(tmp_path):
    done = Check(60, tmp_path / "check.json", "cpu", hours={"cifar10: search": 0.11})
    assert done.table[-1].endswith("0.11 hours, training steps and measurements alone")
