"""The fused kernels compiled for GPUs that need not be there, and the resources that they take of them."""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import triton
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from conas.cells import cell
from conas.cnn.cuda.final import FinalCells, Memory
from conas.cnn.cuda.network import PRECISIONS, CellNetwork
from conas.cnn.cuda.one_shot import Network, update
from conas.cnn.cuda.plan import Launch
from conas.cnn.cuda.state import FlatState
from conas.cnn.network import FinalNetwork
from conas.cnn.one_shot_plain import PlainOneShotCNN
from conas.rnn.cuda import kernels as rnn_kernels
from conas.space import space

Call = tuple[Launch, dict[str, Any]]
"""A launch, and all arguments that its kernel gets."""
Variant = tuple[dict[str, str], dict[str, Any], dict[Any, Any]]
"""Signature, compile-time constants, alignments."""
_SPILLED, _SHARED = {80: 2048, 90: 256}, 163 * 1024
"""Bytes that are too many: of spills for each thread, by capability, and of shared memory on an A100. Its products of
matrices take more registers, and no A100 has been at hand to choose other sizes on."""
_NETWORKS = ("one-shot", "final", "recurrent")
_SGD = {"momentum": 0.9, "weight_decay": 3e-4, "clip": 5.0}
_POINTERS = {torch.float32: "*fp32", torch.bfloat16: "*bf16", torch.int32: "*i32", torch.int64: "*i64"}


@dataclass(frozen=True)
class Resources:
    """Of one variant of a kernel: registers for each thread, bytes that do not fit in them, bytes of shared memory."""

    kernel: str
    constants: dict[str, Any]
    registers: int
    spilled: int
    shared: int


def compiled(calls: Iterable[Call], capability: int) -> Iterator[Resources]:
    """What each variant that ``calls`` need takes on a GPU of ``capability``."""
    variants = {(call[0].kernel.__name__, str(_variant(*call))): call for call in calls}
    for launch, arguments in variants.values():
        yield _compile(launch, _variant(launch, arguments), capability)


def _variant(launch: Launch, arguments: dict[str, Any]) -> Variant:
    """What a call on the device would derive from its arguments."""
    signature: dict[str, str] = {}
    constants: dict[str, Any] = {}
    aligned: dict[Any, Any] = {}
    for i, parameter in enumerate(launch.kernel.params):
        name, value = parameter.name, arguments[parameter.name]
        specialised = isinstance(value, int) and not parameter.do_not_specialize
        if parameter.is_constexpr or (specialised and value == 1):
            signature[name], constants[name] = "constexpr", value
        elif isinstance(value, Tensor):
            signature[name], aligned[(i,)] = _POINTERS[value.dtype], [["tt.divisibility", 16]]
        else:
            signature[name] = "fp32" if isinstance(value, float) else "i32"
            if specialised and value % 16 == 0:
                aligned[(i,)] = [["tt.divisibility", 16]]
    return signature, constants, aligned


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


def one_shot(channels: int, precision: str, mode: str) -> list[Call]:
    """The calls of the one-shot CNN of the paper's space in a ``mode`` of `Network`, with few images."""
    model = PlainOneShotCNN(space("cnn"), channels, 3, 10, seed=0)
    network = Network(model, FlatState(model), (2, 3, 32, 32), precision, mode)
    return _calls(network) + (_update(network) if mode == "train" else [])


def final(channels: int, precision: str) -> list[Call]:
    """The calls of a final network of every operation of the paper's space, in training, with few images."""
    model = FinalNetwork(cell("conas"), channels, 3, 10, seed=0)
    return _calls(FinalCells(model, FlatState(model), (2, 3, 32, 32), precision, Memory()))


def _calls(network: CellNetwork) -> list[Call]:
    launches = [*network.forward, *network.backward]
    return [(launch, bound.arguments) for launch, bound in zip(launches, network.bound(launches), strict=True)]


def _update(network: Network) -> list[Call]:
    launches, buffers = update(network, torch.ones((), dtype=torch.int32), torch.zeros(()), _SGD)
    return [(launch, launch.bind(buffers, 1).arguments) for launch in launches]


def recurrent() -> list[Call]:
    """The calls of a node of a recurrent cell, at the paper's sizes."""
    sizes = {"first": 2, "last": 4, "target": 2, "count": 256 * 300, "size": 300, "columns": 21_600, "slot": 256 * 300}
    forward = {**sizes, "KEEP": True, "BLOCK": 256}
    backward = {**forward, "d_slot": 256 * 300, "READ": True}
    return [_node(rnn_kernels.node, forward), _node(rnn_kernels.node_backward, backward)]


def _node(kernel: Any, constants: dict[str, Any]) -> Call:
    buffers = {name: torch.zeros(1) for name in kernel.arg_names if name not in constants}
    buffers["table"] = torch.zeros(1, dtype=torch.int32)
    return Launch(kernel, (1, 1, 1), {}, constants, warps=4, stages=3), buffers | constants


def _of(network: str, chosen: argparse.Namespace) -> list[Call]:
    match network:
        case "one-shot":
            modes = ("train", "running", "batch")
            return [call for mode in modes for call in one_shot(chosen.channels, chosen.precision, mode)]
        case "final":
            return final(chosen.final_channels, chosen.precision)
        case _:
            return recurrent()


def main() -> None:
    """The table as a command; fails if a kernel does not fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--capability", type=int, nargs="+", default=[80, 90], help="80: A100, 90: H100 and H200")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--channels", type=int, default=16, help="of the first cell; others have 2 and 4 times as many")
    parser.add_argument("--final-channels", type=int, default=36, help="the same of final networks")
    parser.add_argument("--networks", nargs="+", choices=_NETWORKS, default=_NETWORKS, help="only of these")
    parser.add_argument("--kernels", nargs="*", help="only these")
    chosen = parser.parse_args()
    calls = [call for network in chosen.networks for call in _of(network, chosen)]
    named = [call for call in calls if not chosen.kernels or call[0].kernel.__name__ in chosen.kernels]
    too_much = 0
    print(f"{'sm':>3} {'kernel':20} {'registers':>9} {'spilled':>8} {'shared':>8}")
    for capability in chosen.capability:
        for built in compiled(named, capability):
            sizes = {name: built.constants[name] for name in ("C", "IN", "OUT", "STRIDE") if name in built.constants}
            row = f"{capability:3} {built.kernel:20} {built.registers:9} {built.spilled:8} {built.shared:8}  {sizes}"
            print(row, flush=True)
            too_much += built.spilled > _SPILLED.get(capability, 256) or built.shared > _SHARED
    sys.exit(f"{too_much} kernels spill registers or need too much shared memory" if too_much else 0)


if __name__ == "__main__":
    main()
