"""The one-shot CNN as the authors' released code trains and measures it, against numbers that code gave.

They were recorded in float64 from SearchCNN of chomd90/CoNAS_release (1df9f24) under its SGD: weights, images, labels
and sub-networks as below, four steps at the learning rate 0.025, then three measurements.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from conas.cnn.measuring import Measurer
from conas.cnn.one_shot import WholeOneShotCNN
from conas.space import Alpha, space

LOSSES = [14.42855796457586, 12.65179602709, 10.242481323527738, 7.422799531195044]
NORMS = [80.8879180603419, 70.27955828373686, 71.36595675273428, 62.98587578096851]
WEIGHTS = [80.96561589084098, -7794.144686903021]
STATISTICS = [1259205.4419617965, 83808.96485902111]
MEASURED = [20.347800458311585, 14.34147831926583, 5.231326447737705]


def model_and_rng() -> tuple[WholeOneShotCNN, np.random.Generator]:
    rng = np.random.default_rng(0)
    model = WholeOneShotCNN(space("cnn-release"), 4, 3, 10, seed=0).double()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if "running" not in name and "tracked" not in name and not name.startswith("factors"):
                tensor.copy_(torch.from_numpy(rng.normal(0, 0.3, tuple(tensor.shape))))
    return model, rng


def checksums(model: nn.Module, *parts: str) -> float:
    tensors = [t for name, t in model.state_dict().items() if any(part in name for part in parts)]
    return float(sum((tensor.sum() * (1 + i) for i, tensor in enumerate(tensors)), torch.zeros(())))


def test_training_and_measuring_are_those_of_the_released_code() -> None:
    model, rng = model_and_rng()
    images = torch.from_numpy(rng.normal(size=(5, 8, 3, 16, 16)))
    labels = torch.from_numpy(rng.integers(10, size=(5, 8)))
    alphas: Alpha = np.where(rng.random((7, 196)) < 0.5, 1, -1).astype(np.int8)
    optimizer = torch.optim.SGD(model.parameters(), 0.025, momentum=0.9, weight_decay=3e-4)
    for step in range(4):
        model.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(images[step], alphas[step]), labels[step])
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()
        assert [loss.item(), float(norm)] == pytest.approx([LOSSES[step], NORMS[step]], rel=1e-9)
    weights = [t.detach() for name, t in model.named_parameters() if not name.startswith("factors")]
    assert float(torch.stack([w.norm() for w in weights]).norm()) == pytest.approx(WEIGHTS[0], rel=1e-9)
    assert float(sum((1 + i) * w.sum() for i, w in enumerate(weights))) == pytest.approx(WEIGHTS[1], rel=1e-9)
    statistics = [checksums(model, "running_var"), checksums(model, "running_mean")]
    assert statistics == pytest.approx(STATISTICS, rel=1e-9)
    measured = Measurer(model, [(images[4], labels[4])]).losses(alphas[4:])
    assert measured.tolist() == pytest.approx(MEASURED, rel=1e-9)
