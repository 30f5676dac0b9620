"""What became of a numeric claim of the paper."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """The verdicts, best first. A reduced scale allows only directions: which of two rows is the lower one."""

    REPRODUCED = "reproduced"
    DIRECTION = "reproduced in direction at reduced scale"
    UNDECIDED = "undecided"
    OPPOSITE = "differs in direction at reduced scale"
    DIFFERS = "differs"
    NOT_RUN = "not run"
    NOT_CHECKABLE = "not checkable"


@dataclass(frozen=True)
class Verdict:
    """One claim of the paper: where it is made, its figure, ours, the status, why, and the command that settles it."""

    where: str
    claim: str
    paper: str
    ours: str
    status: Status
    why: str
    command: str
