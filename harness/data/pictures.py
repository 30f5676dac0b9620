"""Pictures of any kind that Pillow reads, made into ones of 8 bits per level."""

import numpy as np
from PIL import Image

from conas.refusal import Refused


def of_bytes(picture: Image.Image) -> Image.Image:
    """``picture`` with 8 bits for each level: what has more, Pillow's ``convert`` would cut off at white.

    Raises:
        Refused: nothing says which of its levels is white.
    """
    if picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise Refused("nothing says which of its levels is white (allowed: pictures of 8 or 16 bits)")
    return picture
