"""The launches that a network of cells takes: its forward pass, and its backward pass without any autograd.

An edge's operation is a chain of blocks. Forward, all edges out of a node are computed in the same launches; backward,
all edges into a node. What a node's edges return is normalised when it is added up.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import triton
from torch import Tensor, nn

from conas import means
from conas.cnn.cuda import kernels
from conas.cnn.cuda.masks import Masks
from conas.cnn.cuda.state import Arena, FlatState
from conas.cnn.operations import Separable
from conas.device import is_full

EPSILON, MOMENTUM = 1e-5, 0.1
"""Of every batch norm; see `Room.track`."""
_VECTORS = 7
"""Vectors that a norm keeps, see `kernels.norm_vector`."""
_IN_ACTIVATIONS = {"x_at", "y_at", "d_at", "g_at", "gx_at", "gd_at", "out_at", "term_at", "index_at"}
_IN_ACTIVATIONS |= {"x_row", "y_row", "d_row", "g_row", "gd_row", "out_row", "term_row"}
_TILE, _WIDE = 4096, 64
_WEIGHTS = 4096
"""Elements of a pointwise weight that a program keeps at a time: more would not fit into its registers."""
STRIP, _SLICE = 32, 16
"""Pixels and channels of a depthwise convolution's gradient that one warp keeps: its many sums stay in the warp."""
_STEPS = 4
"""Times that a program adds to the gradient of a pointwise weight."""


class UnsupportedError(Exception):
    """There is no kernel for this network."""


class KernelError(RuntimeError):
    """A kernel cannot be compiled or started; the message begins with its name."""


@dataclass(frozen=True)
class Map:
    """Images (count, height, width, channels) in the activations, ``row`` elements from one pixel to the next."""

    at: int
    row: int
    count: int
    height: int
    width: int
    channels: int

    @property
    def area(self) -> int:
        """The pixels of an image."""
        return self.height * self.width

    @property
    def pixels(self) -> int:
        """The pixels of all images."""
        return self.count * self.area

    @property
    def elements(self) -> int:
        """Room that the map takes by itself."""
        return self.pixels * self.channels

    def part(self, first: int, channels: int) -> "Map":
        """``channels`` of the channels from ``first``."""
        return replace(self, at=self.at + first, channels=channels)

    def view(self, act: Tensor) -> Tensor:
        """The images as a tensor (N, C, H, W)."""
        shape = (self.count, self.channels, self.height, self.width)
        image = self.height * self.width * self.row
        return act.as_strided(shape, (image, 1, self.width * self.row, self.row), self.at)


@dataclass(frozen=True)
class Norm:
    """A batch norm: where its statistics are, and the moments of its tiles.

    In a final network it has weights, and the factors of its output may follow: where they are, or a negative number.
    """

    at: int
    sums: int
    channels: int
    pixels: int
    mask: int

    pad: int  # from one of its vectors to the next
    gain: int = -1
    bias: int = -1
    kept: int = -1

    def part(self, first: int, channels: int) -> "Norm":
        """``channels`` of the channels from ``first``."""
        return replace(self, at=self.at + first, sums=self.sums + first, channels=channels)


@dataclass(frozen=True)
class Block:
    """(Norm,) ReLU, depthwise and pointwise convolution, norm."""

    module: Separable
    mask: int
    x: Map
    before: Norm | None
    d: Map
    y: Map
    norm: Norm
    g: Map  # of the norm's output
    gd: Map
    gx: Map


@dataclass(frozen=True)
class Pointwise:
    """ReLU, 1x1 convolution of a lattice of pixels to some of the channels ahead of a norm."""

    weight: Tensor
    mask: int
    x: Map
    shift: int
    stride: int
    y: Map
    norm: Norm  # of these channels
    g: Map
    gx: Map


@dataclass(frozen=True)
class Projection:
    """One or two pointwise blocks whose results side by side are normalised."""

    blocks: list[Pointwise]
    y: Map
    norm: Norm
    g: Map
    gx: Map


@dataclass(frozen=True)
class Chain:
    """One or two blocks, one after the other."""

    blocks: list[Block]

    @property
    def first(self) -> Block:
        """The block that reads the node."""
        return self.blocks[0]

    @property
    def last(self) -> Block:
        """The block whose norm's output is added to the target."""
        return self.blocks[-1]


