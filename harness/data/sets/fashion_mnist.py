"""Fashion-MNIST (Xiao et al., 2017): 28x28 grey images of clothes."""

import math

import numpy as np
from numpy.typing import NDArray

from harness.data.download import Remote
from harness.data.files import Files, Layout
from harness.data.registry import image_set

_NAMES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
_MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)

# Of the unpacked files: packages compress them anew, so only their content can be compared.
_DIGESTS = {
    "train-images-idx3-ubyte": "sha256:c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "sha256:bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "sha256:5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "sha256:0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
_PACKED = {
    "train-images-idx3-ubyte": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte": "md5:25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte": "md5:bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte": "md5:bb300cfdad3c16e7a12a480ee83cd310",
}
"""The files as they are downloaded."""
_LARGEST = 26_421_880
"""Bytes of the training images, packed; the other files are smaller."""
_REMOTES = tuple(
    Remote(f"{name}.gz", packed, tuple(f"{mirror}{name}.gz" for mirror in _MIRRORS), (name,), size=_LARGEST)
    for name, packed in _PACKED.items()
)


@image_set(
    "fashion_mnist",
    classes=10,
    mean=(0.28604063,),
    std=(0.35302426,),
    counts={"train": 60_000, "test": 10_000},
    side=28,
    layout=Layout("FashionMNIST/raw", _DIGESTS, _REMOTES, elsewhere=("/usr/share/datasets/fashion-mnist",)),
    class_names=_NAMES,
)
def fashion_mnist(files: Files) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Mean and deviation as in the authors' released code. Debian's package ``dataset-fashion-mnist`` is found too."""
    return {split: _read(files, prefix) for split, prefix in (("train", "train"), ("test", "t10k"))}


def _read(files: Files, prefix: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    images = _idx(files.read(f"{prefix}-images-idx3-ubyte"))
    return images[..., None], _idx(files.read(f"{prefix}-labels-idx1-ubyte")).astype(np.int64)


def _idx(content: bytes) -> NDArray[np.uint8]:
    """An IDX file of bytes: zero, zero, type 8, number of axes, the length of each (big-endian), the entries."""
    if content[:3] != b"\0\0\x08":
        raise ValueError("not an IDX file of bytes")
    axes = content[3]
    shape = tuple(int(length) for length in np.frombuffer(content, ">u4", count=axes, offset=4))
    if len(content) != 4 + 4 * axes + math.prod(shape):
        raise ValueError(f"{len(content)} bytes do not hold an array of shape {shape}")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
