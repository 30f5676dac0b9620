"""The handwritten digits that ship with scikit-learn (Alpaydin and Kaynak, 1998): 8x8, 17 grey levels, no download."""

from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from harness.data.files import Files
from harness.data.registry import image_set

_TRAIN = 1_500


@image_set(
    "digits",
    classes=10,
    mean=(0.3052,),
    std=(0.3749,),
    counts={"train": _TRAIN, "test": 297},
    side=8,
)
def digits(files: Files) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """The first 1,500 images are for training, the last 297 for testing; writers follow one another in the file.

    Levels 0 to 16 become pixels 0 to 255. Mean and deviation are those of the 1,500 images. Not part of the paper.
    """
    from sklearn.datasets import load_digits

    levels, labels = load_digits(return_X_y=True)
    files.shipped("digits", f"scikit-learn {version('scikit-learn')}", levels.tobytes() + labels.tobytes())
    images = np.rint(levels * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    labels = labels.astype(np.int64)
    return {"train": (images[:_TRAIN], labels[:_TRAIN]), "test": (images[_TRAIN:], labels[_TRAIN:])}
