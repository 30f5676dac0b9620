"""Real digits in the original formats of the data sets, and a server that misbehaves on demand."""

import gzip
import pickle
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from harness.data import download
from harness.data.content import digest
from harness.data.files import Layout
from harness.data.registry import DATASETS, dataset

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]


def colour_digits(start: int, count: int) -> tuple[Pixels, Labels]:
    """scikit-learn's digits as 32x32 colour images (height, width, channel), unlike in every channel."""
    levels, labels = load_digits(return_X_y=True)
    grey = levels[start : start + count].reshape(-1, 8, 8, 1).repeat(4, 1).repeat(4, 2)
    return (grey * [15, 10, 5]).astype(np.uint8), labels[start : start + count].astype(np.int64)


def write_cifar10(folder: Path) -> Path:
    for number, name in enumerate((*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")):
        _write_batch(folder / "cifar-10-batches-py" / name, "labels", *colour_digits(20 * number, 20))
    return folder


def write_cifar100(folder: Path) -> Path:
    for number, name in enumerate(("train", "test")):
        _write_batch(folder / "cifar-100-python" / name, "fine_labels", *colour_digits(30 * number, 30))
    return folder


def _write_batch(path: Path, key: str, pixels: Pixels, labels: Labels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    flat = pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)
    path.write_bytes(pickle.dumps({"data": flat, key: labels.tolist()}, protocol=2))


def write_svhn(folder: Path) -> Path:
    for number, split in enumerate(("train", "extra", "test")):
        pixels, labels = colour_digits(40 * number, 25)
        ten_for_zero = np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]
        arrays = {"X": pixels.transpose(1, 2, 3, 0), "y": ten_for_zero}
        folder.mkdir(parents=True, exist_ok=True)
        scipy.io.savemat(folder / f"{split}_32x32.mat", arrays, do_compression=True)
    return folder


def write_fashion_mnist(folder: Path, compressed: bool = False) -> Path:
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for number, prefix in enumerate(("train", "t10k")):
        pixels, labels = colour_digits(50 * number, 35)
        _write_idx(raw / f"{prefix}-images-idx3-ubyte", pixels[:, 2:30, 2:30, 0], compressed)
        _write_idx(raw / f"{prefix}-labels-idx1-ubyte", labels.astype(np.uint8), compressed)
    return folder


def _write_idx(path: Path, array: Pixels, compressed: bool) -> None:
    content = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()
    if compressed:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content))
    else:
        path.write_bytes(content)


WRITERS: dict[str, Callable[[Path], Path]] = {
    "cifar10": write_cifar10,
    "cifar100": write_cifar100,
    "svhn": write_svhn,
    "fashion_mnist": write_fashion_mnist,
}


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Layout]:
    """Make other files the published ones of a data set: those in a folder, with their true digests."""

    def replace_layout(name: str, folder: Path, **changes: object) -> Layout:
        entry = dataset(name)
        assert entry.layout is not None
        files = {file: digest((folder / file).read_bytes(), "sha256") for file in entry.layout.files}
        layout = replace(entry.layout, files=files, **changes)
        monkeypatch.setitem(DATASETS, name, replace(entry, layout=layout))
        return layout

    return replace_layout


@dataclass
class Reply:
    """How the server answers for a path. ``breaks`` holds after how many bytes each answer breaks off."""

    content: bytes
    status: int = 200
    kind: str = "application/octet-stream"
    resumable: bool = True
    breaks: list[int] = field(default_factory=list)


@dataclass
class Server:
    """A local web server; ``asked`` lists the path and the Range header of every request."""

    address: str
    replies: dict[str, Reply] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def url(self, path: str, reply: Reply) -> str:
        """Serve ``reply`` at ``path``."""
        self.replies[f"/{path}"] = reply
        return f"{self.address}/{path}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "SECONDS_BETWEEN_ROUNDS", 0.0)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, state)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state = Server(f"http://127.0.0.1:{http.server_port}")
        Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield state
        http.shutdown()


def _answer(handler: BaseHTTPRequestHandler, state: Server) -> None:
    asked = handler.headers["Range"]
    state.asked.append((handler.path, asked))
    reply = state.replies[handler.path]
    start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and reply.resumable else 0  # type: ignore[index]
    if start and start >= len(reply.content):
        handler.send_error(416)
        return
    handler.send_response(206 if start else reply.status)
    handler.send_header("Content-Type", reply.kind)
    handler.send_header("Content-Length", str(len(reply.content) - start))
    handler.end_headers()
    sent = reply.content[start:]
    handler.wfile.write(sent[: reply.breaks.pop(0)] if reply.breaks else sent)


@pytest.fixture
def reply() -> type[Reply]:
    return Reply


@pytest.fixture
def write() -> dict[str, Callable[..., Path]]:
    """Writes real digits in a data set's own format below a folder."""
    return WRITERS