@dataclass(frozen=True)
class Pooled:
    """A 3x3 pool and a norm, one for all edges out of a node, but in a final network for each."""

    average: bool
    source: int
    mask: int
    x: Map
    y: Map
    index: Map
    norm: Norm
    g: Map
    gx: Map
    terms: list["Term"]  # of g: the gradients of the targets


@dataclass(frozen=True)
class Term:
    """A summand of a node, or of a node's gradient."""

    mask: int
    value: Map
    norm: Norm | None = None


@dataclass
class Launch:
    """A kernel over a grid of (tiles, rows, slices); ``columns`` by argument, one entry for each row."""

    kernel: Any
    grid: tuple[int, int, int]
    columns: dict[str, Any]
    constants: dict[str, Any]
    warps: int = 8
    stages: int = 2
    registers: int | None = None  # at most, for each thread

    @property
    def options(self) -> dict[str, int]:
        """For the compiler."""
        limit = {"maxnreg": self.registers} if self.registers else {}
        return {"num_warps": self.warps, "num_stages": self.stages} | limit

    def bind(self, buffers: dict[str, Tensor], unit: int) -> "Bound":
        """The launch on these buffers."""
        device = buffers["mask"].device
        own = {name: buffers[name] for name in self.kernel.arg_names if name in buffers}
        columns = {name: _column(name, values, unit, device) for name, values in self.columns.items()}
        options = {} if device.type == "cpu" else self.options
        return Bound(self.kernel, self.grid, own | columns | self.constants | options)


@dataclass(frozen=True)
class Bound:
    """A kernel with all that it is called with."""

    kernel: Any
    grid: tuple[int, int, int]
    arguments: dict[str, Any]

    def __call__(self) -> None:
        """Run it."""
        with self._named():
            self.kernel[self.grid](**self.arguments)

    def compile(self, wait: bool = True) -> None:
        """Compile it without running it; what Triton compiles beside others is waited for, or not."""
        with self._named():
            kernel = self.kernel.warmup(**self.arguments, grid=self.grid)
            if wait and hasattr(kernel, "result"):
                kernel.result()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if is_full(error):
                raise
            raise KernelError(f"{self.kernel.__name__}: {means.reason(error)}") from error


def compile_all(launches: Sequence[Bound], workers: int) -> None:
    """Compile what the launches need, several kernels at once where this Triton can.

    Raises:
        KernelError: one of them cannot be compiled.
    """
    together = getattr(triton, "AsyncCompileMode", None)
    try:
        with ThreadPoolExecutor(workers) as pool, together(pool) if together else nullcontext():
            for launch in launches:
                launch.compile(wait=False)
    except Exception:
        for launch in launches:  # again, to the same errors: of several at once it is not told which failed
            launch.compile()
        raise


