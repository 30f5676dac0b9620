"""The scorecard: every numeric claim of the paper with its verdict."""

from collections import Counter

import pandas as pd

from tables.claims import genotypes as claims_genotypes
from tables.claims import tables as claims_tables
from tables.claims import text as claims_text
from tables.claims.verdict import Status, Verdict
from tables.render import escape_markdown, markdown_row
from tables.runs import Runs

HEADERS = ("Where", "Claim", "Paper", "Ours", "Status", "Why", "Command")


def scorecard(runs: Runs) -> list[Verdict]:
    """The verdicts: on the text, on published cells, on the authors' rows of every table."""
    return [*claims_text.verdicts(runs), *claims_genotypes.verdicts(), *claims_tables.verdicts(runs)]


def counts(verdicts: list[Verdict]) -> dict[Status, int]:
    """How many claims have each status, best first."""
    found = Counter(verdict.status for verdict in verdicts)
    return {status: found[status] for status in Status if found[status]}


def frame(verdicts: list[Verdict]) -> pd.DataFrame:
    """The scorecard as a data frame."""
    return pd.DataFrame([vars(verdict) for verdict in verdicts])


def markdown(verdicts: list[Verdict], profile: str) -> str:
    """The scorecard as a Markdown document."""
    tally = ", ".join(f"{number} {status}" for status, number in counts(verdicts).items())
    lines = ["# Scorecard", "", f"Profile {profile}. {len(verdicts)} numeric claims of the paper: {tally}.", ""]
    lines += [markdown_row(list(HEADERS)), markdown_row(["---"] * len(HEADERS))]
    for verdict in verdicts:
        cells = [verdict.where, verdict.claim, verdict.paper, verdict.ours, verdict.status, verdict.why]
        lines.append(markdown_row([*(escape_markdown(cell) for cell in cells), f"`{verdict.command}`"]))
    return "\n".join([*lines, ""])
