"""Which data a name stands for in a store: records name a data set, but what they are about is its content."""

from pathlib import Path

from conas.refusal import Refused
from harness.records.files import facts, write_json


class OtherData(Refused):
    """A name that stands for other data."""


def refuse_another(root: Path, dataset: str, name: str | None, fingerprint: str, own: bool) -> None:
    """Remember which data ``dataset`` and ``name`` are, by the hash of their content; ``own``: the user names them.

    Raises:
        OtherData: they were others before; one line.
    """
    file = f"{name or 'unnamed'}.json"
    path, path_before = root / "contents" / dataset / file, root / f"{dataset}s" / file
    known = facts(path, fingerprint=str) or facts(path_before, fingerprint=str)
    if known is None:
        write_json(path, {"fingerprint": fingerprint})
    elif known["fingerprint"] != fingerprint:
        said = f"dataset={dataset}" + ((f" name={name}" if name else " without a name") if own else "")
        advice = "give this one a name of its own: name=..." if own else "other data need another store: runs_dir=..."
        raise OtherData(f"{said} is another {dataset} in {root} ({advice})")