def _column(name: str, values: Sequence[int], unit: int, device: torch.device) -> Tensor:
    if name in _IN_ACTIVATIONS:
        assert all(value % unit == 0 for value in values), name
        values = [value // unit for value in values]
    return torch.tensor(values, dtype=torch.int64, device=device)


@dataclass
class Room:
    """Where everything lies, and how it is computed."""

    state: FlatState
    masks: Masks
    mode: str  # train; or for evaluation, normalised by the statistics of the batch or by the running ones
    dot: str
    unit: int
    final: bool = False
    activations: Arena = field(default_factory=Arena)
    statistics: Arena = field(default_factory=Arena)
    sums: Arena = field(default_factory=Arena)
    forward: list[Launch] = field(default_factory=list)
    backward: list[Launch] = field(default_factory=list)
    weights: list[dict[str, int]] = field(default_factory=list)
    tracked: list[dict[str, int]] = field(default_factory=list)
    weighted: list[dict[str, int]] = field(default_factory=list)
    gaps: list[Map] = field(default_factory=list)  # gradients of which a stride leaves pixels at zero
    _lent: list[Map] = field(default_factory=list)
    _free: dict[int, list[int]] = field(default_factory=dict)

    @property
    def training(self) -> bool:
        """Whether there is a backward pass."""
        return self.mode == "train"

    @property
    def moments(self) -> bool:
        """Whether norms need the statistics of the batch."""
        return self.mode != "running"

    def gradient(self, like: Map) -> Map:
        """Room for the gradient of a map, where there is one, until `reuse`."""
        if not self.training:
            return like
        free = self._free.get(like.elements)
        lent = replace(like, at=free.pop(), row=like.channels) if free else self.map(like, like.channels)
        self._lent.append(lent)
        return lent

    def lasting(self, like: Map, stride: int = 1) -> Map:
        """Room that no gradient reuses: for what the forward pass leaves to the backward pass, and a cell to others.

        Of a gradient behind a ``stride`` only a lattice is written, and the rest has to be zero.
        """
        if not self.training:
            return like
        made = self.map(like, like.channels)
        if stride > 1:
            self.gaps.append(made)
        return made

    def reuse(self) -> None:
        """What `gradient` gave is done with before what it gives from now on is written."""
        for lent in self._lent:
            self._free.setdefault(lent.elements, []).append(lent.at)
        self._lent.clear()

    def map(self, like: Map, channels: int, stride: int = 1) -> Map:
        """A new map of ``channels``, of the size of ``like`` behind a stride."""
        height, width = -(-like.height // stride), -(-like.width // stride)
        made = Map(0, channels, like.count, height, width, channels)
        return replace(made, at=self.activations.take(made.elements))

    def norm(self, module: nn.BatchNorm2d, y: Map, mask: int, kept: int = -1) -> Norm:
        """The norm behind ``y``; its running statistics follow if ``mask``."""
        norm = self.shared_norm(y, mask)
        self.track(module, norm, mask)
        return self._weighted(module, norm, kept) if self.final else norm

    def _weighted(self, module: nn.BatchNorm2d, norm: Norm, kept: int) -> Norm:
        """The norm with the weights of ``module``, whose gradients follow."""
        gain, bias = self.state.place(module.weight), self.state.place(module.bias)
        row = {"mask_at": norm.mask, "norm_at": norm.at, "pad_of": norm.pad, "channels": norm.channels}
        self.weighted.append(row | {"pixels_of": norm.pixels, "gain_at": gain, "bias_at": bias})
        return replace(norm, gain=gain, bias=bias, kept=kept)

    def shared_norm(self, y: Map, mask: int) -> Norm:
        """A norm whose running statistics are kept elsewhere."""
        pad = -(-y.channels // 16) * 16
        sums = self.sums.take(max(tiles(y), strips(y)) * 2 * pad)
        return Norm(self.statistics.take(_VECTORS * pad), sums, y.channels, y.pixels, mask, pad)

    def own_norm(self, module: nn.BatchNorm2d, shared: Norm, y: Map, mask: int, kept: int = -1) -> Norm:
        """The norm of one of the edges that share ``y``; only its running statistics and weights are its own."""
        if not self.moments:
            return self.norm(module, y, mask)
        self.track(module, shared, mask)
        return self._weighted(module, shared, kept) if self.final else shared

    def track(self, module: nn.BatchNorm2d, norm: Norm, mask: int) -> None:
        """The running statistics of ``module`` follow ``norm``.

        Raises:
            UnsupportedError: the batch norm is not one that the kernels compute.
        """
        if module.affine != self.final:
            raise UnsupportedError(f"a batch norm {'with' if module.affine else 'without'} weights")
        if (module.eps, module.momentum) != (EPSILON, MOMENTUM):
            raise UnsupportedError(f"a batch norm with eps={module.eps} and momentum={module.momentum}")
        assert module.running_mean is not None
        assert module.running_var is not None
        assert module.num_batches_tracked is not None
        place = self.state.place
        row = {"mask_at": mask, "norm_at": norm.at, "channels": norm.channels, "pad_of": norm.pad}
        row |= {"mean_at": place(module.running_mean), "variance_at": place(module.running_var)}
        self.tracked.append(row | {"count_at": place(module.num_batches_tracked)})

    def weight(self, parameter: Tensor, mask: int, parts: int, inner: int, outer: int) -> int:
        """Room for the sums of ``parts`` tiles of the parameter's gradient."""
        size = inner * outer
        at = self.sums.take(parts * size)
        row = {"mask_at": mask, "sum_at": at, "parts_of": parts, "size_of": size, "inner_of": inner, "outer_of": outer}
        self.weights.append(row | {"to_at": self.state.place(parameter)})
        return at


def tile(channels: int) -> int:
    """Pixels that one program works on."""
    return min(max(_TILE // _power(channels), 16), 256)


def narrow(channels_in: int, channels: int) -> int:
    """Pixels at a time where two matrix products need registers at once."""
    return max(min(_power(4096 // (_power(channels_in) + _power(channels)) // 2 + 1), 128), 32)


def _inputs_at_once(channels_in: int, channels: int) -> int:
    """Input channels of a pointwise convolution at a time."""
    return min(_power(channels_in), _WIDE, max(_WEIGHTS // _power(channels), 16))


def neighbours(image: Map) -> int:
    """Pixels of a row that are computed together."""
    return next(count for count in (4, 2, 1) if image.width % count == 0)


def strips(image: Map) -> int:
    """Programs that the gradient of a depthwise convolution of an image takes, for each slice of its channels."""
    return -(-image.pixels // STRIP)


def tiles(image: Map) -> int:
    """Programs that an image takes."""
    return -(-image.pixels // tile(image.channels))


def _power(channels: int) -> int:
    return max(int(triton.next_power_of_2(channels)), 16)


def _launch(
    to: list[Launch],
    kernel: Any,
    tiles: int,
    rows: Sequence[dict[str, int]],
    slices: int = 1,
    warps: int = 8,
    registers: int | None = None,
    **constants: Any,
) -> None:
    if rows:
        to.append(Launch(kernel, (tiles, len(rows), slices), _columns(rows), constants, warps, registers=registers))


def _columns(rows: Sequence[dict[str, int]]) -> dict[str, list[int]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _grouped(items: Iterable[Any], key: Callable[[Any], Any]) -> list[list[Any]]:
    groups: dict[Any, list[Any]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())


# forward


def separable_forward(room: Room, blocks: Sequence[Block]) -> None:
    """Blocks, all with a norm before them or all without."""
    for group in _grouped(blocks, lambda b: (b.x.pixels, b.y.pixels)):
        some, channels = group[0], group[0].y.channels
        rows = [
            {"mask_at": b.mask, "x_at": b.x.at, "x_row": b.x.row, "norm_at": b.before.at if b.before else 0}
            | {"d_at": b.d.at, "y_at": b.y.at, "sum_at": b.norm.sums, **_weights(room, b.module)}
            for b in group
        ]
        _launch(
            room.forward, kernels.separable_forward, tiles(some.y), rows, **_sizes(some.x, some.y), PAD=some.norm.pad,
            C=channels, BC=_power(channels), BK=_inputs_at_once(channels, channels), P=tile(channels),
            G=neighbours(some.y), STRIDE=some.module.depthwise.stride[0], NORMED=some.before is not None,
            FINAL=room.final, KEEP=room.training, MOMENTS=room.moments, registers=128, WIDEST=_widest(group),
            DOT=room.dot, U=room.unit,
        )  # fmt: skip


def _weights(room: Room, module: Separable) -> dict[str, int]:
    place, depth = room.state.place, module.depthwise
    at = {"depth_at": place(depth.weight), "point_at": place(module.pointwise.weight)}
    return at | {"kernel": depth.kernel_size[0], "dilation": depth.dilation[0]}


def _widest(blocks: Sequence[Block]) -> int:
    widths = {block.module.depthwise.kernel_size[0] for block in blocks}
    if not widths <= {3, 5, 7}:
        raise UnsupportedError(f"a depthwise convolution of width {max(widths - {3, 5, 7})}")
    return max(5, *widths)


def _sizes(source: Map, result: Map) -> dict[str, int]:
    return {
        "PIXELS": result.pixels, "H": source.height, "W": source.width, "OH": result.height, "OW": result.width
    }  # fmt: skip


def pointwise_forward(room: Room, blocks: Sequence[Pointwise]) -> None:
    """1x1 convolutions."""
    for group in _grouped(blocks, _shape):
        some = group[0]
        rows = [
            {"mask_at": b.mask, "x_at": b.x.at, "x_row": b.x.row, "shift_of": b.shift, "y_at": b.y.at, "y_row": b.y.row}
            | {"point_at": room.state.place(b.weight), "sum_at": b.norm.sums}
            for b in group
        ]
        out = some.weight.shape[0]
        _launch(
            room.forward, kernels.pointwise_forward, _tiles_of(some), rows, **_lattice(some), OUT=out, BC=_power(out),
            MOMENTS=room.moments, DOT=room.dot, U=room.unit,
        )  # fmt: skip


def _shape(block: Pointwise) -> tuple[int, ...]:
    return (*block.weight.shape, block.stride, block.x.pixels, block.norm.pad, block.y.row)


def _tiles_of(block: Pointwise) -> int:
    return -(-block.y.pixels // tile(block.y.row))


def _lattice(block: Pointwise) -> dict[str, Any]:
    channels = block.weight.shape[1]
    return {
        "PIXELS": block.y.pixels, "OH": block.y.height, "OW": block.y.width, "IH": block.x.height, "IW": block.x.width,
        "PAD": block.norm.pad, "IN": channels, "BK": _inputs_at_once(channels, len(block.weight)),
        "P": tile(block.y.row), "STRIDE": block.stride,
    }  # fmt: skip


def pool_forward(room: Room, pools: Sequence[Pooled]) -> None:
    """Pools out of nodes of the same size."""
    if pools:
        some = pools[0]
        rows = [
            {"mask_at": p.mask, "x_at": p.x.at, "x_row": p.x.row, "y_at": p.y.at, "index_at": p.index.at}
            | {"sum_at": p.norm.sums, "average": int(p.average)}
            for p in pools
        ]
        sizes, stride = _sizes(some.x, some.y), some.x.height // some.y.height
        _launch(
            room.forward, kernels.pool_forward, tiles(some.y), rows, **sizes, PAD=some.norm.pad, **_all(some.y),
            STRIDE=stride, KEEP=room.training, MOMENTS=room.moments, U=room.unit,
        )  # fmt: skip


def _all(image: Map) -> dict[str, int]:
    channels = image.channels
    return {"C": channels, "BC": _power(channels), "P": tile(channels)}


def _small(image: Map) -> dict[str, int]:
    """For a kernel that sums nothing up over pixels: smaller tiles, so that more loads are on their way."""
    return _all(image) | {"P": max(tile(image.channels) // 4, 16)}


def statistics(room: Room, norms: Iterable[Norm]) -> None:
    """The statistics of the batch, where they count."""
    for group in _grouped(norms if room.moments else [], lambda n: (n.channels, n.pixels)):
        some = group[0]
        rows = [
            {"mask_at": n.mask, "sum_at": n.sums, "norm_at": n.at, "gain_at": n.gain, "bias_at": n.bias} for n in group
        ]
        count = -(-some.pixels // tile(some.channels))
        _launch(
            room.forward, kernels.statistics, 1, rows, PIXELS=some.pixels, TILES=count, PAD=some.pad, EPS=EPSILON,
            C=some.channels, BC=_power(some.channels), BT=_block(some.channels), P=tile(some.channels),
            FINAL=room.final,
        )  # fmt: skip
        room.forward[-1].grid = (len(rows), 1, 1)


def _block(channels: int) -> int:
    return max(4096 // _power(channels), 1)


def add(room: Room, to: list[Launch], sums: Sequence[tuple[int, Map, Sequence[Term]]]) -> None:
    """Sums of terms, each written to its map where its condition holds."""
    for group in _grouped(sums, lambda item: (item[1].channels, item[1].pixels)):
        rows: list[dict[str, int]] = []
        terms: list[Term] = []
        for mask, out, parts in group:
            row = {"mask_at": mask, "out_at": out.at, "out_row": out.row}
            rows.append(row | {"first_of": len(terms), "count_of": len(parts)})
            terms += parts
        some = group[0][1]
        pad = -(-some.channels // 16) * 16
        sizes = {"PIXELS": some.pixels, "AREA": some.area, "PAD": pad, **_small(some)}
        _launch(to, kernels.add, -(-some.pixels // sizes["P"]), rows, 1, 4, **sizes, FINAL=room.final, U=room.unit)
        to[-1].columns |= {
            "term_mask": [term.mask for term in terms],
            "term_at": [term.value.at for term in terms],
            "term_row": [term.value.row for term in terms],
            "term_norm": [term.norm.at if term.norm else -1 for term in terms],
            "term_kept": [term.norm.kept if term.norm else -1 for term in terms],
        }


# backward


def gradient_sums(room: Room, norms: Sequence[tuple[Norm, Map, Map]]) -> None:
    """Of norms, the sums of the gradient ``g`` of their output and of it times their normalised input ``y``."""
    for group in _grouped(norms, lambda item: (item[0].channels, item[0].pixels)):
        some = group[0][1]
        rows = [
            {"mask_at": norm.mask, "g_at": g.at, "g_row": g.row, "y_at": y.at, "y_row": y.row}
            | {"norm_at": norm.at, "kept_at": norm.kept, "sum_at": norm.sums}
            for norm, g, y in group
        ]
        sizes = {"PIXELS": some.pixels, "AREA": some.area, "PAD": group[0][0].pad, **_all(some)}
        _launch(room.backward, kernels.gradient_sums, tiles(some), rows, **sizes, FINAL=room.final, U=room.unit)


def gradient_statistics(room: Room, norms: Iterable[Norm], pixels: int | None = None) -> None:
    """The two means that the gradient of a norm needs, from sums over ``pixels`` at a time."""
    for group in _grouped(norms, lambda n: (n.channels, n.pixels)):
        some = group[0]
        rows = [{"mask_at": n.mask, "sum_at": n.sums, "norm_at": n.at} for n in group]
        count = -(-some.pixels // (pixels or tile(some.channels)))
        _launch(
            room.backward, kernels.gradient_statistics, 1, rows, PIXELS=some.pixels, TILES=count, PAD=some.pad,
            C=some.channels, BC=_power(some.channels), BT=_block(some.channels),
        )  # fmt: skip
        room.backward[-1].grid = (len(rows), 1, 1)


def separable_backward(room: Room, blocks: Sequence[Block]) -> None:
    """From the gradient of the blocks' norms, whose means are known, to that of their inputs."""
    for group in _grouped(blocks, lambda b: (b.x.pixels, b.y.pixels)):
        _pointwise_of(room, group)
        _depthwise_backward(room, group)


def _pointwise_of(room: Room, blocks: Sequence[Block]) -> None:
    some, channels = blocks[0], blocks[0].y.channels
    block = min(_power(channels), _WIDE)
    pixels, (height, width) = narrow(block, block), (some.y.height, some.y.width)
    parts = -(-some.y.pixels // (_STEPS * pixels))
    rows = [
        {"mask_at": b.mask, "g_at": b.g.at, "g_row": b.g.row, "y_at": b.y.at, "y_row": b.y.row, "norm_at": b.norm.at}
        | {"d_at": b.d.at, "d_row": b.d.row, "gd_at": b.gd.at, "gd_row": b.gd.row, "shift_of": 0}
        | {"kept_at": b.norm.kept, "point_at": room.state.place(b.module.pointwise.weight)}
        | {"weight_at": room.weight(b.module.pointwise.weight, b.mask, parts, channels * channels, 1)}
        for b in blocks
    ]
    _launch(
        room.backward, kernels.pointwise_backward, parts, rows, -(-channels // block), _warps(room, block, block),
        PIXELS=some.y.pixels, OH=height, OW=width, IH=height, IW=width, PAD=some.norm.pad, TILES=_STEPS, IN=channels,
        BK=block, OUT=channels, BC=block, P=pixels, STRIDE=1, RELU=False, FINAL=room.final, DOT=room.dot, U=room.unit,
    )  # fmt: skip


def _depthwise_backward(room: Room, blocks: Sequence[Block]) -> None:
    some, channels = blocks[0], blocks[0].y.channels
    rows = []
    for b in blocks:
        depth, parts = b.module.depthwise.weight, strips(some.x)
        row = {"mask_at": b.mask, "g_at": b.gd.at, "x_at": b.x.at, "x_row": b.x.row, "gx_at": b.gx.at}
        row |= {"norm_at": b.before.at if b.before else 0, "sum_at": b.before.sums if b.before else 0}
        row |= {name: value for name, value in _weights(room, b.module).items() if name != "point_at"}
        taps = depth.shape[-1] * depth.shape[-2]
        rows.append(row | {"weight_at": room.weight(depth, b.mask, parts, channels, taps)})
    sizes = _sizes(some.x, some.y) | {"PIXELS": some.x.pixels}
    _launch(
        room.backward, kernels.depthwise_backward, strips(some.x), rows, -(-channels // _SLICE), 1, **sizes,
        PAD=some.norm.pad, C=channels, BK=_SLICE, P=STRIP, G=neighbours(some.x), STRIDE=some.module.depthwise.stride[0],
        NORMED=some.before is not None, FINAL=room.final, WIDEST=_widest(blocks), U=room.unit,
    )  # fmt: skip


def _warps(room: Room, inputs: int, outputs: int) -> int:
    """More threads for what spills registers on an H100; the one-shot CNN's kernels, measured there, do not."""
    return 8 if room.final and inputs * outputs >= _WEIGHTS else 4


def pointwise_backward(room: Room, blocks: Sequence[Pointwise]) -> None:
    """From the gradient of the norms behind 1x1 convolutions to that of the maps they read."""
    for group in _grouped(blocks, _shape):
        some, (out, channels) = group[0], group[0].weight.shape[:2]
        inputs, outputs = min(_power(channels), _WIDE), min(_power(out), _WIDE)
        sizes = _lattice(some) | {"BK": inputs, "P": narrow(inputs, outputs)}
        parts = -(-some.y.pixels // (_STEPS * sizes["P"]))
        rows = [
            {"mask_at": b.mask, "g_at": b.g.at, "g_row": b.g.row, "y_at": b.y.at, "y_row": b.y.row}
            | {"norm_at": b.norm.at, "d_at": b.x.at, "d_row": b.x.row, "gd_at": b.gx.at, "gd_row": b.gx.row}
            | {"kept_at": b.norm.kept, "shift_of": b.shift, "point_at": room.state.place(b.weight)}
            | {"weight_at": room.weight(b.weight, b.mask, parts, out * channels, 1)}
            for b in group
        ]
        _launch(
            room.backward, kernels.pointwise_backward, parts, rows, -(-channels // inputs),
            _warps(room, inputs, outputs), **sizes, TILES=_STEPS, OUT=out, BC=outputs, RELU=True, FINAL=room.final,
            DOT=room.dot, U=room.unit,
        )  # fmt: skip


def pool_backward(room: Room, pools: Sequence[Pooled]) -> None:
    """From the gradient of the norms behind pools to that of the pools' input."""
    if pools:
        some = pools[0]
        rows = [
            {"mask_at": p.mask, "g_at": p.g.at, "y_at": p.y.at, "index_at": p.index.at, "norm_at": p.norm.at}
            | {"kept_at": p.norm.kept, "gx_at": p.gx.at, "average": int(p.average)}
            for p in pools
        ]
        sizes, stride = _sizes(some.x, some.y) | {"PIXELS": some.x.pixels}, some.x.height // some.y.height
        small = _small(some.y)
        _launch(
            room.backward, kernels.pool_backward, -(-some.x.pixels // small["P"]), rows, 1, 4, **sizes, **small,
            PAD=some.norm.pad, STRIDE=stride, FINAL=room.final, U=room.unit,
        )  # fmt: skip


def complete(room: Room) -> None:
    """What follows when the passes through all cells are planned."""
    room.backward.append(_weight_gradients(room))
    if room.weighted:
        room.backward.append(_norm_gradients(room))
    room.forward.append(_tracking(room))


def _norm_gradients(room: Room) -> Launch:
    """The gradients of all norms' weights."""
    columns = _columns(room.weighted)
    widest = _power(max(columns["channels"]))
    return Launch(kernels.norm_gradients, (len(room.weighted), 1, 1), columns, {"BC": widest})


def _weight_gradients(room: Room) -> Launch:
    """All weights' gradients from the sums of their tiles."""
    block = 128
    pairs = [(i, first) for i, row in enumerate(room.weights) for first in range(0, row["size_of"], block)]
    columns = _columns(room.weights)
    columns |= {"block_row": [row for row, _ in pairs], "block_first": [first for _, first in pairs]}
    return Launch(kernels.weight_gradients, (len(pairs), 1, 1), columns, {"B": block, "BT": 32})


def _tracking(room: Room) -> Launch:
    """All running statistics."""
    columns = _columns(room.tracked)
    widest = _power(max(columns["channels"]))
    return Launch(kernels.track, (len(room.tracked), 1, 1), columns, {"momentum": MOMENTUM, "BC": widest})
