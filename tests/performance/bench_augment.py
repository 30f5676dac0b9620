"""An epoch of augmentation against torchvision's transforms in a DataLoader, interleaved in one process.

    python tests/performance/bench_augment.py [--data-dir data] [--images 5000] [--batch 96] [--rounds 5] [--out FOLDER]

Images are CIFAR-10's where ``--data-dir`` has them (any copy), else scikit-learn's digits enlarged to 32x32 in colour.
Times are scaled to an epoch of 50,000 images; ratios are those within a round.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from conas.seeds import generator
from harness.data.augment import Augmenter
from harness.data.images import Images, load_images
from harness.records.files import write_json

EPOCH = 50_000
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)
RECIPES = {
    "crop, flip": Augmenter(MEAN, STD),
    "crop, flip, cutout": Augmenter(MEAN, STD, cutout=16),
    "crop, flip, AutoAugment, cutout": Augmenter(MEAN, STD, cutout=16, auto_augment="cifar10"),
}


class Cutout:
    """A hole of 16x16 pixels, as a transform of one image."""

    def __call__(self, image: Tensor) -> Tensor:
        """Set the hole to zero."""
        row, column = torch.randint(32, (2,)).tolist()
        image[:, max(0, row - 8) : row + 8, max(0, column - 8) : column + 8] = 0
        return image


class OneByOne(Dataset[Tensor]):
    """The usual way: a PIL image, transformed when it is asked for."""

    def __init__(self, images: Images, recipe: Augmenter) -> None:
        steps = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
        steps += (
            [transforms.AutoAugment(transforms.AutoAugmentPolicy(recipe.auto_augment))] if recipe.auto_augment else []
        )
        steps += [transforms.ToTensor(), transforms.Normalize(MEAN, STD), *([Cutout()] if recipe.cutout else [])]
        self._pixels = images.images.permute(0, 2, 3, 1).numpy()
        self._transform = transforms.Compose(steps)

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, index: int) -> Tensor:
        return self._transform(Image.fromarray(self._pixels[index]))


def colour_images(data_dir: str | None, count: int) -> Images:
    """``count`` images of 32x32 pixels in colour."""
    if data_dir is not None:
        return load_images("cifar10", data_dir, allow_subset=True, offline=True).train.select(slice(count))
    digits = load_images("digits", None).train
    digits = digits.select(torch.arange(count) % len(digits))
    large = digits.images.repeat_interleave(4, 2).repeat_interleave(4, 3).expand(-1, 3, -1, -1)
    return Images(large.contiguous(memory_format=torch.channels_last), digits.labels, torch.arange(count))


def in_memory(images: Images, recipe: Augmenter, batch: int, epoch: int) -> int:
    """An epoch by the harness; the number of images made."""
    order = torch.from_numpy(generator(0, "order", epoch).permutation(len(images)))
    parts = (images.select(positions) for positions in order.split(batch))
    return sum(len(recipe(part.images, part.indices, epoch, seed=0)) for part in parts)


def by_loader(images: Images, recipe: Augmenter, batch: int, workers: int) -> int:
    """An epoch by a DataLoader; the number of images made."""
    loader = DataLoader(OneByOne(images, recipe), batch, shuffle=True, num_workers=workers)
    return sum(len(made) for made in loader)


def compare(images: Images, recipe: Augmenter, batch: int, rounds: int) -> dict[str, dict[str, float]]:
    """Seconds per epoch and times the harness's, over ``rounds`` rounds after one that warms up."""
    epochs = iter(range(rounds + 1))
    ways: dict[str, Callable[[], int]] = {
        "harness": lambda: in_memory(images, recipe, batch, next(epochs)),
        "DataLoader, 0 workers": lambda: by_loader(images, recipe, batch, 0),
        "DataLoader, 2 workers": lambda: by_loader(images, recipe, batch, 2),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(rounds + 1):
        for name, way in ways.items():
            begun = time.perf_counter()
            made = way()
            seconds[name] += [(time.perf_counter() - begun) * EPOCH / made] if round_ else []
    return {name: summary(spent, seconds["harness"]) for name, spent in seconds.items()}


def summary(seconds: list[float], ours: list[float]) -> dict[str, float]:
    """One row of the table."""
    ratios = [other / own for other, own in zip(seconds, ours, strict=True)]
    return {
        "median_s": statistics.median(seconds),
        "min_s": min(seconds),
        "max_s": max(seconds),
        "over_harness": statistics.median(ratios),
        "over_harness_min": min(ratios),
        "over_harness_max": max(ratios),
    }


def main() -> None:
    """Print the table; write augment.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir")
    parser.add_argument("--images", type=int, default=5_000)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("results/performance"))
    options = parser.parse_args()
    images = colour_images(options.data_dir, options.images)
    rows = {name: compare(images, recipe, options.batch, options.rounds) for name, recipe in RECIPES.items()}
    print(f"seconds per epoch of {EPOCH} images, batch {options.batch}, {torch.get_num_threads()} threads")
    for name, ways in rows.items():
        print(name)
        for way, row in ways.items():
            print(
                f"  {way:22} {row['median_s']:7.2f} s [{row['min_s']:.2f}, {row['max_s']:.2f}]   "
                f"{row['over_harness']:5.1f} x harness [{row['over_harness_min']:.1f}, {row['over_harness_max']:.1f}]"
            )
    report = vars(options) | {"out": None, "threads": torch.get_num_threads(), "rows": rows}
    write_json(options.out / "augment.json", report)


if __name__ == "__main__":
    main()
