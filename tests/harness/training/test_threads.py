"""How many threads a run's libraries use."""

import torch
from threadpoolctl import threadpool_info

from conas.recovery.threads import one_thread
from harness.training.environment import make_deterministic


def test_torch_has_the_threads_of_the_setting_and_numpy_one() -> None:
    make_deterministic(2)
    with one_thread():  # the recovery's own limit, after which the run's is still there
        pass
    blas = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    assert (torch.get_num_threads(), set(blas)) == (2, {1})
