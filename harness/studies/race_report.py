"""The page of a race: in words and in tables, all of it from the numbers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from harness.console.markdown import markdown_table
from harness.pictures.plots import write_picture
from harness.problems.tabular import Table
from harness.records.files import write_atomic
from harness.statistics import kind
from harness.studies.race_contenders import CONAS, CONTROL, FOURIER, PART, SEARCH, VARIANT
from harness.studies.race_picture import draw
from harness.studies.race_statistics import areas, duels, summary

INTRODUCTION = """# The race on tabular benchmarks

Mean regret of the returned architecture, over {seeds} seeds ({first} to {last}; the settings of the Fourier search and
of hill climbing were chosen on these boards with other seeds), with 95 % intervals ({intervals}). Lower is
better; a column's lowest mean is bold. A board is a benchmark, with or without its noise. A budget counts evaluations:
every measurement, repeated ones too, and every training once. {fewer}

Encoding of the benchmarks: one bit for each operation of each edge, exactly one of an edge's bits on. Strings that
break this encode no architecture: no method draws one, and CoNAS and Harmonica minimise over the valid ones only. The
one-shot model has 12 free bits.

CoNAS runs as in the paper: s = 10 monomials of degree d <= 2, penalty 1, one stage; an edge that its polynomial leaves
open takes the operation of its best measurement, where each has exactly one (this project's rule). The local search
from its answer and the Fourier search are this project's own. Not in the race: DARTS needs weights, published cells
belong to other spaces, and ASHA needs the losses of unfinished trainings, of which these tables have none.

{verdicts}

![mean regret against budget](race.png)

Regrets are in percentage points, on the one-shot model in nats. A line that falls out of its panel has reached a mean
regret of 0. The picture leaves out random wiring, which measures nothing and is off its scale.

## Who wins

The Fourier search against each other search, over all boards and budgets: a win or a loss is a difference whose 95 %
interval excludes 0 and whose p value, adjusted for all {duels} duels (Holm), is below 0.05. "Both there": undecided,
and at 90 % of the seeds or more both have found the least loss that is seen, so nothing is left to find in it.

{score}

{claims}

## The area under the regret

Mean regret over the logarithms of the budgets, from {least} to the largest of the Fourier search on that board.

{areas}

## The search's own time

Processor time of one search in seconds, the median over the boards. Where one search serves several budgets, the time
until it asks for that measurement.

{seconds}

## CoNAS with one thing changed

Regret of CoNAS with one setting changed. "All together" changes six (completions verified, constant beside the s, least
squares, penalty from noise, normal scores, heredity), "all but completions" the other five of them. p = 1/4 changes
nothing where edges are exclusive.

{variants_note}

{variants}

## The Fourier search without a part

{parts_note}

{parts}

## Board by board

What the recovery rests on: monomials are orthogonal under uniformly random bits. With one operation per edge the bits
are neither uniform nor independent, so the sizes of coefficients no longer rank monomials, and dropping all but the
largest can leave a polynomial that predicts worse than a constant (R² below 0). The medians of R² on measurements that
a polynomial was not made from are given for each board.
"""


def write_report(rows: pd.DataFrame, tables: Sequence[Table], folder: Path) -> list[Path]:
    """Write the searches, the summary, the duels, the picture and the findings to ``folder``; the files' paths."""
    searches = rows[rows["group"] == SEARCH]
    found, fights = summary(rows), duels(searches, FOURIER)
    contents = {
        "searches.csv": rows.to_csv(index=False, float_format="%.5g").encode(),
        "summary.csv": found.to_csv(index=False, float_format="%.4g").encode(),
        "duels.csv": fights.to_csv(index=False, float_format="%.4g").encode(),
        "race.md": markdown(rows, found, fights, tables).encode(),
    }
    for name, content in contents.items():
        write_atomic(folder / name, content)
    pictures = write_picture(lambda: draw(searches), folder / "race")
    return [*(folder / name for name in contents), *pictures]


def markdown(rows: pd.DataFrame, found: pd.DataFrame, fights: pd.DataFrame, tables: Sequence[Table]) -> str:
    """The page."""
    searches = rows[rows["group"] == SEARCH]
    conas = duels(searches[searches["method"].isin([CONAS, CONTROL])], CONAS)
    page = INTRODUCTION.format(
        seeds=rows["seed"].nunique(),
        first=rows["seed"].min(),
        last=rows["seed"].max(),
        fewer=fewer(rows),
        intervals=kind(found["seeds"]),
        verdicts="\n".join([f"{sentence(fights, FOURIER)}", f"{sentence(conas, CONAS)}"]),
        duels=len(fights),
        score=score(fights),
        claims=claims(fights),
        least=rows["budget"].min(),
        areas=_areas(areas(searches, FOURIER)),
        seconds=_seconds(found[found["group"] == SEARCH]),
        variants_note=gains(rows[rows["group"] == VARIANT], CONAS),
        variants=_compact(found[found["group"] == VARIANT]),
        parts_note=gains(rows[rows["group"] == PART], FOURIER),
        parts=_compact(found[found["group"] == PART]),
    )
    return page + "".join(_board(table, rows, found) for table in tables)


def _board(table: Table, rows: pd.DataFrame, found: pd.DataFrame) -> str:
    cells = found[(found["table"] == table.name) & (found["group"] == SEARCH)]
    if cells.empty:
        return ""
    fits = _predictions(rows[(rows["table"] == table.name) & (rows["group"] == VARIANT)])
    return f"\n### {table.name}\n\n{table.caption} (regret in {table.unit})\n\n{_grid(cells)}\n{fits}"


def _predictions(rows: pd.DataFrame) -> str:
    """How well each of CoNAS's polynomials predicts."""
    medians = rows.dropna(subset="held_out_r2").groupby(["method", "budget"], sort=False)["held_out_r2"].median()
    lines = []
    for method in medians.index.unique("method"):
        listed = ", ".join(f"{fit:.2f} at {budget}" for budget, fit in medians[method].items())
        lines.append(f"- R² of {method}: {listed}")
    return "\n" + "\n".join(lines) + "\n" if lines else ""


def fewer(rows: pd.DataFrame) -> str:
    """Who raced with fewer seeds than others, in words."""
    seeds = rows[rows["group"] == SEARCH].groupby("method", sort=False)["seed"].nunique()
    kinds = {f"{group}s": rows.loc[rows["group"] == group, "seed"].nunique() for group in (VARIANT, PART)}
    named = {name: count for name, count in [*seeds.items(), *kinds.items()] if count < rows["seed"].nunique()}
    listed = ", ".join(f"{name} {count}" for name, count in named.items())
    return f"Fewer seeds: {listed}; a difference is taken over the seeds that both have." if listed else ""


def sentence(fights: pd.DataFrame, subject: str) -> str:
    """How often ``subject`` beats the best of as many random measurements, in words."""
    counts = fights.loc[fights["against"] == CONTROL, "verdict"].value_counts()
    loses, wins, there = (counts.get(name, 0) for name in ("loses", "wins", "both there"))
    return (
        f"Against {CONTROL}, {subject} wins at {wins} and loses at {loses} of the {counts.sum()} pairs of board and "
        "budget"
        f"{f'; at {there} both have found the least that is seen' if there else ''} "
        f"(p adjusted for {len(fights)} duels)."
    )


def score(fights: pd.DataFrame) -> str:
    """Wins, losses and the rest against each other search, as a table."""
    order = ["wins", "loses", "undecided", "both there"]
    counts = fights.groupby(["against", "verdict"], sort=False).size().unstack(fill_value=0)
    counts = counts.reindex(index=fights["against"].unique(), columns=order, fill_value=0)
    return markdown_table(["against", *order], ([name, *map(str, row)] for name, *row in counts.itertuples()))


def claims(fights: pd.DataFrame) -> str:
    """For each budget, against whom the subject wins on every board of both, and where it loses, as a list."""
    lines = []
    for budget, group in fights.groupby("budget"):
        won = group.assign(won=group["verdict"] == "wins").groupby("against", sort=False)["won"]
        everywhere = [f"{name} ({len(marks)})" for name, marks in won if marks.all()]
        lost = group[group["verdict"] == "loses"]
        losses = ", ".join(f"{row.against} on {row.table} ({row.difference:+.2f})" for row in lost.itertuples())
        lines.append(
            f"- {budget} evaluations: wins on every board where both raced (their number in brackets) against "
            f"{', '.join(everywhere) or 'nobody'}; "
            f"loses to {losses or 'nobody'}"
        )
    return "\n".join(lines)


def gains(rows: pd.DataFrame, subject: str) -> str:
    """Which changes of ``subject`` make a difference that is sure, averaged over a seed's boards and budgets."""
    if rows.empty:
        return ""
    raced = rows.groupby(["table", "budget", "seed"])["method"].transform("nunique")
    rows = rows[raced == rows["method"].nunique()]  # a race that was stopped: what all have raced on
    means = rows.groupby(["table", "budget"])["regret"].transform("mean")
    scaled = rows.assign(regret=rows["regret"] / means.where(means > 0, 1.0))
    pooled = scaled.groupby(["method", "seed"], sort=False)[["regret", "seen_regret"]].mean().reset_index()
    fights = duels(pooled.assign(table="all", budget=0), subject)
    listed: dict[str, list[str]] = {"loses": [], "wins": [], "undecided": [], "both there": []}
    for other, verdict, difference in zip(
        *(fights[name] for name in ("against", "verdict", "difference")), strict=True
    ):
        listed[verdict].append(f"{other.removeprefix(f'{subject}, ')} ({-difference:+.2f})")
    named = {verdict: ", ".join(names) or "none" for verdict, names in listed.items()}
    return (
        f"Each change's regret minus that of {subject}, divided by the mean at its board and budget and averaged per\n"
        "seed; p adjusted (Holm):\n\n"
        f"- lower: {named['loses']}\n- higher: {named['wins']}\n- undecided: {named['undecided']}"
    )


def _areas(found: pd.DataFrame) -> str:
    shown = found.assign(text=[f"{r.area:.2f} [{r.low:.2f}, {r.high:.2f}]" for r in found.itertuples()])
    return pivot(shown, "table")


def _seconds(found: pd.DataFrame) -> str:
    times = found.groupby(["method", "budget"], sort=False)["seconds"].median().reset_index()
    return pivot(times.assign(text=[f"{value:.2g}" for value in times["seconds"]]), "budget")


def _compact(found: pd.DataFrame) -> str:
    keys = [f"{table}, {budget}" for table, budget in zip(found["table"], found["budget"], strict=True)]
    return pivot(found.assign(column=keys, text=[f"{mean:.2f}" for mean in found["mean"]]), "column")


def _grid(cells: pd.DataFrame) -> str:
    least = cells.groupby("budget")["mean"].transform("min")
    bold = np.where(cells["mean"] == least, "**", "")
    texts = [f"{b}{r.mean:.2f}{b} [{r.low:.2f}, {r.high:.2f}]" for b, r in zip(bold, cells.itertuples(), strict=True)]
    return pivot(cells.assign(text=texts), "budget")


def pivot(cells: pd.DataFrame, columns: str) -> str:
    """A row for each method, in order, with ``text`` under each of ``columns``."""
    if cells.empty:
        return "(not raced)"
    shown = cells.pivot(index="method", columns=columns, values="text")
    shown = shown.reindex(index=cells["method"].unique(), columns=cells[columns].unique()).fillna("")
    return markdown_table(["method", *map(str, shown.columns)], ([name, *row] for name, *row in shown.itertuples()))
