"""Minibatches made on a device are those made on the CPU."""

import torch

from harness.data.augment import Augmenter
from harness.data.images import Images, load_images
from harness.training.image.batches import DeviceBatches, ShuffledBatches


def test_the_same_minibatches() -> None:
    data = load_images("digits", None)
    part = Images(data.train.images[5:105], data.train.labels[5:105], data.train.indices[5:105])
    kinds = (ShuffledBatches, DeviceBatches)
    plain, ours = (kind(part, Augmenter(data.mean, data.std, 2), 32, 7, torch.device("cpu")) for kind in kinds)
    for epoch, step in ((0, 0), (0, 3), (1, 0), (0, 1)):
        for expected, found in zip(plain(epoch, step), ours(epoch, step), strict=True):
            assert torch.equal(found, expected)
            assert found.stride() == expected.stride()
