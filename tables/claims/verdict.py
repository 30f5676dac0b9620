"""What became of a claim: one status, one shape, for whatever is claimed."""

from dataclasses import dataclass
from enum import Enum, StrEnum

from tables.statistics import Estimate


class Status(StrEnum):
    """The verdicts, best first. A reduced scale allows only directions: which of two rows is the lower one."""

    REPRODUCED = "reproduced"
    DIRECTION = "holds at reduced scale"
    CONSISTENT = "agrees, without an experiment"
    UNDECIDED = "undecided"
    OPPOSITE = "does not hold at reduced scale"
    DIFFERS = "differs"
    CONTRADICTORY = "the paper contradicts itself"
    NOT_RUN = "not run"
    NOT_CHECKABLE = "not checkable"


class Kind(Enum):
    """What is claimed; the value is the title of its section."""

    ORDER = "This is lower than that"
    CONTROL = "This project's own questions"
    TEXT = "Numbers of the text"
    SIZE = "Sizes of published cells"
    FIGURE = "Figures of the tables"
    SEARCHED = "At the paper's scale: searches alone"


@dataclass(frozen=True)
class Test:
    """The statistics of a comparison.

    Attributes:
        estimate: the difference, first minus second, or the ratio.
        seeds: over which it is taken.
        needed: seeds that would tell it from none with 80 % power, None where even 1,000 would not or nothing says.
        holm: its p value adjusted for all comparisons of the page, None where it decides nothing.
    """

    estimate: Estimate
    seeds: tuple[int, ...]
    needed: int | None = None
    holm: float | None = None


@dataclass(frozen=True)
class Verdict:
    """One claim: where it is made, its figure, ours, the status, why, and the command that settles it."""

    kind: Kind
    where: str
    claim: str
    paper: str
    ours: str
    status: Status
    why: str
    command: str
    test: Test | None = None


def make(sweep: str, profile: str) -> str:
    """The command that makes the runs of ``sweep``."""
    return f"python harness/sweep.py {sweep} --profile {profile}"
