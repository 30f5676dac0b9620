"""The scorecard: every claim of the paper with a number or a comparison, and its verdict."""

from collections import Counter
from collections.abc import Callable, Sequence

import pandas as pd

from harness.console.markdown import markdown_row
from tables.claims import figures, genotypes, orders, searched, text
from tables.claims.verdict import Kind, Status, Test, Verdict
from tables.counted import counted
from tables.paper.contents import TABLES
from tables.render import escape_markdown
from tables.runs import Runs
from tables.statistics import MOST_SEEDS
from tables.table import Table

NOTES = {
    Kind.ORDER: (
        "First minus second within each seed, one search per seed: their mean, its 95 % interval (Student's t), and p. "
        "Holm: p adjusted for all comparisons of this page. The status is that of the raw interval; it survives where "
        "the adjusted p is below 0.05. Seeds to tell: with how many a true difference as large as the paper's (at "
        "reduced scale, and where the paper has none: as the one seen here) is told from none with 80 % power, by "
        "the spread seen here. A ratio of SDs (Fisher's F) takes the trainings of both sides as independent, which is "
        "too cautious where they share seeds. Runs of one seed have less in common where they were made on different "
        "processors."
    ),
    Kind.CONTROL: (
        "What the paper does not ask: CoNAS against what costs nothing beyond it, and this project's Fourier search, "
        "with as many measurements, against both, against regularised evolution with as many and against a local "
        "search from CoNAS's answer, which measures more. Same statistics."
    ),
    Kind.TEXT: "Sentences with a number that no table prints; a number that stands in both is counted there.",
    Kind.SIZE: (
        "One convention for all: a batch norm behind each pool. Reproduced where the count rounds to what is printed."
    ),
    Kind.FIGURE: (
        "Trainings of one cell against the paper's, or what a search finds against the paper's one. Reproduced: the "
        "95 % interval lies inside of the margin (two one-sided tests); differs: wholly outside."
    ),
    Kind.SEARCHED: (
        "What searches with the published settings found and took, one number each, whatever the profile of this page. "
        "None of their networks has been trained, so nothing here is an error; the figures are counted above. Same "
        "statistics."
    ),
}
_COUNTED = {Kind.TEXT: "number", Kind.SIZE: "size", Kind.FIGURE: "figure"}
"""What a section has several of, where it is no comparisons."""
UNCOUNTED = (Kind.CONTROL, Kind.SEARCHED)
"""What is no claim of the paper, or one that is counted elsewhere."""
Column = tuple[str, Callable[[Verdict], str]]
_FIRST: tuple[Column, ...] = (
    ("Where", lambda v: v.where),
    ("Claim", lambda v: v.claim),
    ("Paper", lambda v: v.paper),
    ("Ours", lambda v: v.ours),
)
_TESTED: tuple[Column, ...] = (
    ("n", lambda v: str(len(v.test.seeds)) if v.test and v.test.seeds else ""),
    ("p", lambda v: probability(v.test.estimate.p) if v.test and v.test.holm is not None else ""),
    ("Holm", lambda v: probability(v.test.holm) if v.test else ""),
    ("Seeds to tell", lambda v: _needed(v.test)),
)
_LAST: tuple[Column, ...] = (("Status", lambda v: v.status), ("Why", lambda v: v.why))


def scorecard(runs: Runs, tables: Sequence[Table] = TABLES) -> list[Verdict]:
    """The verdicts: orders, this project's questions, the text, published cells, the figures of the tables, and what
    searches alone say of them."""
    found = [
        *orders.verdicts(runs, tables),
        *text.verdicts(runs),
        *genotypes.verdicts(),
        *figures.verdicts(runs, tables),
        *searched.verdicts(searched.searches()),
    ]
    return [verdict for kind in Kind for verdict in found if verdict.kind is kind]


def counts(verdicts: Sequence[Verdict]) -> dict[Status, int]:
    """How many of the paper's claims have each status, best first."""
    found = Counter(verdict.status for verdict in verdicts if verdict.kind not in UNCOUNTED)
    return {status: found[status] for status in Status if found[status]}


def columns(kind: Kind) -> tuple[Column, ...]:
    """The columns of a section: titles, and how a verdict fills them."""
    return (*_FIRST, *(_TESTED if kind in (Kind.ORDER, Kind.CONTROL) else ()), *_LAST)


