"""Cells as data: published ones by name (`conas.cells`), or anyone's own, as JSON or in the notation of DARTS."""

import ast
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conas.cells import cell, names
from conas.genotype import Cell, Choice, Genotype, GenotypeError
from conas.names import unknown


def canonical(said: str | Mapping[str, Any]) -> str:
    """One text for one genotype, however it is said: its published name, or its JSON without spaces.

    Args:
        said: a published name, a genotype's JSON or its data, the notation of DARTS, or the path of a file with one.

    Raises:
        ValueError: one line that says where it is wrong.
    """
    if not isinstance(said, str):
        return _compact(Genotype.from_json(said))
    if said.lower() in names():
        return said.lower()
    text = _content(said)
    try:
        return _compact(_parsed(text))
    except GenotypeError as error:
        if text == _without_name(said):
            raise
        raise GenotypeError(f"{said}: {error}") from error


def named_or_own(text: str) -> Genotype:
    """The genotype of a `canonical` text."""
    return cell(text) if text in names() else Genotype.from_json(json.loads(text))


def _compact(genotype: Genotype) -> str:
    return json.dumps(genotype.to_json(), separators=(",", ":"))


def _content(said: str) -> str:
    """What stands in the file called ``said``; ``said`` itself if it writes a genotype."""
    text = _without_name(said)
    if text.startswith(("{", "Genotype")):
        return text
    path = Path(text).expanduser()
    if not path.suffix and not _is_file(path):
        raise ValueError(
            f"{unknown('genotype', said, names())}, JSON, Genotype(normal=[...], ...) or the path of a file"
        )
    try:
        return _without_name(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise GenotypeError(f"genotype file {said}: {getattr(error, 'strerror', None) or error}") from error


def _without_name(text: str) -> str:
    """``Genotype(...)`` of a line ``NAME = Genotype(...)``, as it stands in the code of DARTS."""
    return re.sub(r"^\w+\s*=\s*(?=Genotype)", "", text.strip())


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the name is too long for one
        return False


def _parsed(text: str) -> Genotype:
    if not text.startswith("{"):
        return from_darts(text)
    try:
        return Genotype.from_json(json.loads(text))
    except json.JSONDecodeError as error:
        raise GenotypeError(f"genotype, line {error.lineno}, column {error.colno}: {error.msg}") from error


def from_darts(text: str) -> Genotype:
    """The genotype written in the notation of the code of DARTS, ``Genotype(normal=[('sep_conv_3x3', 0), ...], ...)``.

    It is read, not evaluated. Two edges make a node of a CNN, one of an RNN.

    Raises:
        GenotypeError: one line that says where it is wrong.
    """
    fields = _fields(text)
    if set(fields) == {"recurrent", "concat"}:
        return Genotype(1, {"recurrent": _darts_cell("recurrent", 1, fields["recurrent"], fields["concat"])})
    if set(fields) == {"normal", "normal_concat", "reduce", "reduce_concat"}:
        return Genotype(
            2, {name: _darts_cell(name, 2, fields[name], fields[f"{name}_concat"]) for name in ("normal", "reduce")}
        )
    raise GenotypeError(
        f"genotype has the fields {', '.join(fields) or 'none'} "
        "(expected: normal, normal_concat, reduce, reduce_concat; or recurrent, concat)"
    )


def _fields(text: str) -> dict[str, ast.expr]:
    try:
        call = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise GenotypeError(f"genotype, line {error.lineno}, column {error.offset}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise GenotypeError(f"genotype: {error or 'too deeply nested'}") from error
    named = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Genotype"
    if not isinstance(call, ast.Call) or not named or call.args:
        raise GenotypeError("genotype: expected JSON or Genotype(normal=[...], normal_concat=[...], ...)")
    return {str(keyword.arg): keyword.value for keyword in call.keywords}


def _darts_cell(name: str, per_node: int, edges: ast.expr, concat: ast.expr) -> Cell:
    said = _literal(name, edges)
    choices = [_choice(name, number, edge) for number, edge in enumerate(said if isinstance(said, list) else [said])]
    if len(choices) % per_node:
        raise GenotypeError(f"genotype, {name}: {len(choices)} edges (expected: {per_node} for each node)")
    nodes = tuple(tuple(choices[first : first + per_node]) for first in range(0, len(choices), per_node))
    return Cell(nodes, tuple(_concat(name, concat)))


def _choice(cell: str, number: int, edge: Any) -> Choice:
    if not isinstance(edge, tuple) or len(edge) != 2 or not isinstance(edge[0], str) or type(edge[1]) is not int:
        raise GenotypeError(f"genotype, {cell}, edge {number}: {edge!r} (expected: ('OPERATION', NODE))")
    return Choice(*edge)


def _concat(cell: str, said: ast.expr) -> list[int]:
    if isinstance(said, ast.Call) and isinstance(said.func, ast.Name) and said.func.id == "range":
        bounds = [_literal(cell, bound) for bound in said.args]
        if all(type(bound) is int and abs(bound) < 1000 for bound in bounds) and len(bounds) in (1, 2):
            return list(range(*bounds))
    nodes = _literal(cell, said)
    if not isinstance(nodes, list | tuple) or not all(type(node) is int for node in nodes):
        raise GenotypeError(f"genotype, concat of {cell}: {ast.unparse(said)} (expected: a list of nodes or a range)")
    return list(nodes)


def _literal(cell: str, said: ast.expr) -> Any:
    try:
        return ast.literal_eval(said)
    except (ValueError, TypeError) as error:
        raise GenotypeError(
            f"genotype, {cell}, column {said.col_offset + 1}: {ast.unparse(said)} is neither a list nor a number"
        ) from error
