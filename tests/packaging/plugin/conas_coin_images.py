"""A data set from another repository: bright and dark images."""

import numpy as np

from harness.data.registry import image_set


@image_set("coin_images", classes=2, mean=(0.5,), std=(0.5,), counts={"train": 400, "test": 100}, side=32)
def coin_images(files):
    """Half of the images are dark, half of them bright."""
    images = np.zeros((500, 32, 32, 1), np.uint8)
    images[::2] = 200
    labels = np.arange(500) % 2
    files.shipped("coin_images", "1.0", images.tobytes())
    return {"train": (images[:400], labels[:400]), "test": (images[400:], labels[400:])}
