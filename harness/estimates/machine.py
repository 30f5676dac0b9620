"""How fast this machine trains: two small networks timed once, everything else reckoned from multiply-adds."""

import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from conas.cnn.one_shot import OneShotCNN
from conas.counting import mult_adds, word_mult_adds
from conas.rnn.language_model import OneShotRNN, recurrent
from conas.seeds import generator
from conas.space import space
from harness.config.identity import digest
from harness.records.files import facts, write_json
from harness.training.work import Work

_FORWARD_SHARE = 1 / 3
"""A forward pass costs about half of its backward pass."""
_TIMINGS = 3
_LASTS = 86_400.0
"""Seconds for which a machine's speed is remembered: it may have been busy when it was timed."""

Step = Callable[[torch.device, int, bool], tuple[float, float]]


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
    """The speed of this machine at a task, ``image`` or ``text``, measured once a day and remembered in the store."""
    key = digest([platform.node(), str(device), threads, torch.__version__, task])
    path = Path(runs_dir) / "speeds" / f"{key}.json"
    if (known := _remembered(path)) is None:
        torch.set_num_threads(threads)
        known = _measure(device, _STEPS[task])
        write_json(path, asdict(known))
    return known


def _remembered(path: Path) -> Machine | None:
    """What was measured, unless it is too old or damaged."""
    speed = facts(path, overhead=float, rate=float)
    if speed is None or time.time() - path.stat().st_mtime > _LASTS or speed["rate"] <= 0:
        return None
    return Machine(speed["overhead"], speed["rate"])


def _measure(device: torch.device, step: Step) -> Machine:
    layers = 3
    tiny, _ = step(device, layers, False)
    large, mult_adds = step(device, layers, True)
    return Machine(tiny / layers, mult_adds / max(large - tiny, 1e-6))


def _image_step(device: torch.device, layers: int, large: bool) -> tuple[float, float]:
    """Seconds of a training step of a one-shot CNN, tiny or larger, and its forward multiply-adds."""
    channels, size = (16, 32) if large else (4, 8)
    cells = space("cnn")
    network = OneShotCNN(cells, channels, layers, 10, seed=0).to(device)
    alpha = cells.sample(generator(0, "speed"), 1)[0]
    images = torch.zeros(8, 3, size, size, device=device)

    seconds = _seconds(device, lambda: network(images, alpha).sum().backward())
    return seconds, len(images) * mult_adds(network, lambda net, x: net(x, alpha), (3, size, size))


def _text_step(device: torch.device, rows: int, large: bool) -> tuple[float, float]:
    """Seconds of a training step of a one-shot RNN, tiny or larger, and its forward multiply-adds."""
    cells = space("rnn")
    words, size, batch = (2000, 128, 32) if large else (10, 4, 2)
    model = OneShotRNN(cells, words, size, seed=0).to(device).eval()
    alpha = cells.sample(generator(0, "speed"), 1)[0]
    tokens = torch.zeros(rows, batch, dtype=torch.long, device=device)

    def step() -> None:
        run = model(tokens, model.initial_hidden(batch), alpha)
        model.cross_entropy(run.outputs, tokens).backward()

    return _seconds(device, step), tokens.numel() * word_mult_adds(model, recurrent(cells.decode(alpha)))


def _seconds(device: torch.device, step: Callable[[], None]) -> float:
    """The least time of a few steps after a first one: other work on the machine can only add to it."""
    step()
    return min(_time(device, step) for _ in range(_TIMINGS))


def _time(device: torch.device, step: Callable[[], None]) -> float:
    start = time.monotonic()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.monotonic() - start


_STEPS: dict[str, Step] = {"image": _image_step, "text": _text_step}
