import os
import time

import pytest
import torch

from harness.studies import gpu_together
from harness.studies.gpu_together import steps_per_second


class Trainee:
    def step(self, epoch: int, step: int) -> torch.Tensor:
        return torch.zeros(()) + step


class Broken:
    def step(self, epoch: int, step: int) -> torch.Tensor:
        os._exit(1)


class Hanging:
    def step(self, epoch: int, step: int) -> torch.Tensor:
        time.sleep(600)
        return torch.zeros(())


def test_a_process_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_together, "_LIMIT_S", 1.0)
    with pytest.raises(RuntimeError, match="of 1 processes on one device, 1 failed"):
        steps_per_second(1, Hanging)


def test_processes_train_at_the_same_time_and_one_that_fails_is_told() -> None:
    assert steps_per_second(2, Trainee) > 0
    with pytest.raises(RuntimeError, match="of 1 processes on one device, 1 failed"):
        steps_per_second(1, Broken)
