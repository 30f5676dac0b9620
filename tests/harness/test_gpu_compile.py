import os
import subprocess
import sys

import pytest

pytest.importorskip("triton")


@pytest.mark.parametrize(
    ("kernel", "capability"),
    [
        pytest.param("separable_forward", ["80"], marks=pytest.mark.slow),
        ("depthwise_backward", ["90"]),
        ("node", ["80", "90"]),
        ("node_backward", ["80", "90"]),
    ],
)
def test_the_largest_kernels_compile_without_a_gpu_and_fit_one(kernel, capability):
    real = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "harness.studies.gpu_compile", "--kernels", kernel]
    command += ["--capability", *capability, "--precision", "bf16"]
    done = subprocess.run(command, capture_output=True, text=True, env=real, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    assert {row[0] for row in rows} == set(capability)
    assert all(row[1] == kernel and all(map(str.isdigit, row[2:5])) for row in rows), "registers, spills, shared memory"
