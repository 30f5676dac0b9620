"""How fast this machine trains: two small networks timed once, everything else reckoned from multiply-adds."""

import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from conas.cnn.one_shot import OneShotCNN
from conas.counting import mult_adds, word_mult_adds
from conas.rnn.language_model import OneShotRNN
from conas.seeds import generator
from conas.space import space
from harness.config.identity import digest
from harness.records.files import facts, write_json
from harness.training.work import Work

_FORWARD_SHARE = 1 / 3
"""A forward pass costs about half of its backward pass."""
_LAYERS = 3
_TIMINGS = 3
_LASTS = 86_400.0
"""Seconds for which a machine's speed is remembered."""
_OFF = 2.0
"""A speed is measured anew if a small step is so many times as slow as it was, or as fast: the machine was busy then or
is now."""

Step = Callable[[], None]
Network = Callable[[torch.device, int, bool], tuple[Step, Callable[[], float]]]
"""Makes a network: a step of its training, and what counts the forward multiply-adds of one."""


@dataclass(frozen=True)
class Machine:
    """Training speed: ``overhead`` in seconds for each layer and step, ``rate`` in forward multiply-adds per second.

    The layers of a language model are the rows of a window of text.
    """

    overhead: float
    rate: float

    def seconds(self, work: Iterable[Work]) -> float:
        """The time that ``work`` takes."""
        return sum(self._seconds(part) for part in work)

    def _seconds(self, work: Work) -> float:
        training = work.steps * (work.layers * self.overhead + work.mult_adds / self.rate)
        return training if work.trains else _FORWARD_SHARE * training


def machine(runs_dir: str, device: torch.device, threads: int, task: str) -> Machine:
    """The speed of this machine at a task, ``image`` or ``text``, remembered in the store for a day or until off."""
    key = digest([platform.node(), str(device), threads, torch.__version__, task])
    path = (Path(runs_dir) / "speeds" / f"{key}.json").resolve()
    known = _remembered(path)
    if known is None or (path not in _believed and _is_off(known, device, threads, _NETWORKS[task])):
        torch.set_num_threads(threads)
        known = _measure(device, _NETWORKS[task])
        write_json(path, asdict(known))
    _believed.add(path)
    return known


_believed: set[Path] = set()
"""The speeds that this process has measured or compared."""


def _is_off(known: Machine, device: torch.device, threads: int, network: Network) -> bool:
    torch.set_num_threads(threads)
    slower = _overhead(device, network) / known.overhead
    return not 1 / _OFF < slower < _OFF


def _remembered(path: Path) -> Machine | None:
    """What was measured, unless it is too old or damaged."""
    speed = facts(path, overhead=float, rate=float)
    if speed is None or time.time() - path.stat().st_mtime > _LASTS or min(speed.values()) <= 0:
        return None
    return Machine(speed["overhead"], speed["rate"])


def _measure(device: torch.device, network: Network) -> Machine:
    overhead = _overhead(device, network)
    step, mult_adds = network(device, _LAYERS, True)
    seconds = _seconds(device, step)  # the count empties the network
    return Machine(overhead, mult_adds() / max(seconds - _LAYERS * overhead, 1e-6))


def _overhead(device: torch.device, network: Network) -> float:
    return _seconds(device, network(device, _LAYERS, False)[0]) / _LAYERS


def _cnn(device: torch.device, layers: int, large: bool) -> tuple[Step, Callable[[], float]]:
    """A one-shot CNN, tiny or larger."""
    channels, size = (16, 32) if large else (4, 8)
    cells = space("cnn")
    network = OneShotCNN(cells, channels, layers, 10, seed=0).to(device)
    alpha = cells.sample(generator(0, "speed"), 1)[0]
    images = torch.zeros(8, 3, size, size, device=device)

    def count() -> float:
        return len(images) * mult_adds(network, lambda net, x: net(x, alpha), (3, size, size))

    return lambda: network(images, alpha).sum().backward(), count


def _rnn(device: torch.device, rows: int, large: bool) -> tuple[Step, Callable[[], float]]:
    """A one-shot RNN, tiny or larger."""
    cells = space("rnn")
    words, size, batch = (2000, 128, 32) if large else (10, 4, 2)
    model = OneShotRNN(cells, words, size, seed=0).to(device).eval()
    alpha = cells.sample(generator(0, "speed"), 1)[0]
    tokens = torch.zeros(rows, batch, dtype=torch.long, device=device)

    def step() -> None:
        run = model(tokens, model.initial_hidden(batch), alpha)
        model.cross_entropy(run.outputs, tokens).backward()

    return step, lambda: tokens.numel() * word_mult_adds(model, alpha)


def _seconds(device: torch.device, step: Step) -> float:
    """The least time of a few steps after a first one: other work on the machine can only add to it."""
    step()
    return min(_time(device, step) for _ in range(_TIMINGS))


def _time(device: torch.device, step: Step) -> float:
    start = time.monotonic()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.monotonic() - start


_NETWORKS: dict[str, Network] = {"image": _cnn, "text": _rnn}
