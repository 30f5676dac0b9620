"""The setting ``precision``: what it has torch compute with, where it is refused, and that runs tell it apart."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from conas.questions import OneShot
from conas.sampling import Bernoulli
from harness import run
from harness.config.load import ConfigError, load
from harness.training.answers import answering
from harness.training.environment import environment, make_deterministic
from harness.training.image import ImageTask
from harness.training.precision import Precision
from harness.training.sgd import SgdTraining

DIGITS: dict[str, Any] = {"dataset": "digits", "profile": "smoke"}


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    make_deterministic(threads)


@pytest.mark.parametrize(
    ("precision", "tf32"),
    [
        ("torch", ["convolutions"]),
        ("float32", []),
        ("tf32", ["convolutions", "products"]),
        ("bf16", ["convolutions"]),
    ],
)
def test_what_torch_computes_with_on_cuda_and_the_record(
    precision: str, tf32: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_deterministic(torch.get_num_threads(), precision)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert environment()["tf32"] == tf32


def test_runs_of_another_precision_are_others() -> None:
    keys = {load({**DIGITS, "precision": precision}).key for precision in ("torch", "float32", "tf32", "bf16")}
    assert len(keys) == 4
    assert load(DIGITS).key in keys
    assert "precision" not in load(DIGITS).identity


@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_what_a_cpu_does_not_have_is_refused_before_any_work(
    precision: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(SgdTraining, "step", lambda *_: pytest.fail("a step of training"))
    typed = f"with dataset=digits profile=smoke device=cpu precision={precision} runs_dir={tmp_path}"
    assert run.main(typed.split()) == 1
    said = f"error: precision={precision} is for CUDA devices; a CPU computes in float32 (allowed: torch, bf16)\n"
    assert capsys.readouterr().err.endswith(said)
    assert not list(tmp_path.rglob("record.json"))


def test_of_language_models() -> None:
    assert load({"dataset": "ptb", "profile": "paper", "precision": "tf32"}).key
    with pytest.raises(ConfigError, match=r"precision.*'torch' or 'tf32'"):
        load({"dataset": "ptb", "profile": "paper", "precision": "bf16"})


def first_loss(precision: str) -> float:
    config: Any = load({**DIGITS, "device": "cpu", "precision": precision})
    question = OneShot(Bernoulli(0.5))
    return float(answering("image", OneShot).training(ImageTask(config), question).step(0, 0))


def test_a_pass_in_bfloat16_is_near_one_in_float32_and_is_not_it() -> None:
    exact, rounded = first_loss("torch"), first_loss("bf16")
    assert exact != rounded
    assert exact == pytest.approx(rounded, rel=0.02)


@pytest.mark.parametrize("precision", ["torch", "float32", "tf32", "bf16"])
def test_kernels_have_every_precision(precision: str) -> None:
    pytest.importorskip("triton")
    from conas.cnn.cuda.network import PRECISIONS

    chosen = Precision(precision, torch.device("cuda"))
    assert {chosen.of_training(), chosen.of_measuring} <= set(PRECISIONS)
