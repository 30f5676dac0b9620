"""A text of one's own: three files of any UTF-8 text, words between white space, a line's end as a word."""

from harness.data.files import DataError, Files, Layout
from harness.data.registry import text_set

_NAMES = {split: f"{split}.txt" for split in ("train", "valid", "test")}


@text_set("text", layout=Layout("text", dict.fromkeys(_NAMES.values(), ""), ()), own=True)
def text(files: Files) -> dict[str, list[str]]:
    """Words are taken as they are, capitals and punctuation included; empty lines are left out."""
    return {split: _words(split, files) for split in _NAMES}


def _words(split: str, files: Files) -> list[str]:
    name = _NAMES[split]
    try:
        lines = files.read(name).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"text: {name} in {files.source} is not UTF-8 (byte {error.start}: {error.reason})") from error
    words = [word for line in lines if line.split() for word in (*line.split(), "<eos>")]
    if not words:
        raise DataError(f"text: {name} in {files.source} has no words")
    return words
