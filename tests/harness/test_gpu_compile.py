import os
import subprocess
import sys

import pytest

pytest.importorskip("triton")


@pytest.mark.parametrize(
    ("network", "kernels", "capability"),
    [
        pytest.param("one-shot", ["separable_forward"], ["80"], marks=pytest.mark.slow),
        pytest.param("final", ["separable_forward", "depthwise_backward"], ["90"], marks=pytest.mark.slow),
        ("one-shot", ["depthwise_backward"], ["90"]),
        ("one-shot", ["squares", "sgd"], ["90"]),
        ("final", ["pointwise_backward", "statistics", "norm_gradients"], ["90"]),
        ("recurrent", ["node", "node_backward"], ["80", "90"]),
    ],
)
def test_kernels_compile_without_a_gpu_and_fit_one(network, kernels, capability):
    real = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "harness.studies.gpu_compile", "--networks", network, "--kernels", *kernels]
    command += ["--capability", *capability, "--precision", "bf16"]
    done = subprocess.run(command, capture_output=True, text=True, env=real, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    assert {row[0] for row in rows} == set(capability)
    assert {row[1] for row in rows} == set(kernels)
    assert all(all(map(str.isdigit, row[2:5])) for row in rows), "registers, spills, shared memory"
