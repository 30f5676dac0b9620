"""Some images of a data set in one file, compressed without loss: what a search reads, so that it can travel."""

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from harness.data.content import one_line
from harness.data.files import DataError, FileRecord, Provenance
from harness.data.images import ImageData, Images
from harness.data.registry import ImageSet, dataset

_FORMATS = {"conas-images-1": 1, "conas-images-2": 511}
"""How many images lie below one another in a file: they share what a WebP file says once, a sixteenth of each."""
_FORMAT = "conas-images-2"
_DAMAGE = (OSError, EOFError, BadZipFile, ValueError, LookupError, TypeError, RuntimeError, SyntaxError, TokenError)
"""What reading a damaged file may raise: of zip, of NumPy's headers, of JSON, of the images, of what it says."""


def pack(data: ImageData, places: Iterable[int], purpose: Mapping[str, Any]) -> bytes:
    """The training images at ``places`` and the labels of all.

    Args:
        data: a data set of colour images.
        places: positions in its training set.
        purpose: what the images are for, as JSON data; `unpack` returns it.
    """
    chosen = np.unique(np.fromiter(places, np.int64))
    pixels = data.train.images.permute(0, 2, 3, 1).numpy()
    stacks = [chosen[first : first + _FORMATS[_FORMAT]] for first in range(0, len(chosen), _FORMATS[_FORMAT])]
    files = [_compressed(pixels[stack]) for stack in stacks]
    about = {"format": _FORMAT, "purpose": dict(purpose), "provenance": asdict(data.provenance)}
    buffer = io.BytesIO()
    np.savez(
        buffer,
        about=np.array(json.dumps(about)),
        shape=np.array(data.train.images.shape),
        places=chosen,
        ends=np.cumsum([len(file) for file in files]),
        images=np.frombuffer(b"".join(files), np.uint8),
        labels=data.train.labels.numpy().astype(np.uint8),
    )
    return buffer.getvalue()


def unpack(path: Path) -> tuple[ImageData, dict[str, Any]]:
    """The data set in the file ``path``, black where an image was left out and without test images; and its purpose.

    Raises:
        DataError: no such file, or not one that `pack` made.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            if about["format"] not in _FORMATS:
                raise DataError(f"{path} has the format {about['format']!r}; this version reads {_FORMAT!r}")
            parts = (arrays[name] for name in ("shape", "places", "ends", "images", "labels"))
            train = _images(_FORMATS[about["format"]], *parts)
            return _data(about["provenance"], train), about["purpose"]
    except _DAMAGE as error:
        raise DataError(f"{path} is not a file of packed images ({one_line(error)})") from error


def _data(origin: Mapping[str, Any], train: Images) -> ImageData:
    files = tuple(FileRecord(**record) for record in origin["files"])
    entry = dataset(origin["dataset"])
    if not isinstance(entry, ImageSet):
        raise DataError(f"{entry.name} has no images")
    test = Images(train.images[:0], train.labels[:0], train.indices[:0])
    provenance = Provenance(entry.name, origin["source"], files, origin["counts"], origin["whole"])
    return ImageData(entry.name, train, test, entry.classes, entry.mean, entry.std, provenance, entry.class_names)


def _compressed(stack: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(stack)).save(buffer, "webp", lossless=True, method=6)
    return buffer.getvalue()


def _images(
    together: int, shape: np.ndarray, places: np.ndarray, ends: np.ndarray, images: np.ndarray, labels: np.ndarray
) -> Images:
    count, channels, height, width = shape.tolist()
    pixels = np.zeros((count, height, width, channels), np.uint8)
    for number, file in enumerate(np.split(images, ends[:-1])):
        stack = np.asarray(Image.open(io.BytesIO(file.tobytes())))
        pixels[places[number * together :][:together]] = stack.reshape(-1, height, width, channels)
    return Images(torch.from_numpy(pixels).permute(0, 3, 1, 2), _longs(labels), torch.arange(count))


def _longs(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.int64))
