"""What `make gpu-check` asks of its figures: bits that repeat, and errors no larger than their precision allows.

Errors are relative, against float64. A limit is several times what was measured on an NVIDIA H200, or on a CPU with
plain modules whose numbers were rounded as TF32 and bfloat16 are; an error of 1 is a gradient that says nothing.
"""

from collections.abc import Mapping
from typing import Any

Limits = Mapping[str, float | bool]
"""By figure, the largest that it may be; True: it must hold."""

RECURRENT: Limits = {"captured": True, "bits": True, "first": 1e-5, "float64": 1e-4, "updates": 1e-3}
CONVOLUTIONAL: Limits = {"captured": True, "bits": True, "first": 1e-3, "float64": 2e-2, "updates": 0.4}
"""With the TF32 that torch takes for convolutions."""
FINAL: Limits = {"captured": True, "bits": True, "first": 1e-5, "float64": 1e-3, "updates": 5e-2}
"""In float32; chosen between those of `RECURRENT` and of the one-shot CNN, as no device has run it."""
REPEATED: Limits = {"same bits": True}
_FLOAT32: dict[str, Limits] = {
    "parity": {
        "loss": 1e-5,
        "gradient median": 5e-3,
        "gradient worst": 0.1,
        "update median": 5e-3,
        "update worst": 0.1,
        "left alone": True,
        "running statistics": 1e-4,
    },
    "measuring": {"error": 1e-4, "worst error": 1e-3, "repeat": True},
    "bits": {"repeat": True},
}


def _fewer_bits(loss: float, median: float, statistics: float, measured: float) -> dict[str, Limits]:
    """Of a precision in which the worst tensor says nothing; ``median`` is that of gradients and of updates,
    ``measured`` that of the errors of measured losses, of which the worst may be five times as large."""
    return {
        "parity": {
            "loss": loss,
            "gradient median": median,
            "update median": median,
            "left alone": True,
            "running statistics": statistics,
        },
        "measuring": {"error": measured, "worst error": 5 * measured, "repeat": True},
        "bits": {"repeat": True},
    }


_TF32 = _fewer_bits(loss=3e-3, median=0.3, statistics=1e-2, measured=1e-2)
_BF16 = _fewer_bits(loss=2e-2, median=0.8, statistics=0.1, measured=5e-2)
FUSED = {"ieee": _FLOAT32, "float32": _FLOAT32, "tf32": _TF32, "bf16": _BF16}
"""By precision, of the checks of `harness.studies.gpu_cnn`."""


def beyond(figures: Mapping[str, Any], limits: Limits) -> list[str]:
    """In a few words each, the figures that are not within their limits.

    Raises:
        KeyError: a figure is missing.
    """
    return [_said(name, figures[name], limit) for name, limit in limits.items() if not _holds(figures[name], limit)]


def _holds(figure: Any, limit: float | bool) -> bool:
    return bool(figure) if limit is True else figure <= limit  # which is not so if it is not a number


def _said(name: str, figure: Any, limit: float | bool) -> str:
    return f"{name}: no" if limit is True else f"{name} {figure:.3g}, allowed {limit:g}"
