"""The kernels compiled for a GPU that need not be there, and the resources that they take of it."""

import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from conas.cnn.cuda.plan import Launch

Variant = tuple[dict[str, str], dict[str, Any], dict[Any, Any]]
"""Signature, compile-time constants, alignments."""
_POINTERS = {torch.float32: "*fp32", torch.bfloat16: "*bf16", torch.int32: "*i32", torch.int64: "*i64"}


@dataclass(frozen=True)
class Resources:
    """Of one variant of a kernel: registers for each thread, bytes that do not fit in them, bytes of shared memory."""

    kernel: str
    constants: dict[str, Any]
    registers: int
    spilled: int
    shared: int


def compiled(launches: Iterable[Launch], capability: int, dtype: torch.dtype) -> Iterator[Resources]:
    """What each variant that ``launches`` need takes on a GPU of ``capability``, with activations in ``dtype``."""
    variants = {str(_variant(launch, dtype)): (launch, _variant(launch, dtype)) for launch in launches}
    for launch, variant in variants.values():
        yield _compile(launch, variant, capability)


def _variant(launch: Launch, dtype: torch.dtype) -> Variant:
    """What a launch on the device would derive from its arguments."""
    signature: dict[str, str] = {}
    constants: dict[str, Any] = {}
    aligned: dict[Any, Any] = {}
    for i, parameter in enumerate(launch.kernel.params):
        name = parameter.name
        value = launch.constants.get(name)
        if parameter.is_constexpr or value == 1:
            signature[name], constants[name] = "constexpr", value
        elif value is None:
            signature[name], aligned[(i,)] = _pointer(name, launch, dtype), [["tt.divisibility", 16]]
        else:
            signature[name] = "fp32" if isinstance(value, float) else "i32"
            if isinstance(value, int) and value % 16 == 0:
                aligned[(i,)] = [["tt.divisibility", 16]]
    return signature, constants, aligned


def _pointer(name: str, launch: Launch, dtype: torch.dtype) -> str:
    if name in launch.columns or name == "counts":
        return "*i64"
    return {"act": _POINTERS[dtype], "mask": "*i32"}.get(name, "*fp32")


def _compile(launch: Launch, variant: Variant, capability: int) -> Resources:
    signature, constants, aligned = variant
    source = ASTSource(launch.kernel, signature, constants, aligned)
    built = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=launch.options)
    registers, spilled = _assembled(built.asm["ptx"], capability)
    return Resources(launch.kernel.__name__, constants, registers, spilled, built.metadata.shared)


def _assembled(ptx: str, capability: int) -> tuple[int, int]:
    """Registers and bytes of spills that the assembler reports."""
    assembler = triton.knobs.nvidia.ptxas.path
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
        file.write(ptx)
        file.flush()
        target = re.search(r"^\.target (\w+)", ptx, re.MULTILINE)
        assert target is not None
        command = [assembler, "-v", f"--gpu-name={target[1]}", file.name, "-o", "/dev/null"]
        log = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    spills = sum(map(int, re.findall(r"(\d+) bytes spill", log)))
    registers = re.search(r"Used (\d+) registers", log)
    assert registers is not None
    return int(registers[1]), spills
