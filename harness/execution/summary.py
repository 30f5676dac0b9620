"""What a person reads before a run starts and when it has ended."""

from pathlib import Path

from conas.refusal import Refused
from harness.config.load import Config, summaries
from harness.console.progress import Reporter, duration
from harness.estimates.run import estimate
from harness.records.schema import Record
from harness.records.store import Store
from harness.training.environment import device, device_name


def announce(config: Config, reporter: Reporter) -> None:
    """Say what is about to run, for how long, and how the other profiles would fare here."""
    reporter.say(f"{config.id} on {device_name(device(config.device), config.threads)}")
    for profile, summary in summaries("profiles").items():
        mark = "->" if profile == config.profile else "  "
        reporter.say(f"{mark} profile {profile:8} {_time(config, profile)} here: {summary}")


def _time(config: Config, profile: str) -> str:
    """How long the run would take in ``profile``, which the settings typed for another one may not fit."""
    if profile == config.profile:
        return f"about {duration(estimate(config)):>13}"
    try:
        return f"about {duration(estimate(config.with_profile(profile))):>13}"
    except Refused:
        return f"{'not with these settings':>19}"


def summarise(config: Config, record: Record, reporter: Reporter) -> None:
    """Say what came out: the row of the table, and where the rest lies."""
    folder = Store(config.runs_dir).run(record.id).path
    reporter.say(
        f"\n{config.method} on {config.dataset}, seed {config.seed}, profile {config.profile}: {record.status}"
    )
    for name, value in _row(record):
        reporter.say(f"  {name:<28}{value}")
    pictures = ", ".join(sorted(path.name for path in Path(folder).glob("*.svg")))
    if pictures:  # a network that is not made of cells has none
        reporter.say(f"  {'cell pictures':<28}{folder}/ ({pictures}, also as .png)")
    reporter.say(f"  {'record':<28}{folder / 'record.json'}")


def _row(record: Record) -> list[tuple[str, str]]:
    rows = []
    for name, value in record.metrics["last"].items():
        if name != "epoch":
            unit = " %" if name.endswith("error") else ""
            best = record.metrics.get("best", {}).get(name)
            rows.append((name.replace("_", " "), f"{value:.2f}{unit}" + (f" (best epoch {best:.2f})" if best else "")))
    if record.counts is not None:
        rows.append(("parameters", f"{record.counts.params / 1e6:.3f} M"))
        rows.append(("multiply-adds", f"{record.counts.mult_adds / 1e6:.2f} M"))
    if record.search is not None:
        rows.append(("search time", f"{duration(record.search.seconds)} ({record.search.gpu_days:.5f} device-days)"))
        rows += [("note", note) for note in record.search.details.get("notes", [])]
    if record.training_seconds is not None:
        rows.append(("training time", duration(record.training_seconds)))
    return rows
