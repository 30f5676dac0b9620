"""SVHN, the Street View House Numbers (Netzer et al., 2011): 32x32 cropped colour digits."""

import io

import numpy as np
from numpy.typing import NDArray

from harness.data.download import Remote
from harness.data.files import Files, Layout
from harness.data.registry import image_set

_HOME = "http://ufldl.stanford.edu/housenumbers"
_MIRROR = "https://cseweb.ucsd.edu/~weijian/static/datasets/svhn"
_PUBLISHED = {
    "train": ("md5:e26dedcc434d2e4c54c9b2d4a06d8373", 182_040_794),
    "extra": ("md5:a93ce644f1a588dc4d68dda5feec44a7", 1_329_278_602),
    "test": ("md5:eb5a983be6a315427106f1b164d9cef3", 64_275_384),
}
"""The digest of each split's file, and its bytes."""


def _remote(split: str) -> Remote:
    name, (digest, size) = f"{split}_32x32.mat", _PUBLISHED[split]
    return Remote(name, digest, (f"{_HOME}/{name}", f"{_MIRROR}/{name}"), (name,), size=size)


_REMOTES = {split: _remote(split) for split in _PUBLISHED}


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
    return {split: _read(files.read(_REMOTES[split].name)) for split in _PUBLISHED}


def _read(content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The file holds (height, width, channel, image); its label 10 is the digit 0."""
    from scipy.io import loadmat

    matrices = loadmat(io.BytesIO(content))  # type: ignore[arg-type]
    return matrices["X"].transpose(3, 0, 1, 2), matrices["y"].reshape(-1).astype(np.int64) % 10
