"""The record of a run, and what must hold before one is believed.

Records are exchanged: unpacked from files, read from databases and from folders of others. Names in them become paths
and figures enter means, so a record with impossible names or values is none.
"""

import math
import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    model_serializer,
    model_validator,
)

from conas.architecture import Named, architecture
from conas.refusal import Refused
from conas.space import SPACES

Status = Literal["queued", "running", "done", "failed", "interrupted", "diverged"]

NAME = r"^[A-Za-z0-9_-]{1,64}$"
"""What a data set, a method or a cell may be called: nothing that means something in a path."""
_MOST_NODES, _MOST_EDGES = 32, 256
"""Nodes and edges of a cell; the largest of the paper's spaces has 9 and 144."""


class DamagedRecord(Refused, ValueError):
    """A record that cannot be read."""


def _moment(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("a time without its zone")
    return text


def _genotype(data: dict[str, Any]) -> dict[str, Any]:
    """Refuse what is not a genotype, or one whose cells could not be files or be drawn in time."""
    genotype = architecture(data)
    if genotype.to_json() != data:
        raise ValueError("not as a genotype is written")
    if isinstance(genotype, Named):
        return data
    for name in (*genotype.cells, *genotype.operations):
        if not re.fullmatch(NAME, name):
            raise ValueError(f"{name!r} is not the name of a cell or an operation")
    edges = max((sum(map(len, cell.nodes)) for cell in genotype.cells.values()), default=0)
    nodes = max((genotype.inputs + len(cell.nodes) for cell in genotype.cells.values()), default=0)
    if nodes > _MOST_NODES or edges > _MOST_EDGES:
        raise ValueError(f"a cell of {nodes} nodes and {edges} edges (allowed: {_MOST_NODES} and {_MOST_EDGES})")
    return data


def _figures(figures: dict[str, float]) -> dict[str, float]:
    for name, value in figures.items():
        low, high = _limits(name)
        if not low <= value <= high or not math.isfinite(value):
            raise ValueError(f"{name} is {value}, which is impossible")
    return figures


def _limits(figure: str) -> tuple[float, float]:
    kind = figure.rpartition("_")[2]
    return {"error": (0, 100), "loss": (0, math.inf), "perplexity": (1, math.inf), "epoch": (1, math.inf)}.get(
        kind, (-math.inf, math.inf)
    )


Name = Annotated[str, Field(pattern=NAME)]
Key = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
Moment = Annotated[str, AfterValidator(_moment)]
Number = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Figures = Annotated[dict[str, float], AfterValidator(_figures)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Attempt(_Part):
    """One process that worked on a run. Times are UTC, ISO 8601."""

    started: Moment
    ended: Moment | None = None
    status: Status = "running"
    host: str
    pid: int
    device: str

    @property
    def seconds(self) -> float | None:
        """How long it lasted; None if it never said that it ended."""
        if self.ended is None:
            return None
        return (datetime.fromisoformat(self.ended) - datetime.fromisoformat(self.started)).total_seconds()


class _Seen(BaseModel):
    """What tables read of a part of a search's details; the rest is the method's own."""

    model_config = ConfigDict(strict=True)


class _Measured(_Seen):
    used: Number
    mean: float
    sd: float


class _Recovered(_Seen):
    nonzeros: Number = 0
    unique: bool | None = None


class _Stage(_Seen):
    measurements: _Measured
    minimisers: Annotated[float, Field(ge=1)]
    recovery: _Recovered = _Recovered()
    decided_by_tie_rule: Number = 0
    fit_r2: float | None = None
    held_out_r2: float | None = None


_STAGES = TypeAdapter(list[_Stage])


class SearchRecord(_Part):
    """What the search found and spent. ``seconds`` is device time; stages shared between runs count in each of them.
    ``code`` is `baselines.registry.Method.code` when it searched."""

    key: Key
    dataset: Name
    seconds: Amount
    gpu_days: Amount
    one_shot_steps: Number
    measurements: Number
    stand_alone_epochs: Number
    code: Key | None = None
    details: dict[str, Any]

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without ``code`` where it is not known: records made before it are written again as they were."""
        written: dict[str, Any] = write(self)
        return {name: value for name, value in written.items() if name != "code" or value is not None}


class CountsRecord(_Part):
    """Size of the final network without its auxiliary head, evaluation mode.

    ``params`` in parameters; ``mult_adds`` in multiply-adds of convolutions and linear layers, for one image or word.
    Of networks for images also ``mult_adds_thop`` as thop counts; ``mult_adds_ptflops`` in the convention behind the
    paper's column; ``mult_adds_flopcounter`` by torch's own counter.
    """

    params: Number
    mult_adds: Amount
    mult_adds_thop: Amount | None = None
    mult_adds_ptflops: Amount | None = None
    mult_adds_flopcounter: Amount | None = None


class Record(_Part):
    """Everything known of one run.

    ``metrics`` holds the final network's figures: ``last`` at the last epoch (the one that counts) and ``best`` over
    all epochs, each a mapping such as {"test_error": 7.1, "epoch": 20}; errors are in percent.
    """

    schema_version: Literal[1] = 1
    key: Key
    method: Name
    dataset: Name
    seed: Seed
    profile: Name
    status: Status
    reason: str | None = None
    config: dict[str, Any]
    genotype: Annotated[dict[str, Any], AfterValidator(_genotype)] | None = None
    search: SearchRecord | None = None
    training_seconds: Amount | None = None
    counts: CountsRecord | None = None
    metrics: dict[str, Figures] = {}
    weights: dict[str, str] | None = None
    data: dict[str, Any] = {}
    environment: dict[str, Any] = {}
    attempts: list[Attempt] = []

    @property
    def id(self) -> str:
        """The name of the run's folder."""
        return f"{self.dataset}-{self.method}-s{self.seed}-{self.key}"

    @property
    def stages(self) -> list[dict[str, Any]]:
        """What a search by sparse recovery reported of each of its stages; empty for any other."""
        return self.search.details.get("stages", []) if self.search else []

    @model_validator(mode="after")
    def _agrees(self) -> "Record":
        """The record says what its configuration says."""
        for name in ("dataset", "method", "seed", "profile"):
            if self.config.get(name) != getattr(self, name):
                raise ValueError(f"its {name} is {getattr(self, name)!r} and that of its config another")
        self._check_encoder()
        self._check_stages()
        return self

    def _check_encoder(self) -> None:
        alpha = self.search.details.get("alpha") if self.search else None
        if alpha is None:
            return
        named = self.config.get("space")
        if not isinstance(alpha, str) or not isinstance(named, str) or named not in SPACES:
            raise ValueError("search.details.alpha is not an encoder of a known space")
        SPACES[named].parse(alpha)

    def _check_stages(self) -> None:
        try:
            _STAGES.validate_python(self.stages)
        except ValidationError as error:
            raise ValueError(f"search.details.stages: {_first_line(error)}") from error


def believe(run: str, data: Any) -> Record:
    """The record in ``data``, JSON data, of the run called ``run``.

    Raises:
        DamagedRecord: it is not a record, or another run's; the message is one line.
    """
    try:
        record = Record.model_validate(data)
    except ValidationError as error:
        raise DamagedRecord(_first_line(error)) from error
    if record.id != run:
        raise DamagedRecord(f"it is the record of {record.id}")
    if record.status == "done" and not record.metrics.get("last"):
        raise DamagedRecord("it is done and has no results")
    return record


def _first_line(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    what = " ".join(first["msg"].removeprefix("Value error, ").split())
    return f"{where}: {what}" if where else what
