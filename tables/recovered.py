"""What the recovery left open: whether a table's answers follow from the measurements, or from a rule."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tables.counted import counted
from tables.runs import Runs

Stage = Mapping[str, Any]


def left_open(runs: Runs, sweep: str) -> Iterator[str]:
    """One line for a table whose rows search by sparse recovery, each search counted once, one that was
    made again with another result again; none for any other."""
    done = [record for name in runs.planned(sweep) for record in runs.sample(sweep, name).done]
    searches = {(record.search.key, str(record.stages)): record.stages for record in done if record.search}
    stages = [stage for found in searches.values() for stage in found]
    if not stages:
        return
    tied = [stage for stage in stages if stage["minimisers"] > 1]
    recovering = sum(map(bool, searches.values()))
    yield (
        f"Sparse recovery, {counted(len(stages), 'stage')} of {counted(recovering, 'search', 'searches')}: "
        f"{_uniqueness(stages)}. "
        f"In {len(tied)} several strings are equally good; there the tie rule alone decides, {_bits(tied)} in all."
        f"{_at_the_cut(stages)}"
    )


def _uniqueness(stages: Sequence[Stage]) -> str:
    """Of how many stages the Lasso's solution is known to be one of many, and of how many nobody looked."""
    many = sum(_is_one_of_many(stage) for stage in stages)
    unknown = sum(stage.get("recovery", {}).get("unique") is None and not _is_one_of_many(stage) for stage in stages)
    text = f"in {many} the Lasso's solution is one of many"
    return f"{text}, of {unknown} it is not known" if unknown else text


def _is_one_of_many(stage: Stage) -> bool:
    """The record says so, or has more non-zeros than measurements, which proves it."""
    recovery = stage.get("recovery", {})
    return recovery.get("unique") is False or recovery.get("nonzeros", 0) > stage["measurements"]["used"]


def _at_the_cut(stages: Sequence[Stage]) -> str:
    """In how many stages the s largest monomials are not defined, if there are any."""
    cut = sum(bool(stage.get("recovery", {}).get("equal_at_the_cut")) for stage in stages)
    return f" In {cut} equal monomials compete for the last place." if cut else ""


def _bits(stages: Sequence[Stage]) -> str:
    """Bits that differ among equally good strings; at least log2 of their number where the record has no more."""
    recorded = all("decided_by_tie_rule" in stage for stage in stages)
    bits = [stage.get("decided_by_tie_rule", math.ceil(math.log2(stage["minimisers"]))) for stage in stages]
    return f"{'' if recorded else 'at least '}{counted(sum(bits), 'bit')}"
