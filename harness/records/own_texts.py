"""Which text of one's own a name stands for in a store: records name a text, and its content is what they are about."""

from pathlib import Path

from conas.refusal import Refused
from harness.records.files import facts, write_json


class AnotherText(Refused):
    """A name that stands for another text."""


def refuse_another(root: Path, name: str | None, fingerprint: str, dataset: str = "text") -> None:
    """Remember which text, or folder of images, ``name`` is, by the hash of its content.

    Raises:
        AnotherText: it was another one before; one line.
    """
    path = root / f"{dataset}s" / f"{name or 'unnamed'}.json"
    known = facts(path, fingerprint=str)
    if known is None:
        write_json(path, {"fingerprint": fingerprint})
    elif known["fingerprint"] != fingerprint:
        said = f"dataset={dataset} {'without a name' if name is None else f'name={name}'}"
        raise AnotherText(f"{said} is another {dataset} in {root} (give this one a name of its own: name=...)")
