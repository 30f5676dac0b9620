"""What a person reads before a run starts and when it has ended."""

from pathlib import Path

from harness.config.layers import has_driver, is_meant_for_gpu, summaries
from harness.config.load import Config
from harness.console.progress import Reporter, duration
from harness.estimates.run import estimate
from harness.records.schema import CountsRecord, DamagedRecord, Record
from harness.records.store import Store
from harness.training.environment import device_name, device_of
from harness.training.faults import why_not


def announce(config: Config, reporter: Reporter) -> None:
    """Say what is about to run and for how long, and whether a GPU is meant for it and there is none."""
    here = device_of(config)
    reporter.say(f"{config.id} on {device_name(here, config.threads)}")
    if config.device == "auto" and here.type == "cpu" and has_driver():
        reporter.say(f"CUDA cannot be used: {why_not()}")
    if "genotype" in config.search and "search.genotype" not in config.updates:
        reporter.say(
            f"cell {config.search['genotype']}, as none was named (genotype=NAME or genotype=FILE takes another)"
        )
    status, spent = _so_far(config)
    if status == "done":
        return
    if here.type == "cpu" and is_meant_for_gpu(config.profile):
        reporter.say(f"profile {config.profile} is meant for a GPU, and this is a CPU (for one: profile=laptop)")
    seconds = estimate(config)
    about = f"about {duration(seconds)} here" + (f", {duration(spent)} of it so far" if spent else "")
    reporter.say(f"profile {config.profile}, {summaries('profiles')[config.profile]}: {about}")
    reporter.expect(max(0.0, seconds - spent))


def _so_far(config: Config) -> tuple[str, float]:
    """The status of the run's record, empty if it has none, and the seconds of its attempts."""
    try:
        record = Store(config.runs_dir).run(config.id).record()
    except DamagedRecord:
        return "", 0.0
    return (record.status, sum(one.seconds or 0.0 for one in record.attempts)) if record else ("", 0.0)


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
            rows.append((name.replace("_", " "), f"{value:.2f}{unit}" + (f" (best: {best:.2f})" if best else "")))
    if record.counts is not None:
        rows.append(("parameters", f"{record.counts.params / 1e6:.3f} M"))
        rows.append(("mult-adds", _mult_adds(record.counts)))
    if record.search is not None:
        rows.append(("search time", f"{duration(record.search.seconds)} ({record.search.gpu_days:.5f} device-days)"))
        rows += [("note", note) for note in record.search.details.get("notes", [])]
    if record.training_seconds is not None:
        rows.append(("training time", duration(record.training_seconds)))
    return rows


def _mult_adds(counts: CountsRecord) -> str:
    ours = f"{counts.mult_adds / 1e6:.2f} M"
    if counts.mult_adds_ptflops is None:
        return ours
    return f"{ours} (convolutions and linear layers; {counts.mult_adds_ptflops / 1e6:.2f} M as the paper counts)"