def compared(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The comparisons that the runs speak to, those that survive the adjustment first, then by p."""
    some = [(v.test.holm, v.test.estimate.p or 0.0, v) for v in verdicts if v.test and v.test.holm is not None]
    return [verdict for *_, verdict in sorted(some, key=lambda one: one[:2])]


def survives(verdict: Verdict) -> bool:
    """Whether a comparison is decided after the adjustment for all of them."""
    holm = verdict.test.holm if verdict.test else None
    return verdict.status is not Status.UNDECIDED and holm is not None and holm < 0.05


def decided(verdicts: Sequence[Verdict]) -> str:
    """How many comparisons are decided, and how many of them survive the adjustment for all of them."""
    some = compared(verdicts)
    clear = [v for v in some if v.status is not Status.UNDECIDED]
    last = [v for v in some if survives(v)]
    return (
        f"{counted(len(some), 'comparison is', 'comparisons are')} tested, "
        f"{counted(len(clear), 'has', 'have')} a 95 % interval that decides, "
        f"{counted(len(last), 'of these survives', 'of these survive')} Holm's adjustment"
    )


def surviving(verdicts: Sequence[Verdict]) -> str:
    """The same, and which."""
    named = "; ".join(v.claim for v in verdicts if survives(v))
    return decided(verdicts) + (f": {named}." if named else ".")


def frame(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """The scorecard as a data frame; a comparison has its interval, p values and seeds in columns of their own."""
    return pd.DataFrame([_line(verdict) for verdict in verdicts])


def _line(verdict: Verdict) -> dict[str, object]:
    line = {name: value for name, value in vars(verdict).items() if name not in ("kind", "test")}
    test = verdict.test
    estimate = test.estimate if test else None
    return {"kind": verdict.kind.name.lower(), **line} | {
        "difference": estimate.value if estimate else None,
        "low": estimate.low if estimate else None,
        "high": estimate.high if estimate else None,
        "p": estimate.p if estimate else None,
        "holm": test.holm if test else None,
        "seeds": " ".join(map(str, test.seeds)) if test else "",
        "seeds_to_tell": test.needed if test else None,
    }


def sections(verdicts: Sequence[Verdict]) -> dict[Kind, list[Verdict]]:
    """The verdicts by what is claimed, without empty sections."""
    found = {kind: [verdict for verdict in verdicts if verdict.kind is kind] for kind in Kind}
    return {kind: some for kind, some in found.items() if some}


def in_short(some: Sequence[Verdict]) -> str:
    """One sentence for a section in which nothing can be decided, and nothing for any other."""
    if {verdict.status for verdict in some} != {Status.NOT_RUN}:
        return ""
    reasons = "; ".join(sorted({v.why.partition(";")[0] for v in some}))
    return (
        f"{counted(len(some), _COUNTED.get(some[0].kind, 'comparison'))}, not run ({reasons}): listed in the CSV file."
    )


def markdown(verdicts: Sequence[Verdict], runs: Runs) -> str:
    """The scorecard of ``runs`` as a Markdown document."""
    tally = "; ".join(f"{status}: {number}{_sizes(status, verdicts)}" for status, number in counts(verdicts).items())
    claims = sum(counts(verdicts).values())
    lines = [
        "# Scorecard",
        "",
        " ".join(filter(None, (f"Profile {runs.profile}.", runs.changed, f"{claims} claims of the paper: {tally}."))),
        "",
        surviving(verdicts),
        "",
    ]
    for kind, some in sections(verdicts).items():
        lines += [
            f"## {kind.value}",
            "",
            NOTES[kind],
            "",
            *(([in_short(some), ""]) if in_short(some) else _table(kind, some)),
        ]
    return "\n".join(lines)


def _sizes(status: Status, verdicts: Sequence[Verdict]) -> str:
    """How many of the claims that are reproduced need no experiment."""
    sizes = sum(verdict.kind is Kind.SIZE and verdict.status is status for verdict in verdicts)
    return f" ({sizes} of them sizes of published cells)" if sizes and status is Status.REPRODUCED else ""


def _table(kind: Kind, some: Sequence[Verdict]) -> list[str]:
    titles = [title for title, _ in columns(kind)]
    rows = [[escape_markdown(shown(verdict)) for _, shown in columns(kind)] for verdict in some]
    return [markdown_row(titles), markdown_row(["---"] * len(titles)), *map(markdown_row, rows), ""]


def probability(p: float | None) -> str:
    """A p value as it is printed; nothing for none."""
    if p is None:
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _needed(test: Test | None) -> str:
    if test is None or test.holm is None or not test.seeds:
        return ""
    return f">{MOST_SEEDS:,}" if test.needed is None else str(test.needed)
