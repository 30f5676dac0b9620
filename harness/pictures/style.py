"""How every picture is written: the same bytes each time, whatever a user's matplotlibrc says."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.figure import Figure

STYLE: dict[Any, Any] = {
    "svg.fonttype": "path",  # a browser need not have the font
    "svg.hashsalt": "conas",
    "pdf.fonttype": 3,
    "font.family": "DejaVu Sans",
}
_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
}
FORMATS = tuple(_METADATA)


@contextmanager
def styled() -> Iterator[None]:
    """Meanwhile, matplotlib has its own defaults and `STYLE`."""
    with rc_context():
        rcdefaults()
        rcParams.update(STYLE)
        yield


def rendered(figure: Figure, kind: str, dpi: int) -> bytes:
    """``figure`` as a file of the format ``kind``, without the time or the programs that made it."""
    buffer = BytesIO()
    figure.savefig(buffer, format=kind, dpi=dpi, metadata=_METADATA[kind])
    return buffer.getvalue()
