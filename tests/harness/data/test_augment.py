"""Augmentation against torchvision's functions, and independence of everything but seed, epoch and image."""

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms import AutoAugment, AutoAugmentPolicy

from conas.seeds import generator
from harness.data.augment import POLICIES, Augmenter, normalise
from harness.data.augment_on_device import augment
from harness.data.images import Images, load_images

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)


@pytest.fixture(scope="module")
def images() -> Images:
    """60 real digits as 32x32 colour images, unlike in every channel."""
    digits = load_images("digits", None).train.select(slice(60))
    large = digits.images.repeat_interleave(4, 2).repeat_interleave(4, 3)
    colour = torch.cat([large, large // 2, 255 - large], 1).contiguous(memory_format=torch.channels_last)
    return Images(colour, digits.labels, digits.indices * 7 + 3)


def one_by_one(augmenter: Augmenter, images: Images, epoch: int, seed: int) -> Tensor:
    """The same transform by torchvision's functions and a plain cutout, image by image."""
    numbers = generator(seed, "augment", epoch).random((int(images.indices.max()) + 1, 10), np.float32)
    rows = [
        _reference(augmenter, image, [float(number) for number in numbers[index]])
        for image, index in zip(images.images, images.indices.tolist(), strict=True)
    ]
    return torch.stack(rows)


def _reference(augmenter: Augmenter, image: Tensor, numbers: list[float]) -> Tensor:
    _, height, width = image.shape
    pad = augmenter.crop_padding
    top, left = (int(np.float32(number) * (2 * pad + 1)) for number in numbers[:2])
    image = reference.crop(reference.pad(image, [pad]), top, left, height, width)
    if augmenter.flip and numbers[2] < 0.5:
        image = reference.hflip(image)
    if augmenter.auto_augment:
        image = _torchvision_policy(augmenter.auto_augment, image, numbers)
    image = reference.normalize(image.float() / 255, augmenter.mean, augmenter.std)
    row, column = (int(np.float32(number) * side) for number, side in zip(numbers[3:5], (height, width), strict=True))
    reach = augmenter.cutout // 2
    for y in range(height):
        for x in range(width):
            if row - reach <= y < row + reach and column - reach <= x < column + reach:
                image[:, y, x] = 0
    return image


def _torchvision_policy(name: str, image: Tensor, numbers: list[float]) -> Tensor:
    policy = AutoAugment(AutoAugmentPolicy(name))
    chosen = int(np.float32(numbers[5]) * 25), torch.tensor(numbers[6:8]), torch.tensor([n >= 0.5 for n in numbers[8:]])
    policy.get_params = lambda transform_num: chosen
    return policy(image)


@given(
    padding=st.integers(0, 5),
    flip=st.booleans(),
    cutout=st.integers(0, 20),
    epoch=st.integers(0, 9),
    first=st.integers(0, 50),
)
@settings(max_examples=12)
def test_crop_flip_normalise_and_cutout_agree_with_torchvision(images, padding, flip, cutout, epoch, first):
    augmenter = Augmenter(MEAN, STD, padding, flip, cutout)
    part = images.select(slice(first, first + 10))
    augmented = augmenter(part.images, part.indices, epoch, seed=1)
    assert torch.allclose(augmented, one_by_one(augmenter, part, epoch, seed=1), rtol=0, atol=5e-7)
    assert augmented.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("policy", POLICIES)
def test_auto_augment_agrees_with_torchvision(images, policy):
    augmenter = Augmenter(MEAN, STD, cutout=16, auto_augment=policy)
    augmented = augmenter(images.images, images.indices, 2, seed=5)
    assert torch.allclose(augmented, one_by_one(augmenter, images, 2, seed=5), rtol=0, atol=5e-7)


@pytest.mark.parametrize("policy", [None, *POLICIES])
def test_an_image_is_treated_alike_in_any_batch(images, policy):
    augmenter = Augmenter(MEAN, STD, cutout=16, auto_augment=policy)
    whole = augmenter(images.images, images.indices, 4, seed=2)
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(images)))
    for batch in order.split(13):
        part = images.select(batch)
        fresh = Augmenter(MEAN, STD, cutout=16, auto_augment=policy)  # as another worker would have it
        for one in (augmenter, fresh):
            assert torch.equal(one(part.images, part.indices, 4, seed=2), whole[batch])


def test_seeds_and_epochs_differ_and_repeat(images):
    augmenter = Augmenter(MEAN, STD)
    made = {
        (seed, epoch): augmenter(images.images, images.indices, epoch, seed) for seed in range(2) for epoch in range(2)
    }
    assert not any(torch.equal(made[a], made[b]) for a in made for b in made if a != b)
    assert torch.equal(augmenter(images.images, images.indices, 0, 0), made[0, 0])


@pytest.mark.parametrize("policy", [None, *POLICIES])
def test_the_global_generators_are_neither_used_nor_changed(images, policy):
    augmenter = Augmenter(MEAN, STD, cutout=16, auto_augment=policy)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = augmenter(images.images, images.indices, 0, seed=0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(augmenter(images.images, images.indices, 0, seed=0), first)


def test_crops_flips_and_holes_are_uniform():
    count = 20_000
    ramp = torch.arange(1, 65, dtype=torch.uint8).reshape(1, 1, 8, 8).expand(count, 1, 8, 8)
    augmented = Augmenter((0.0,), (1 / 255,), 2, True, 0)(ramp, torch.arange(count), 0, seed=0).round().to(torch.int64)
    centres = torch.bincount(augmented[:, 0, 4, 4], minlength=65)
    assert (centres > 0).sum() == 30  # 5 rows and 5 columns, and as many mirrored, of which 4 columns coincide
    cut = Augmenter((0.0,), (1.0,), 0, False, 2)(torch.full_like(ramp, 255), torch.arange(count), 0, seed=0)
    holes = (cut == 0).sum((0, 1)) / count
    assert holes[:-1, :-1].min() > 0.02
    assert holes.max() < 4.6 / 64


def test_grey_images_and_other_sizes(images):
    grey = images.images[:, :1, 2:30, 2:30].contiguous()
    augmented = Augmenter((0.286,), (0.353,), cutout=16)(grey, images.indices, 0, seed=0)
    assert augmented.shape == (60, 1, 28, 28)


def test_evaluation_only_normalises(images):
    plain = reference.normalize(images.images.float() / 255, MEAN, STD)
    assert torch.allclose(normalise(images.images, MEAN, STD), plain, rtol=0, atol=5e-7)
    assert normalise(images.images, MEAN, STD).is_contiguous(memory_format=torch.channels_last)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="crop_padding is -1"):
        Augmenter(MEAN, STD, crop_padding=-1)
    with pytest.raises(ValueError, match="cutout is -2"):
        Augmenter(MEAN, STD, cutout=-2)
    with pytest.raises(ValueError, match="did you mean 'cifar10'"):
        Augmenter(MEAN, STD, auto_augment="cifar100")


@pytest.mark.parametrize("treatment", [{"cutout": 16}, {"cutout": 7, "flip": False}, {"crop_padding": 0}], ids=repr)
def test_the_same_pixels_on_a_device(images: Images, treatment: dict[str, int]) -> None:
    augmenter = Augmenter(MEAN, STD, **treatment)
    numbers = torch.from_numpy(augmenter.numbers(images.indices, 3, 1))
    assert torch.equal(augment(augmenter, images.images, numbers), augmenter(images.images, images.indices, 3, 1))
