"""Augmentation of images that lie on a device: the pixels of `harness.data.augment`, from the same random numbers."""

import torch
from torch import Tensor

from harness.data.augment import COLUMN, FLIP, HOLE_COLUMN, HOLE_ROW, ROW, Augmenter, normalise


def augment(augmenter: Augmenter, images: Tensor, numbers: Tensor) -> Tensor:
    """Training images, as ``augmenter`` makes them.

    Takes uint8 images of shape (count, channels, height, width) in channels-last memory and the ``numbers`` of each,
    shape (count, 10), on one device; returns float32 ones of the same shape and memory.

    Raises:
        ValueError: AutoAugment, which needs the CPU.
    """
    if augmenter.auto_augment is not None:
        raise ValueError("AutoAugment works on the CPU only")
    batch = normalise(_crop(augmenter, images, numbers), augmenter.mean, augmenter.std)
    return _cut(batch, augmenter.cutout // 2, numbers) if augmenter.cutout else batch


def _crop(augmenter: Augmenter, images: Tensor, numbers: Tensor) -> Tensor:
    """Crop and mirror: one gathering of pixels."""
    count, channels, height, width = images.shape
    pad = augmenter.crop_padding
    padded = images.new_zeros(count, height + 2 * pad, width + 2 * pad, channels)
    padded[:, pad : pad + height, pad : pad + width] = images.permute(0, 2, 3, 1)
    along = torch.arange(width, device=images.device).expand(count, width)
    if augmenter.flip:
        along = torch.where(numbers[:, FLIP, None] < 0.5, along.flip(1), along)
    columns = along + _below(numbers[:, COLUMN], 2 * pad + 1)
    rows = torch.arange(height, device=images.device) + _below(numbers[:, ROW], 2 * pad + 1)
    every = torch.arange(count, device=images.device)[:, None, None]
    return padded[every, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _cut(batch: Tensor, reach: int, numbers: Tensor) -> Tensor:
    _, _, height, width = batch.shape
    inside = []
    for side, number in ((height, numbers[:, HOLE_ROW]), (width, numbers[:, HOLE_COLUMN])):
        centre, place = _below(number, side), torch.arange(side, device=batch.device)
        inside.append((place >= centre - reach) & (place < centre + reach))
    return batch.masked_fill((inside[0][:, :, None] & inside[1][:, None, :])[:, None], 0)


def _below(numbers: Tensor, bound: int) -> Tensor:
    """Numbers between 0 and 1 as integers from 0 to ``bound`` - 1, shape (count, 1)."""
    return (numbers * bound).long()[:, None]
