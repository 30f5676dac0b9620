"""The network that ProxylessNAS found for CIFAR-10 (Cai et al., 2019), as its authors published it: 5.73 M parameters.

A pyramid of 54 bottleneck blocks. In a block, a 3x3 convolution of two groups doubles the channels; each half goes
through a tree of operations of its own, and around it. Their 648 operations are what the search decided; here they are
data. The authors released the network (han-cai/files, proxyless_cifar.config) and its modules
(mit-han-lab/ProxylessNAS), not its training: the recipe is that of the code of the same authors for networks of the
same skeleton (han-cai/PathLevel-EAS).

Departures from that recipe: the cosine falls by the epoch instead of the minibatch; the last minibatch of an epoch,
which it leaves out, is shorter; no path is dropped, as the published description has the rate 0.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from baselines.checks import at_least
from baselines.networks import network
from baselines.pyramids import EXPANSION, STEM, Place, Shortcut, he_by_fan_out, places
from conas.cnn.kernels import depthwise
from conas.cnn.operations import default_initialisation
from conas.settings import setting

PUBLISHED = (
    """7dim7m555d77 aaai3imdi7dd 73ai5a33add5 a5d53dd737i7 a5did577amim 77mm35ad37ii
    dimm777537ii d57d57maa537 75mdiim3amad 53ii37357i57 775a35dadid3 5a5d33a775d3
    m73m7d3a5m7i 3md77d5i3d73 dm3adda5ii5i 5d5iaad55573 7555d3im7d37 miid3i757mid""",
    """d5ama7573aam 7i7di7d37mm5 ma3didmm5mia d73aa337iadd dmam7i7didam 7m75mimadim7
    ia55m5d7addm 3adidddaa3a3 dm77imm55m5d 3737aim377mm 7775a33id3a3 5aiia5a3a7am
    iad3i7i7maid 75im7dmdm777 3m37i35i335i dd37d733dimi mi5i5a3ai7ad 775mda775355""",
    """aaaada75iiia mia75iiaii7i d7m3i5a3iima 7a57a3ma3imm ia7ii7ia5ma7 d5iim57d75id
    miamamdi5a3i 75777ad3m77a ddmad37iddm5 aamd3md7diai ma7m335aidi3 57ddimm357mi
    73m7dammm55m mia5d3573377 ia5377i7773a 553mai5am55i 3d3mmaimd733 73m75i5m3m37""",
)
"""The decisions, by stage: a word is a block, half a word the tree of one half of its channels, three letters an edge
of it and the two leaves behind that."""
_CODE = "Cai et al. (2018), PathLevel-EAS, released code"


@dataclass(frozen=True)
class ProxylessSizes:
    """How deep, how wide.

    Attributes:
        per_stage: blocks of each of the three stages, the first ones of the published 18.
        widening: channels by which the bottlenecks widen in all.
    """

    per_stage: int = setting(18, "Cai et al. (2019), the published description")
    widening: int = setting(84, "Cai et al. (2019), the published description")

    def __post_init__(self) -> None:
        at_least(1, self, "per_stage", "widening")
        most = len(PUBLISHED[0].split())
        if self.per_stage > most:
            raise ValueError(f"per_stage is {self.per_stage} (allowed: 1 to {most}, which were published)")


class Depthwise(nn.Module):
    """Batch norm, ReLU, a depthwise convolution and a pointwise one."""

    def __init__(self, channels: int, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        padding = dilation * (kernel - 1) // 2
        self.norm, self.relu = nn.BatchNorm2d(channels), nn.ReLU()
        self.depth = nn.Conv2d(channels, channels, kernel, 1, padding, dilation, groups=channels, bias=False)
        self.point = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        x = self.relu(self.norm(x))
        return self.point(depthwise(x, self.depth) if self.training else self.depth(x))


OPERATIONS: dict[str, Callable[[int], nn.Module]] = {
    "i": lambda channels: nn.Identity(),
    "3": lambda channels: Depthwise(channels, 3),
    "5": lambda channels: Depthwise(channels, 5),
    "7": lambda channels: Depthwise(channels, 7),
    "d": lambda channels: Depthwise(channels, 3, dilation=2),
    "m": lambda channels: nn.MaxPool2d(3, 1, 1),
    "a": lambda channels: nn.AvgPool2d(3, 1, 1, count_include_pad=False),
}


class Branch(nn.Module):
    """A tree of two edges, and two leaves behind each: the sum of all leaves, normalised, and the input around it."""

    def __init__(self, channels: int, letters: str) -> None:
        super().__init__()
        self.operations = nn.ModuleList(OPERATIONS[letter](channels) for letter in letters)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        first, left, right, second, *others = self.operations
        ends = [leaf(edge) for edge, leaves in ((first(x), (left, right)), (second(x), others)) for leaf in leaves]
        return x + self.norm(torch.stack(ends).sum(0))


class Halves(nn.Module):
    """A 3x3 convolution of two groups to twice the channels, mixed; the sum of the branches of both halves."""

    def __init__(self, place: Place, word: str) -> None:
        super().__init__()
        width = place.within
        self.norm, self.relu = nn.BatchNorm2d(width), nn.ReLU()
        self.convolution = nn.Conv2d(width, 2 * width, 3, place.stride, 1, groups=2, bias=False)
        self.branches = nn.ModuleList(Branch(width, word[half : half + len(word) // 2]) for half in (0, len(word) // 2))

    def forward(self, x: Tensor) -> Tensor:
        """(N, within, H, W) -> (N, within, H / stride, W / stride)."""
        x = self.convolution(self.relu(self.norm(x)))
        mixed = x.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)
        first, second = (branch(half) for branch, half in zip(self.branches, mixed.chunk(2, dim=1), strict=True))
        return first + second


class Block(nn.Module):
    """Into a bottleneck, through its `Halves` and out of it, around a shortcut."""

    def __init__(self, place: Place, word: str) -> None:
        super().__init__()
        out = EXPANSION * place.within
        self.branch = nn.Sequential(
            nn.BatchNorm2d(place.entering),
            nn.Conv2d(place.entering, place.within, 1, bias=False),
            Halves(place, word),
            nn.BatchNorm2d(place.within),
            nn.ReLU(),
            nn.Conv2d(place.within, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.shortcut = Shortcut(place)

    def forward(self, x: Tensor) -> Tensor:
        """(N, entering, H, W) -> (N, EXPANSION * within, H / stride, W / stride)."""
        return self.branch(x) + self.shortcut(x)


@network(
    "proxylessnas_net",
    task="image",
    summary="the network that ProxylessNAS found for CIFAR-10 (Cai et al., 2019)",
    settings=ProxylessSizes,
    sizes={
        # The first blocks of each stage, and the published widening per block, 84 channels on 54 blocks.
        "smoke": {"per_stage": 1, "widening": 5},
        "laptop": {"per_stage": 3, "widening": 14},
    },
    recipe={
        "final": {
            "epochs": {"value": 600, "source": f"assumption: {_CODE}: its networks of this size with cutout"},
            "batch_size": {"value": 64, "source": _CODE},
            "lr": {"value": 0.1, "source": _CODE},
            "schedule": {"value": "cosine", "source": _CODE},
            "momentum": {"value": 0.9, "source": _CODE},
            "nesterov": {"value": True, "source": _CODE},
            "weight_decay": {"value": 1e-4, "source": f"{_CODE}: of all parameters"},
            "auxiliary": {"value": 0.0, "source": f"{_CODE}: no auxiliary head"},
            "drop_path": {"value": 0.0, "source": "Cai et al. (2019), the published description"},
            "clip": {"value": None, "source": f"{_CODE}: gradients are not clipped"},
        }
    },
)
class ProxylessNet(nn.Module):
    """A stem, three stages of blocks, a classifier on the means of the last map."""

    def __init__(self, sizes: ProxylessSizes, shape: tuple[int, int, int], classes: int, *, seed: int) -> None:
        super().__init__()
        words = [word for stage in PUBLISHED for word in stage.split()[: sizes.per_stage]]
        every = list(places(sizes.per_stage, sizes.widening, even=True))
        width = EXPANSION * every[-1].within
        with default_initialisation(seed):
            self.stem = nn.Sequential(nn.Conv2d(shape[0], STEM, 3, padding=1, bias=False), nn.BatchNorm2d(STEM))
            self.blocks = nn.Sequential(*(Block(place, word) for place, word in zip(every, words, strict=True)))
            self.head = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
            self.classifier = nn.Linear(width, classes)
            he_by_fan_out(self)
            nn.init.zeros_(self.classifier.bias)

    def forward(
        self, images: Tensor, progress: float = 0.0, generator: torch.Generator | None = None
    ) -> tuple[Tensor, None]:
        """Logits (N, classes), and no auxiliary head, for images (N, C, H, W)."""
        return self.classifier(self.head(self.blocks(self.stem(images))).flatten(1)), None
