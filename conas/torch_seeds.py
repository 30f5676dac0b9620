"""The seeds of `conas.seeds` for what torch draws."""

import torch

from conas.seeds import derive


def torch_generator(master: int, *names: str | int, device: str = "cpu") -> torch.Generator:
    """The torch generator of the part called ``names``."""
    return torch.Generator(device).manual_seed(derive(master, *names))
