"""`python -m tables`: the paper's tables, figures, scorecard and report from the recorded runs."""

import argparse
import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pymongo.errors import PyMongoError

from conas.refusal import Refused
from harness.config import sweeps
from harness.config.grammar import setting
from harness.config.layers import cuda_devices, is_meant_for_gpu
from harness.console.pipes import piped
from harness.console.places import DEFAULT_STORE, add_store
from harness.console.plain import plain
from harness.console.progress import duration
from harness.estimates.shared import Costs
from harness.records.files import write_atomic
from harness.results import is_folder
from tables.build import Results, build
from tables.claims import scorecard
from tables.counted import counted
from tables.missing import DAY, Gap, gaps
from tables.near import near
from tables.prices import Device, devices, told
from tables.render import csv
from tables.report import report
from tables.runs import Runs


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        runs = _runs(options)
        for line in runs.damaged:
            print(f"skipped, damaged: {plain(line)}", file=sys.stderr)
        kept_out = near(runs)
        if kept_out and options.command != "missing" and not runs.are_any_done:
            raise Refused(f"nothing is written: {'; '.join(kept_out)}")
        with piped():
            COMMANDS[options.command](runs, Path(options.out))
        for line in kept_out:
            print(line, file=sys.stderr)
    except (Refused, PyMongoError, OSError) as error:
        print(f"error: {plain(error)}", file=sys.stderr)
        return 1
    return 0


def _runs(options: argparse.Namespace) -> Runs:
    """The runs to tell about; ``missing`` takes a store that is not there yet for one without runs."""
    extra = [setting(text) for text in options.set]
    if options.command == "missing" and is_folder(options.store):
        extra.append(("runs_dir", options.store))  # where the commands are to record their runs
        if not Path(options.store).exists():
            print(f"# there is no store {Path(options.store).absolute()} yet", flush=True)
            return Runs.of([], options.profile, tuple(extra))
    return Runs.read(options.store, options.profile, tuple(extra))


def make_tables(runs: Runs, out: Path) -> None:
    """Write all tables and figures, and say what is in them."""
    results = build(runs, out)
    for sheet in results.sheets:
        print(f"{results.folder / sheet.name}.md  {_statuses(runs.statuses(sheet.name))}")
    for picture in [*results.plots, *results.cells]:
        print(f"{results.folder / picture.name}  {_drawn(len(picture.files), len(picture.missing))}")
    _say_what_is_missing(results, runs)


def list_missing(runs: Runs, out: Path) -> None:
    """List every missing run as its command, by row, with what it is estimated to take here and on measured devices."""
    costs = Costs() if cuda_devices() or not is_meant_for_gpu(runs.profile) else None
    found = []
    priced = [(device, dict[str, float]()) for device in devices()] if runs.profile == "paper" else []
    for gap in gaps(runs, costs):
        found.append(gap)
        takes = "; ".join(_takes(gap, costs, priced))
        print(f"\n# {gap.sweep}, {gap.row}: {counted(len(gap.missing), 'run')}{f': {takes}' if takes else ''}")
        print("\n".join(config.command for config in gap.missing))
    for reason in costs.unknown if costs else ():
        print(f"\n# no estimate: {reason}")
    number = sum(len(gap.missing) for gap in found)
    print(f"\n{counted(number, 'run')} missing in profile {runs.profile}, {_here(found, costs)}")


def _takes(gap: Gap, costs: Costs | None, priced: list[tuple[Device, dict[str, float]]]) -> Iterator[str]:
    """What the runs of a gap take: here, if this machine is meant for them, and on devices ``priced``, each with the
    searches that are paid already."""
    if costs is not None:
        yield "no estimate here" if gap.days is None else f"about {duration(gap.days * DAY)} here"
    yield from (f"{told(gap.missing, device, paid)} on {device.name}" for device, paid in priced)


def _here(found: list[Gap], costs: Costs | None) -> str:
    if costs is None:
        return "not estimated here: they are meant for a GPU, and this machine has none"
    unknown = sum(len(gap.missing) for gap in found if gap.days is None)
    if unknown and not any(gap.days for gap in found):
        return "none of them with an estimate on this machine"
    note = f", {unknown} of them without an estimate" if unknown else ""
    return f"about {sum(gap.days or 0 for gap in found):.3g} device-days on this machine{note}"


def make_scorecard(runs: Runs, out: Path) -> None:
    """Write the scorecard and print how many claims have each status."""
    verdicts = scorecard.scorecard(runs)
    folder = out / runs.profile
    write_atomic(folder / "scorecard.md", scorecard.markdown(verdicts, runs).encode())
    write_atomic(folder / "scorecard.csv", csv(scorecard.frame(verdicts)).encode())
    for status, number in scorecard.counts(verdicts).items():
        print(f"{number:4}  {status}")
    print(folder / "scorecard.md")


def make_report(runs: Runs, out: Path) -> None:
    """Write the report with everything in it."""
    results = build(runs, out)
    path = results.folder / "report.html"
    write_atomic(path, report(runs, results, scorecard.scorecard(runs)).encode())
    print(path)


COMMANDS = {"tables": make_tables, "missing": list_missing, "scorecard": make_scorecard, "report": make_report}
_ABOUT = {
    "tables": "the paper's tables and figures from the runs, beside the paper's numbers",
    "missing": "the runs that the tables still need, with commands and device-days",
    "scorecard": "every claim of the paper with a number or a comparison, tested",
    "report": "one self-contained HTML page of everything",
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tables",
        description=__doc__,
        epilog="\n".join(["commands:", *(f"  {name:<10} {about}" for name, about in _ABOUT.items())]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", choices=COMMANDS, default="tables")
    sweeps.add_settings(parser)
    about = "the folder, packed .jsonl file or mongodb:// address of the recorded runs, or CONAS_MONGO_URL: the one in"
    add_store(parser, f"{about} that variable")
    parser.add_argument("--out", default="results", help="where results go (default: results)")
    return parser


def _statuses(statuses: Counter[str]) -> str:
    return f"{statuses['done']} of {counted(statuses.total(), 'run')} done" + "".join(
        f", {number} {status}" for status, number in sorted(statuses.items()) if status not in ("done", "missing")
    )


def _drawn(files: int, missing: int) -> str:
    waits = f"{counted(missing, 'run')} missing"
    if not files:
        return f"gap: {waits}"
    return counted(files, "file") + (f", {waits}" if missing else "")


def _say_what_is_missing(results: Results, runs: Runs) -> None:
    if results.missing:
        here = is_folder(runs.address) and runs.address != DEFAULT_STORE
        options = f"PROFILE={results.profile}{f' STORE={shlex.quote(runs.address)}' if here else ''}"
        print(
            f"\n{counted(len(results.missing), 'run is', 'runs are')} missing in profile {results.profile}; the tables "
            f"say what to type{f', with runs_dir={shlex.quote(runs.address)} to fill this store' if here else ''}."
        )
        print(f"  make replicate {options} TABLE=1   makes the runs of one table,")
        print(f"  make missing {options}             lists all of them with their cost.")


if __name__ == "__main__":
    sys.exit(main())
