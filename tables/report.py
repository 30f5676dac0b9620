"""The report: one HTML page with the scorecard, tables, figures and runs, which needs no network to be opened."""

import base64
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.config import sweeps
from harness.config.load import Config
from harness.console.progress import duration
from harness.records.schema import Record
from harness.records.store import Store
from harness.results import is_folder
from tables import budgets
from tables.build import Picture, Results
from tables.claims import scorecard
from tables.claims.verdict import Verdict
from tables.counted import counted
from tables.paper.contents import TABLES
from tables.render import TEMPLATES, code
from tables.runs import Runs
from tables.wording import is_reduced, number

_MEDIA = {".svg": "image/svg+xml", ".png": "image/png"}
_SHOWN = {"test_error": "test error {} %", "test_perplexity": "test perplexity {}"}


def report(runs: Runs, results: Results, verdicts: list[Verdict]) -> str:
    """The page, made of ``results`` and the pictures that lie in its folder.

    Raises:
        OSError: a picture cannot be read.
    """
    planned = {config.id: config for sweep in sweeps.names() for config in sweeps.runs(sweep, runs.profile, runs.extra)}
    records = [runs.records[run] for run in planned if run in runs.records]
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"code": code, "counted": counted}
    return environment.get_template("report.html").render(
        profile=runs.profile,
        full_scale=runs.is_full_scale,
        reduced=is_reduced(runs),
        changed=runs.changed,
        results=results,
        verdicts=verdicts,
        tally=scorecard.counts(verdicts),
        decided=scorecard.decided(verdicts),
        tested=scorecard.compared(verdicts),
        survives=scorecard.survives,
        uncounted=scorecard.UNCOUNTED,
        probability=scorecard.probability,
        sections=[
            (kind, some, scorecard.columns(kind), scorecard.NOTES[kind], scorecard.in_short(some))
            for kind, some in scorecard.sections(verdicts).items()
        ],
        spent=budgets.frame(runs, TABLES),
        images=_images,
        planned=len(planned),
        done=sum(record.status == "done" for record in records),
        runs=[_run(record, planned[record.id], _path(runs, record, results.folder)) for record in records],
        damaged=runs.damaged,
        environments=_environments(records),
        style=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - ours
        script=Markup((TEMPLATES / "report.js").read_text(encoding="utf-8")),  # noqa: S704
    )


def _images(picture: Picture) -> Iterator[tuple[str, str]]:
    """The label and data URI of every picture: vector graphics where there are any."""
    suffix = ".svg" if any(path.suffix == ".svg" for path in picture.files) else ".png"
    for path in picture.files:
        if path.suffix == suffix:
            cell = path.stem.partition("_")[2] if picture.name.startswith("figure") else ""
            content = base64.b64encode(path.read_bytes()).decode()
            yield f", {cell} cell" if cell else "", f"data:{_MEDIA[suffix]};base64,{content}"


def _run(record: Record, config: Config, path: str) -> dict[str, Any]:
    """What the table of runs says about one of them."""
    search = record.search.seconds if record.search else None
    return {
        "id": record.id,
        "record": path,
        "status": record.status if record.reason is None else f"{record.status}: {record.reason}",
        "result": _result(record.metrics.get("last", {})),
        "search": search if search is not None else "",
        "search_text": duration(search) if search is not None else "",
        "training": record.training_seconds if record.training_seconds is not None else "",
        "training_text": duration(record.training_seconds) if record.training_seconds is not None else "",
        "device": record.attempts[-1].device if record.attempts else "",
        "code": str(record.environment.get("commit") or "")[:12],
        "command": config.command,
    }


def _path(runs: Runs, record: Record, folder: Path) -> str:
    """The run's record as seen from the page; nothing where it has no file of its own."""
    if not is_folder(runs.address):
        return ""
    return Path(os.path.relpath(Store(runs.address).run(record.id).record_path, folder)).as_posix()


def _result(last: Mapping[str, float]) -> str:
    shown = (text.format(number(last[name], ".2f")) for name, text in _SHOWN.items() if name in last)
    return next(shown, "")


def _environments(records: list[Record]) -> list[tuple[list[tuple[str, str]], int]]:
    """Every distinct environment with the number of runs made in it, the most frequent first."""
    found = Counter(tuple(sorted((name, _told(value)) for name, value in r.environment.items())) for r in records)
    return [
        (list(environment), runs) for environment, runs in sorted(found.items(), key=lambda item: (-item[1], item[0]))
    ]


def _told(value: Any) -> str:
    """A value of the environment in words; packages with their versions, one after another."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {version}" for name, version in value.items())
    return "none" if value is None else str(value)
