"""With how many bits a CUDA device computes: the setting ``precision``, for trainings and for what measures them.

``torch`` is torch's own choice: TF32 in cuDNN's convolutions, float32 in products and in this package's kernels.
``float32`` and ``tf32`` are one for all. With ``bf16`` the passes of image trainings are in bfloat16, by torch's
autocast or in kernels; their weights, and all that is measured and tested, are as with ``torch``.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch

from harness.config.grammar import ConfigError

_TF32 = {"torch": (True, False), "float32": (False, False), "tf32": (True, True), "bf16": (True, False)}
"""Whether cuDNN's convolutions and whether products are in TF32."""
_KERNELS = {"torch": "float32", "float32": "float32", "tf32": "tf32", "bf16": "bf16"}
"""The precision of `conas.cnn.cuda.network.PRECISIONS`."""
_ON_A_CPU = {"image": ("torch", "bf16"), "text": ("torch",)}


@dataclass(frozen=True)
class Precision:
    """The setting ``name`` on a device."""

    name: str
    device: torch.device

    def autocast(self, bf16: bool = False) -> AbstractContextManager[Any]:
        """Inside, forward passes are in bfloat16, if that is the precision or ``bf16`` asks for it."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=bf16 or self.name == "bf16")

    def of_training(self, bf16: bool = False) -> str:
        """The precision of kernels that train; in bfloat16 as with `autocast`."""
        return "bf16" if bf16 else _KERNELS[self.name]

    @property
    def of_measuring(self) -> str:
        """The precision of fused measurements."""
        return _KERNELS["torch" if self.name == "bf16" else self.name]


def choose(precision: str) -> None:
    """Have torch compute so on CUDA from now on."""
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = _TF32[precision]


def refuse_on(device: torch.device, task: str, precision: str) -> None:
    """Refuse what would change nothing of a training of a ``task``.

    Raises:
        ConfigError: one line that says what is allowed.
    """
    if device.type == "cpu" and precision not in _ON_A_CPU[task]:
        allowed = ", ".join(_ON_A_CPU[task])
        raise ConfigError(f"precision={precision} is for CUDA devices; a CPU computes in float32 (allowed: {allowed})")
