"""Tables in Markdown, LaTeX (booktabs) and CSV, for every table by the same code."""

from functools import cache
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from harness.console.markdown import markdown_row
from harness.console.plain import plain
from tables.wording import Cell, Sheet

TEMPLATES = Path(__file__).parent / "templates"
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "–": "--",
    "λ": r"$\lambda$",
    "†": r"\textsuperscript{\dag}",
    "*": r"\textsuperscript{*}",
}


def markdown(sheet: Sheet) -> str:
    """``sheet`` as a Markdown section: the table, the caption and the commands that fill its gaps."""
    width = len(sheet.headers)
    lines = [
        f"## {sheet.heading}",
        "",
        markdown_row(list(sheet.headers)),
        markdown_row(["---", *["---:"] * (width - 1)]),
    ]
    for title, rows in sheet.groups:
        lines += [markdown_row([f"**{title}**", *[""] * (width - 1)])] if title else []
        lines += [markdown_row([escape_markdown(row.name), *map(_markdown_cell, row.cells)]) for row in rows]
    return "\n".join([*lines, "", *(f"- {escape_markdown(line)}" for line in sheet.caption), "", *_gaps(sheet)])


def latex(sheet: Sheet) -> str:
    """``sheet`` as a LaTeX table that may go over pages; needs the packages longtable and booktabs."""
    return _environment().get_template("table.tex").render(sheet=sheet)


def latex_document(names: list[str]) -> str:
    """A LaTeX document of the tables ``names``, whose files lie beside it."""
    return _environment().get_template("document.tex").render(names=names)


def csv(frame: pd.DataFrame) -> str:
    """``frame`` as CSV, numbers with six significant digits."""
    return frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def escape_latex(text: str) -> str:
    """``text`` as LaTeX source."""
    return "".join(_LATEX.get(character, character) for character in text)


def escape_markdown(text: str) -> str:
    """``text`` as it is shown in a Markdown table."""
    return plain(text).replace("|", r"\|").replace("*", r"\*").replace("<", "&lt;")


def code(text: str) -> Markup:
    """``text`` as HTML, what stands between backticks as code."""
    parts = escape(text).split("`")
    return Markup("".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts)))  # noqa: S704 - escaped


def _markdown_cell(cell: Cell) -> str:
    return "<br>".join(escape_markdown(line) for line in cell.lines)


def _gaps(sheet: Sheet) -> list[str]:
    gaps = [row for row in sheet.rows if row.missing]
    lines = ["Gaps, and the commands that fill them:", ""] if gaps else []
    for row in gaps:
        lines += [f"{row.name}: {len(row.missing)} missing", "", "```sh", *row.missing, "```", ""]
    return lines


def _latex_header(header: str) -> str:
    """What it is over stands in a second line, or the columns are too wide for a page."""
    return _latex_cell(Cell(tuple(header.split(", ")), None, "word"))


def _latex_cell(cell: Cell) -> str:
    lines = [escape_latex(line) for line in cell.lines]
    if len(lines) == 1:
        return lines[0]
    return r"\begin{tabular}[t]{@{}r@{}}" + r" \\ ".join(lines) + r"\end{tabular}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - LaTeX, with an escape of its own
        keep_trailing_newline=True,
    )
    environment.filters |= {"tex": escape_latex, "cell": _latex_cell, "header": _latex_header}
    return environment
