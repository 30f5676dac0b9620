"""Comes before every import of the tests, and says what surroundings they have, wherever they run.

Triton reads once that kernels for GPUs run in its interpreter. That is slow, and what the tests compare are the bits of
a CPU, so they see no GPU. What a user exports for real work, the tests must not touch: a database, an account.
"""

import os

import pytest

os.environ.setdefault("TRITON_INTERPRET", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
for name in ("CONAS_MONGO_URL", "ZENODO_TOKEN"):
    os.environ.pop(name, None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """One worker more than cores: a quarter of its time a worker waits, for processes, databases and Slurm."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return 1 + (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
