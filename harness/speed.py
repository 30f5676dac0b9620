"""How fast this machine trains: two small networks timed once, everything else reckoned from multiply-adds."""

import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from conas.seeds import generator
from conas.space import space
from conas.supernet import OneShotCNN
from harness.config import digest
from harness.files import read_json, write_json

_FORWARD_SHARE = 1 / 3
"""A forward pass costs about half of its backward pass."""


@dataclass(frozen=True)
class Machine:
    """Training speed: ``overhead`` in seconds for each layer and step, ``rate`` in forward multiply-adds a second."""

    overhead: float
    rate: float

    def training(self, layers: int, mult_adds: float) -> float:
        """Seconds of a training step whose forward pass has ``mult_adds``."""
        return layers * self.overhead + mult_adds / self.rate

    def forward(self, layers: int, mult_adds: float) -> float:
        """Seconds of the forward pass alone."""
        return _FORWARD_SHARE * self.training(layers, mult_adds)


def machine(runs_dir: str, device: torch.device, threads: int) -> Machine:
    """The speed of this machine, measured once and remembered in the store."""
    key = digest([platform.node(), str(device), threads, torch.__version__])
    path = Path(runs_dir) / "speeds" / f"{key}.json"
    if not path.exists():
        torch.set_num_threads(threads)
        write_json(path, asdict(_measure(device)))
    return Machine(**read_json(path))


def _measure(device: torch.device) -> Machine:
    layers = 3
    tiny, _ = _step(device, channels=4, size=8, layers=layers)
    large, mult_adds = _step(device, channels=16, size=32, layers=layers)
    return Machine(tiny / layers, mult_adds / max(large - tiny, 1e-6))


def _step(device: torch.device, channels: int, size: int, layers: int) -> tuple[float, float]:
    """Seconds of a training step of a small one-shot model, and its forward multiply-adds."""
    of = space("cnn")
    network = OneShotCNN(of, channels, layers, 10, seed=0).to(device)
    alpha = of.sample(generator(0, "speed"), 1)[0]
    images = torch.zeros(8, 3, size, size, device=device)

    def step() -> None:
        network(images, alpha).sum().backward()

    step()
    start = time.monotonic()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.monotonic() - start, len(images) * mult_adds(network, lambda net, x: net(x, alpha), (3, size, size))


def mult_adds(network: nn.Module, forward: Callable[[nn.Module, Tensor], object], shape: tuple[int, ...]) -> float:
    """Multiply-adds of a forward pass for one input of ``shape``; only shapes are computed, ``network`` is emptied."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        forward(network.to("meta"), torch.zeros(1, *shape, device="meta"))
    return counter.get_total_flops() / 2
