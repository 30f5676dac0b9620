"""SVHN, the Street View House Numbers (Netzer et al., 2011): 32x32 cropped colour digits."""

import io
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from torchvision.datasets import SVHN

from harness.data.download import Remote
from harness.data.files import Files, Layout
from harness.data.registry import image_set

_MIRROR = "https://cseweb.ucsd.edu/~weijian/static/datasets/svhn"
_BYTES = {"train": 182_040_794, "extra": 1_329_278_602, "test": 64_275_384}
_SPLITS = tuple(_BYTES)


def _remote(split: str) -> Remote:
    url, name, md5 = SVHN.split_list[split]
    return Remote(name, f"md5:{md5}", (url, f"{_MIRROR}/{PurePosixPath(url).name}"), (name,), size=_BYTES[split])


_REMOTES = {split: _remote(split) for split in _SPLITS}


@image_set(
    "svhn",
    classes=10,
    mean=(109.9 / 255, 109.7 / 255, 113.8 / 255),
    std=(50.1 / 255, 50.6 / 255, 50.8 / 255),
    counts={"train": 73_257, "extra": 531_131, "test": 26_032},
    side=32,
    layout=Layout("svhn", {remote.name: remote.digest for remote in _REMOTES.values()}, tuple(_REMOTES.values())),
)
def svhn(files: Files) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Training uses ``train`` and ``extra`` together, 604,388 images (appendix A.5).

    The paper gives no mean and deviation: these are the usual ones of ``train`` and ``extra``, from the code of wide
    residual networks and of Cutout. Assumption: digits are flipped too, as A.5 takes over the recipe of CIFAR-100.
    """
    return {split: _read(files.read(_REMOTES[split].name)) for split in _SPLITS}


def _read(content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The file holds (height, width, channel, image); its label 10 is the digit 0."""
    matrices = loadmat(io.BytesIO(content))  # type: ignore[arg-type]
    return matrices["X"].transpose(3, 0, 1, 2), matrices["y"].reshape(-1).astype(np.int64) % 10
