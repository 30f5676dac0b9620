"""What a race shows: mean regrets with intervals, a picture, and in words where CoNAS loses."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from harness.pictures.plots import interval, write_picture
from harness.records.files import write_atomic
from harness.studies.race_picture import draw

SUBJECT, CONTROL = "CoNAS", "best of m"

INTRODUCTION = """# The race on tabular benchmarks

Mean regret of the returned architecture in percentage points, over {seeds} seeds, with 95 % intervals (percentile
bootstrap). Lower is better. A budget counts evaluations: every question to the table, repeated ones too.

Encoding: one bit for each operation of each edge, exactly one of an edge's bits on. Strings that break this are no
architecture: no method draws one, and CoNAS and Harmonica minimise over the valid ones only.

CoNAS runs as in the paper: s = 10 monomials of degree d <= 2, penalty 1, one stage. The local search from its answer
is this project's own, and the rows with a comma are ablations: d = 1; least squares for the ten monomials; no monomial
dropped. Not in the race: DARTS needs weights, published cells belong to other spaces, and ASHA needs the losses of
unfinished trainings, of which these tables have none.

{verdict} Every interval stands for itself, without a
correction for their number.

![mean regret against budget](race.png)

![CoNAS taken apart](ablations.png)

What the recovery rests on: monomials are orthogonal under uniformly random bits. With one operation per edge the bits
are neither uniform nor independent, so the sizes of coefficients no longer rank monomials, and dropping all but the
largest can leave a polynomial that predicts worse than a constant (R² below 0). The medians of R² on measurements that
a polynomial was not made from are given for each benchmark.
"""


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each table, method and budget: what was spent, the regret's mean, interval, median and sample SD."""
    results = []
    for keys, group in rows.groupby(["table", "method", "budget"], sort=False):
        regret = group["regret"]
        low, high = interval(regret, *map(str, keys))
        spent = group["evaluations"].mean()
        results.append((*keys, len(group), spent, regret.mean(), low, high, regret.median(), regret.std()))
    columns = ["table", "method", "budget", "seeds", "evaluations", "mean", "low", "high", "median", "sd"]
    return pd.DataFrame(results, columns=columns)


def duels(rows: pd.DataFrame) -> pd.DataFrame:
    """CoNAS's regret minus every other method's, seed by seed: mean, interval and who is ahead if 0 lies outside."""
    results = []
    for (table, budget), group in rows.groupby(["table", "budget"], sort=False):
        regrets = group.pivot(index="seed", columns="method", values="regret")
        for other in [name for name in group["method"].unique() if name != SUBJECT]:
            difference = regrets[SUBJECT] - regrets[other]
            low, high = interval(difference, "duel", str(table), str(other), str(budget))
            verdict = "loses" if low > 0 else "wins" if high < 0 else "undecided"
            results.append((table, budget, other, difference.mean(), low, high, verdict))
    return pd.DataFrame(results, columns=["table", "budget", "against", "difference", "low", "high", "conas"])


def write_report(rows: pd.DataFrame, captions: Mapping[str, str], folder: Path) -> list[Path]:
    """Write the searches, the summary, the duels, the picture and the findings to ``folder``; the files' paths."""
    table, fights = summary(rows), duels(rows[~rows["ablation"]])
    contents = {
        "searches.csv": rows.to_csv(index=False, float_format="%.5f").encode(),
        "summary.csv": table.to_csv(index=False, float_format="%.4f").encode(),
        "duels.csv": fights.to_csv(index=False, float_format="%.4f").encode(),
        "race.md": markdown(rows, table, fights, captions).encode(),
    }
    for name, content in contents.items():
        write_atomic(folder / name, content)
    apart = rows[rows["ablation"] | rows["method"].isin([SUBJECT, CONTROL])]
    pictures = write_picture(lambda: draw(rows[~rows["ablation"]]), folder / "race")
    return [*(folder / name for name in contents), *pictures, *write_picture(lambda: draw(apart), folder / "ablations")]


def markdown(rows: pd.DataFrame, table: pd.DataFrame, fights: pd.DataFrame, captions: Mapping[str, str]) -> str:
    """The page: a table for each benchmark, and where CoNAS loses."""
    parts = [INTRODUCTION.format(seeds=table["seeds"].max(), verdict=verdict(fights))]
    for name, caption in captions.items():
        chosen = fights[fights["table"] == name]
        parts.append(f"## {name}\n\n{caption}\n\n{_grid(table[table['table'] == name])}\n\n{findings(chosen)}")
        parts.append(_predictions(rows[rows["table"] == name]))
    return "\n".join(parts)


def _predictions(rows: pd.DataFrame) -> str:
    """How well each of CoNAS's polynomials predicts."""
    medians = rows.dropna(subset="held_out_r2").groupby(["method", "budget"], sort=False)["held_out_r2"].median()
    lines = []
    for method in medians.index.unique("method"):
        listed = ", ".join(f"{fit:.2f} at {budget}" for budget, fit in medians[method].items())
        lines.append(f"- R² of {method}: {listed}")
    return "\n".join(lines) + "\n"


def verdict(fights: pd.DataFrame) -> str:
    """How often CoNAS beats the best of its own measurements, in words."""
    counts = fights.loc[fights["against"] == CONTROL, "conas"].value_counts()
    loses, wins = counts.get("loses", 0), counts.get("wins", 0)
    return (
        f"Against {CONTROL}, which is CoNAS at the same cost without the recovery, CoNAS loses at {loses} and wins at\n"
        f"{wins} of the {counts.sum()} pairs of benchmark and budget; the others are undecided."
    )


def _grid(cells: pd.DataFrame) -> str:
    least = cells.groupby("budget")["mean"].transform("min")
    bold = np.where(cells["mean"] == least, "**", "")
    texts = [f"{b}{r.mean:.2f}{b} [{r.low:.2f}, {r.high:.2f}]" for b, r in zip(bold, cells.itertuples(), strict=True)]
    shown = cells.assign(text=texts).pivot(index="method", columns="budget", values="text")
    grid = shown.reindex(cells["method"].unique())
    header = ["method", *(f"{budget} evaluations" for budget in grid.columns)]
    lines = [header, ["---", *("---:" for _ in grid.columns)], *([name, *row] for name, *row in grid.itertuples())]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def findings(fights: pd.DataFrame) -> str:
    """Against every other method, at which budgets CoNAS loses, wins or neither, as a list."""
    lines = []
    for other, group in fights.groupby("against", sort=False):
        outcomes = []
        for verdict, words in (("loses", "**CoNAS loses**"), ("wins", "CoNAS wins"), ("undecided", "no difference")):
            budgets = [str(budget) for budget in group.loc[group["conas"] == verdict, "budget"]]
            if budgets:
                outcomes.append(f"{words} at {', '.join(budgets)}")
        last = group.iloc[-1]
        size = f"{last.difference:+.2f} [{last.low:+.2f}, {last.high:+.2f}] points of regret at {last.budget}"
        lines.append(f"- against {other}: {'; '.join(outcomes)} ({size})")
    return "\n".join(lines) + "\n"
