"""`python -m harness.export RUN FILE`: a run's network for other programs, as torch.export (.pt2) or ONNX (.onnx).

What is exported takes normalised images (N, channels, height, width), N free, and gives logits (N, classes); how to
normalise is in the run's weights.safetensors (`conas.saved`). A language model gives, for tokens (T, B) and its hidden
state, what `conas.rnn.language_model.LanguageModel.run` gives, and is not exported here.
"""

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from conas.refusal import Refused
from harness import trained


class Logits(nn.Module):
    """A network for images without its auxiliary head."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Logits, shape (N, classes)."""
        return self.network(images)[0]


def export(run: Path, out: Path) -> None:
    """Write the network of ``run`` to ``out``, whose suffix says the format.

    Raises:
        Refused: another suffix, no network of images, or the packages of the format are missing.
        OSError: it cannot be written; what was there is as it was.
    """
    if out.suffix not in (".pt2", ".onnx"):
        raise Refused(f"{out}: unknown format {out.suffix or 'without a suffix'!r} (allowed: .pt2, .onnx)")
    network, description = trained.load_for_images(run)
    if out.suffix == ".onnx" and find_spec("onnxscript") is None:
        raise Refused("ONNX needs two more packages: pip install onnx onnxscript")
    if not out.parent.is_dir():
        raise Refused(f"{out}: there is no folder {out.parent}")
    images = torch.zeros(2, *description["shape"])
    count = torch.export.Dim("N", min=1, max=65_536)
    program = torch.export.export(Logits(network).eval(), (images,), dynamic_shapes=({0: count},))
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as staged:
        _write(program, images, Path(staged) / out.name)
        for path in sorted(Path(staged).iterdir(), reverse=True):  # the weights that ONNX keeps beside it come first
            os.replace(path, out.with_name(path.name))


def _write(program: torch.export.ExportedProgram, images: Tensor, out: Path) -> None:
    if out.suffix == ".pt2":
        torch.export.save(program, out)
    else:
        torch.onnx.export(program, (images,), out, dynamo=True, input_names=["images"], output_names=["logits"])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m harness.export", description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a run, or its weights.safetensors")
    parser.add_argument("out", type=Path, metavar="FILE", help="ends in .pt2 or .onnx")
    chosen = parser.parse_args()
    try:
        export(chosen.run, chosen.out)
    except (Refused, OSError) as error:
        sys.exit(f"error: {error}")
    print(chosen.out)


if __name__ == "__main__":
    main()
