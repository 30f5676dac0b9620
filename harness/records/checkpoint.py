"""Checkpoints: written as a whole, verified when read, the one before kept as a fall-back."""

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from conas.refusal import Refused
from harness.records.files import read_bytes, write_atomic

_FORMAT = "conas-checkpoint-1"


class CheckpointError(Refused):
    """A checkpoint of another run, configuration or version."""


class Checkpoints:
    """The two newest checkpoints of one training in ``folder``.

    ``identity`` names what decides the training's result; a checkpoint with another identity is refused. Only tensors
    and plain values are read back: a checkpoint cannot run code.
    """

    def __init__(self, folder: Path, identity: str, say: Callable[[str], None]) -> None:
        self.newest = folder / "checkpoint.pt"
        self.previous = folder / "checkpoint.previous.pt"
        self.identity = identity
        self._say = say

    def save(self, state: dict[str, Any]) -> None:
        """Write ``state`` durably; the checkpoint so far becomes the previous one.

        Raises:
            OSError: it cannot be written; what was there stays readable.
        """
        content = encode(state, self.identity)
        staged = self.newest.with_suffix(".new")
        write_atomic(staged, content)
        if self.newest.exists():
            os.replace(self.newest, self.previous)
        os.replace(staged, self.newest)

    def load(self) -> dict[str, Any] | None:
        """The newest intact state, None if there is none.

        Raises:
            CheckpointError: a checkpoint is intact but of another configuration or version.
        """
        for path in (self.newest, self.previous):
            try:
                return decode(read_bytes(path), self.identity)
            except FileNotFoundError:
                continue
            except ValueError as error:
                instead = "the checkpoint before" if path == self.newest else "the beginning"
                self._say(f"{path} is damaged ({error}); falling back to {instead}")
        return None

    def clear(self) -> None:
        """Remove the checkpoints of a training that has ended."""
        for path in (self.newest, self.previous):
            path.unlink(missing_ok=True)


def encode(state: dict[str, Any], identity: str) -> bytes:
    """``state`` as bytes that `decode` can verify."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    payload = buffer.getvalue()
    return f"{_FORMAT} {identity} {hashlib.sha256(payload).hexdigest()}\n".encode() + payload


def decode(content: bytes, identity: str) -> dict[str, Any]:
    """The state in ``content``.

    Raises:
        ValueError: torn or corrupt.
        CheckpointError: intact, but written for another identity or by another version of the format.
    """
    header, newline, payload = content.partition(b"\n")
    fields = header.decode(errors="replace").split(" ")
    if not newline or len(fields) != 3 or hashlib.sha256(payload).hexdigest() != fields[2]:
        raise ValueError("its checksum does not match")
    if fields[0] != _FORMAT:
        raise CheckpointError(f"the checkpoint has format {fields[0]!r}, this version reads {_FORMAT!r}")
    if fields[1] != identity:
        raise CheckpointError(f"the checkpoint belongs to {fields[1]!r}, not to {identity!r}")
    return torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)


def weights_sha256(state: dict[str, torch.Tensor]) -> str:
    """A hash of the values of a state dict, independent of how they are stored."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
