"""What does not work on a CUDA device is replaced by torch's calls: to the same bits, said once, and recorded."""

import sys
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

pytest.importorskip("triton")

from conas import graphs, means
from conas.cnn.cuda import fused, kernels, plan
from conas.graphs import Graphs, captured
from conas.rnn import cell
from harness.config.load import load
from harness.console.progress import Reporter
from harness.execution.execute import execute
from harness.studies import gpu
from harness.studies.gpu_limits import beyond
from harness.studies.gpu_parts import Check
from harness.training.image import fused_final

without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")


class Broken:
    """A kernel that does not compile."""

    def __init__(self, kernel: Any) -> None:
        self.arg_names, self.__name__ = kernel.arg_names, kernel.__name__

    def warmup(self, **_: Any) -> None:
        raise ValueError('at 3:8:\n    d = tl.dot(a, b)\n        ^\nthis device has no "dot"')


@pytest.fixture(autouse=True)
def _nothing_noted() -> None:
    means.forget()
    means._warn.cache_clear()


def smoke(folder: Path) -> Any:
    sizes = {"data": {"train_limit": 200}, "oneshot": {"epochs": 1}, "search": {"m": 20}, "final": {"epochs": 1}}
    return load({"dataset": "digits", "profile": "smoke", "device": "cpu", "runs_dir": str(folder), **sizes})


def test_a_kernel_that_does_not_compile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = execute(smoke(tmp_path / "plain"), Reporter())
    assert "replaced" not in plain.environment
    monkeypatch.setenv("CONAS_KERNELS", "1")
    monkeypatch.setattr(fused_final, "is_there", lambda tensor: True)
    monkeypatch.setattr(kernels, "separable_forward", Broken(kernels.separable_forward))
    why = 'KernelError: separable_forward: ValueError: this device has no "dot"'
    kinds = ["kernels for training steps", "kernels for measurements", "kernels for final networks"]
    with pytest.warns(RuntimeWarning) as said:
        replaced = execute(smoke(tmp_path / "replaced"), Reporter())
    assert [str(warning.message) for warning in said if "kernels" in str(warning.message)] == [
        f"{kind} cannot be used here, so this is slower: {why}" for kind in kinds
    ]
    assert replaced.environment["replaced"] == dict.fromkeys(kinds, why)
    assert (replaced.genotype, replaced.metrics) == (plain.genotype, plain.metrics)


def test_several_kernels_compiled_at_once_name_the_one_that_fails() -> None:
    fine = plan.Bound(kernels.squares, (1,), {})
    broken = plan.Bound(Broken(kernels.sgd), (1,), {})
    plan.compile_all([fine, fine], 2)
    with pytest.raises(plan.KernelError, match=r'^sgd: ValueError: this device has no "dot"$'):
        plan.compile_all([fine, broken, fine], 2)


def test_a_kernel_that_fails_beside_others_is_named() -> None:
    mode = pytest.importorskip("triton.runtime._async_compile").active_mode
    later = Broken(kernels.sgd)
    kept = cache(lambda: mode.get().submit("sgd", later.warmup, lambda kernel: None))  # as Triton keeps it
    named = SimpleNamespace(__name__="sgd", warmup=lambda **_: kept())
    fine, broken = plan.Bound(kernels.squares, (1,), {}), plan.Bound(named, (1,), {})
    with pytest.raises(plan.KernelError, match=r'^sgd: ValueError: this device has no "dot"$'):
        plan.compile_all([fine, broken, fine], 2)


@without_cuda
def test_kernels_for_recurrent_cells_where_they_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONAS_KERNELS", "1")
    with pytest.warns(RuntimeWarning, match="kernels for recurrent cells cannot be used here") as said:
        assert [cell.kernels_work(torch.device("cuda"), ["tanh"]) for _ in range(3)] == [False] * 3
    assert len(said) == 1
    assert list(means.replaced()) == ["kernels for recurrent cells"]
    cell._fault.cache_clear()


@without_cuda
def test_a_graph_that_cannot_be_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(Graphs, "_due", lambda own, shape, device: own.enabled and shape.calls == graphs._PLAIN_CALLS)
    state = torch.zeros(2)
    plain = [Graphs(lambda x: x + state.add_(1)), Graphs(lambda x: 2 * x)]
    with pytest.warns(RuntimeWarning, match="^CUDA graphs cannot be used here, so this is slower: ") as said:
        found = [[graph(torch.ones(2)).tolist() for _ in range(5)] for graph in plain]
    assert found == [[[float(i + 2)] * 2 for i in range(5)], [[2.0, 2.0]] * 5]
    assert len(said) == 1
    assert not any(graph.enabled or graph.captured for graph in plain)
    assert captured(lambda: state) == (None, None)


def test_gpu_check_goes_on_and_says_what_was_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONAS_KERNELS", "1")
    done = Check(60, tmp_path / "check.json", "a device")

    def timed() -> dict[str, float]:
        with pytest.warns(RuntimeWarning, match="cannot be used here"):
            fused("training steps", lambda: plan.Bound(Broken(kernels.sgd), (1,), {}).compile())
        return {"ms": 1.0}

    done.part("a step, fused", timed)
    done.part("another", dict)
    done.part("a third", lambda: 1 // 0)
    done.part("right", lambda: {"bits": True, "loss": 2.0}, lambda found: beyond(found, {"bits": True, "loss": 1.0}))
    done.part("right, too", lambda: {"loss": 0.5}, lambda found: beyond(found, {"loss": 1.0}))
    done.seconds = 0
    done.part("how long", dict)
    done.part("how right", dict, lambda found: [])
    assert done.left_out == ["how long: no time left"]
    assert done.failures == [
        "a step, fused: kernels for training steps replaced by torch's calls: KernelError: sgd: ValueError: this "
        'device has no "dot"',
        "a third: ZeroDivisionError: integer division or modulo by zero",
        "right: loss 2, allowed 1",
        "how right: no time left",
    ]
    assert done.results["a step, fused"] == {"ms": 1.0}
    assert done.results["another"] == {}


@pytest.mark.parametrize(("error", "status"), [(0.5, 0), (2.0, 1), (float("nan"), 1)])
def test_gpu_check_fails_if_a_figure_does(
    error: float, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(tasks: gpu.Tasks, done: Check) -> None:
        done.part("right", lambda: {"error": error}, partial(beyond, limits={"error": 1.0}))

    for name in ("is_available", "get_device_name"):
        monkeypatch.setattr(torch.cuda, name, lambda: "a device")
    monkeypatch.setattr(gpu, "make_deterministic", lambda threads: None)
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path / "check.json")])
    monkeypatch.setattr(gpu, "check", check)
    with pytest.raises(SystemExit) as ended:
        gpu.main()
    assert ended.value.code == status


def test_hours_are_those_of_the_default_precision() -> None:
    results = {"PTB final step, fused": {"ms": 24.0}, "PTB final step, fused, tf32": {"ms": 8.0}}
    assert gpu._quickest({**results, "PTB final step, plain": {"failed": "at once"}}, "PTB final step") == 24.0
