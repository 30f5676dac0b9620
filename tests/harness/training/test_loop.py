"""Losses that are known at once and losses that are read later, in one training."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.console.progress import Reporter
from harness.records.checkpoint import Checkpoints
from harness.records.metrics import Metrics
from harness.training.loop import DivergedError, fit


class Mixed:
    """Two steps leave their losses on a device, the next two do not; the first loss of the second step is NaN."""

    epochs = 1

    def __init__(self, recovers: bool) -> None:
        self._recovers, self.made = recovers, list[int]()

    def steps(self, epoch: int) -> int:
        return 4

    def step(self, epoch: int, step: int) -> float | torch.Tensor:
        loss = math.nan if step == 1 and step not in self.made else float(step)
        self.made.append(step)
        return torch.tensor(loss) if len(self.made) < 3 else loss

    def recover(self) -> bool:
        return self._recovers

    def finish_epoch(self, epoch: int) -> dict[str, float]:
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {}


def trained(trainee: Any, folder: Path) -> float:
    rows = Metrics(folder / "metrics.jsonl")
    return fit(trainee, "test", Checkpoints(folder, "test", print), rows, Reporter()).history[0]["train_loss"]


def test_a_loss_that_is_read_late_is_of_its_own_step(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="at epoch 1, step 2"):
        trained(Mixed(recovers=False), tmp_path)


def test_a_step_that_followed_one_that_is_given_up_is_made_again(tmp_path: Path) -> None:
    trainee = Mixed(recovers=True)
    assert trained(trainee, tmp_path) == 1.5
    assert trainee.made == [0, 1, 2, 1, 2, 3]
