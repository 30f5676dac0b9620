"""The README's first table says what the scorecard says."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCORECARD = (ROOT / "docs" / "laptop-replication" / "laptop" / "scorecard.md").read_text(encoding="utf-8").splitlines()
ROWS = re.findall(
    r"^\| (?P<claim>[^|]+) \| −[^|]+ \| (?P<here>[^|]*\[[^|]+) \| (?P<verdict>[^|]+) \|$",
    (ROOT / "README.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


@pytest.mark.parametrize(("claim", "here", "verdict"), ROWS)
def test_a_claim_of_the_first_table_is_a_line_of_the_scorecard(claim: str, here: str, verdict: str) -> None:
    (line,) = (line for line in SCORECARD if f"| {here} |" in line)
    cells = [cell.strip() for cell in line.split(" | ")]
    paper, holm, status = cells[2], cells[6], cells[8]
    assert f"| {claim} | {paper} " in (ROOT / "README.md").read_text(encoding="utf-8")
    assert verdict == status + ("\\*" if float(holm.removeprefix("&lt;")) < 0.05 else "")


def test_there_are_claims() -> None:
    assert len(ROWS) == 6
