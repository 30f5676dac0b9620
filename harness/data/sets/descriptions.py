"""The descriptions of data sets that ship with scikit-learn: about 6,000 words of English, no download."""

import re
from collections import Counter
from importlib.metadata import version
from importlib.resources import files as resources

from harness.data.files import Files
from harness.data.registry import text_set

_WORD = re.compile(r"[a-z]+|\d[\d.,]*")


@text_set("descriptions")
def descriptions(files: Files) -> dict[str, list[str]]:
    """Prepared as Penn Treebank is: lower case, numbers as N, words that occur once in the training text as <unk>.

    Of every ten lines the ninth is for validation and the tenth for testing. The text is that of the installed version
    of scikit-learn. Not part of the paper: it lets a language model run where nothing can be downloaded.
    """
    pages = sorted(resources("sklearn.datasets.descr").iterdir(), key=lambda page: page.name)
    texts = [page.read_text("utf-8") for page in pages if page.name.endswith(".rst")]
    files.shipped("descriptions", f"scikit-learn {version('scikit-learn')}", "\n".join(texts).encode())
    lines = [words for text in texts for line in text.splitlines() if (words := _words(line))]
    train = [line for number, line in enumerate(lines) if number % 10 < 8]
    splits = {"train": train, "valid": lines[8::10], "test": lines[9::10]}
    often = {word for word, count in Counter(word for line in train for word in line).items() if count > 1}
    return {split: _tokens(chosen, often) for split, chosen in splits.items()}


def _words(line: str) -> list[str]:
    return ["N" if word[0].isdigit() else word for word in _WORD.findall(line.lower())]


def _tokens(lines: list[list[str]], known: set[str]) -> list[str]:
    return [token for line in lines for token in (*(word if word in known else "<unk>" for word in line), "<eos>")]
