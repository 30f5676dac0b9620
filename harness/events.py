"""Curves of recorded runs as TensorBoard's event files: ``python -m harness.curves --tensorboard FOLDER``.

A run is a folder, LABEL/RUN, and a figure of a stage a tag, such as ``final/test_error``; steps are epochs. Records say
when a run started and not when its epochs ended: all its events bear that time. The same record gives the same bytes.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import pandas as pd

from conas.refusal import Refused
from harness.records.files import write_atomic
from harness.records.schema import Record

EVENTS = "events.out.tfevents.0.curves"
"""The name of every event file: TensorBoard looks for the middle of it."""


def check_installed() -> None:
    """Raise `Refused` with what to type where TensorBoard's package is missing."""
    if find_spec("tensorboard") is None:
        raise Refused("TensorBoard's files need its package: pip install tensorboard")


def write_events(rows: pd.DataFrame, records: Mapping[str, Record], out: Path) -> list[Path]:
    """Write the curves of every run of ``rows`` (see `harness.curves.frame`) below ``out``; the files.

    Raises:
        Refused: the package tensorboard is missing.
        OSError: a file cannot be written.
    """
    check_installed()
    paths = []
    for (label, run), lines in rows.groupby(["label", "run"]):
        name = re.sub(r"[^\w=.,+-]+", "_", str(label).replace(", ", ","))
        paths.append(out / name / str(run) / EVENTS)
        attempts = records[str(run)].attempts
        started = datetime.fromisoformat(attempts[0].started).timestamp() if attempts else 0.0
        write_atomic(paths[-1], b"".join(_framed(event) for event in _events(lines, started)))
    return paths


def _events(lines: pd.DataFrame, time: float) -> Iterator[bytes]:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    yield Event(wall_time=time, file_version="brain.Event:2").SerializeToString()
    for line in lines.sort_values(["stage", "epoch"], kind="stable").itertuples():
        tag = f"{line.stage}/{line.split}_{line.unit}"
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=line.value)])
        yield Event(wall_time=time, step=line.epoch, summary=summary).SerializeToString()


def _framed(event: bytes) -> bytes:
    """The event as it lies in a file: with its length and checksums."""
    from tensorboard.summary.writer.record_writer import RecordWriter

    buffer = BytesIO()
    RecordWriter(buffer).write(event)
    return buffer.getvalue()
