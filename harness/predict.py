"""`python -m harness.predict RUN IMAGE...`: what a run's network sees in pictures.

Each picture is made as large as the images of the data set (bilinear, the whole picture, whatever its shape), grey if
those are, and normalised as in training. The three most likely classes are printed, by name
if the weights have it, else by number.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor, nn
from torchvision.transforms import functional as transform

from conas.refusal import Refused
from harness import trained
from harness.data.augment import normalise
from harness.data.pictures import of_bytes

_SHOWN = 3


def pixels(path: Path, description: dict[str, Any]) -> Tensor:
    """The picture in ``path`` as the network takes it, shape (1, channels, height, width).

    Raises:
        Refused: it cannot be read as a picture.
    """
    channels, height, width = description["shape"]
    try:
        with Image.open(path) as opened:
            picture = of_bytes(opened).convert("L" if channels == 1 else "RGB")
    except (Image.DecompressionBombError, Refused) as error:
        raise Refused(f"{path}: {error}") from error
    except (OSError, UnidentifiedImageError) as error:
        raise Refused(f"{path}: {getattr(error, 'strerror', None) or 'not a picture that can be read'}") from error
    resized = transform.resize(transform.pil_to_tensor(picture), [height, width], antialias=True)
    return normalise(resized[None], description["mean"], description["std"])


@torch.no_grad()
def classes(network: nn.Module, images: Tensor) -> list[tuple[int, float]]:
    """The most likely classes of one image with their probabilities, the likeliest first."""
    shares = network(images)[0].softmax(1)[0]
    likely = shares.topk(min(_SHOWN, len(shares)))
    return list(zip(likely.indices.tolist(), likely.values.tolist(), strict=True))


def _name(number: int, description: dict[str, Any]) -> str:
    names = description.get("class_names")
    return names[number] if names else f"class {number}"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m harness.predict", description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a run, or its weights.safetensors")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    chosen = parser.parse_args()
    try:
        network, description = trained.load_for_images(chosen.run)
        for path in chosen.images:
            found = classes(network, pixels(path, description))
            print(
                f"{path}: " + ", ".join(f"{_name(number, description)} {100 * share:.1f} %" for number, share in found)
            )
    except (Refused, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
