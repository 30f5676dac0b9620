"""Images of one's own: a folder of images by class, in any format that Pillow reads."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from conas.refusal import Refused
from harness.data.files import DataError, FileRecord, Files, Layout
from harness.data.registry import image_set

SIDE = 32
_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
_ONE_IN = 6
"""So many images of a folder without splits are for testing, as of CIFAR's 60,000: those whose hash says so."""

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]


@image_set("folder", classes=0, mean=(), std=(), counts={}, layout=Layout(".", {}, ()), side=SIDE, own=True)
def folder(files: Files) -> dict[str, Arrays]:
    """``data_dir/train/CLASS/*`` and ``data_dir/test/CLASS/*``; or ``data_dir/CLASS/*``, of which every sixth image is
    for testing, by the SHA-256 of its file, so that neither its name nor the other images matter.

    Images become RGB; the shorter side is resized to 32 pixels (Pillow's bilinear filter, which averages when it
    shrinks), and the middle 32 x 32 are kept. Classes are numbered in the order of their names.
    """
    assert files.folder is not None
    splits = {split: files.folder / split for split in ("train", "test")}
    has_splits = all(map(Path.is_dir, splits.values()))
    files.class_names = _classes(splits["train"] if has_splits else files.folder)
    if has_splits:
        read = {split: list(_read(files, split, place)) for split, place in splits.items()}
    else:
        every = list(_read(files, "", files.folder))
        read = {split: [one for one in every if _is_test(one[2]) == (split == "test")] for split in splits}
    for split, images in read.items():
        if not images:
            raise DataError(f"folder: no image for {split} in {files.folder} (train/CLASS/*.png and test/CLASS/*.png)")
    return {split: _arrays(images) for split, images in read.items()}


def _classes(place: Path) -> tuple[str, ...]:
    if not place.is_dir():
        wanted = "train/CLASS/* and test/CLASS/*, or CLASS/*"
        raise DataError(f"folder: there is no {place} (data_dir=IMAGES is to hold {wanted})")
    folders = (path.name for path in place.iterdir() if path.is_dir() and not path.name.startswith("."))
    found = tuple(sorted(folders))
    if len(found) < 2:
        raise DataError(f"folder: {place} has {len(found)} folders (expected: one for every class, two or more)")
    return found


def _read(files: Files, split: str, place: Path) -> Iterator[tuple[NDArray[np.uint8], int, str]]:
    """Pixels, label and SHA-256 of every image, in the order of classes and of hashes; a record for every class."""
    for label, name in enumerate(files.class_names):
        paths = [path for path in (place / name).glob("*") if path.suffix.lower() in _SUFFIXES]
        contents = {hashlib.sha256(content).hexdigest(): content for content in map(Path.read_bytes, paths)}
        digest = hashlib.sha256("\n".join(sorted(contents)).encode()).hexdigest()
        size = sum(map(len, contents.values()))
        files.records.append(FileRecord(f"{split}/{name}".strip("/"), size, f"sha256:{digest}", published=False))
        for hashed in sorted(contents):
            yield _pixels(place / name, contents[hashed]), label, hashed


def _pixels(place: Path, content: bytes) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    from harness.data.pictures import of_bytes

    try:
        image = of_bytes(Image.open(io.BytesIO(content))).convert("RGB")
    except (OSError, Refused) as error:
        raise DataError(f"folder: an image in {place} cannot be read ({error})") from error
    return np.asarray(ImageOps.fit(image, (SIDE, SIDE), Image.Resampling.BILINEAR))


def _is_test(hashed: str) -> bool:
    return int(hashed, 16) % _ONE_IN == 0


def _arrays(images: list[tuple[NDArray[np.uint8], int, str]]) -> Arrays:
    return np.stack([pixels for pixels, _, _ in images]), np.array([label for _, label, _ in images], np.int64)
