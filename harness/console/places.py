"""The options of command lines that name folders and the database: in folders ``~`` is the user's own."""

import argparse
import os
from pathlib import Path

DEFAULT_STORE = "runs"
DEFAULT_DATA = "data"
URL_VARIABLE = "CONAS_MONGO_URL"
WHICH_DATABASE = f"--mongo-url mongodb://HOST:PORT/DATABASE or {URL_VARIABLE} in the environment"
"""What is typed where a database is needed."""
PACKED = ".jsonl"
"""The suffix of a packed file of runs."""


def add_store(parser: argparse.ArgumentParser, what: str = "where runs are recorded") -> None:
    """The option ``--store``: the folder of all runs; ``what`` says what it is to this command."""
    _add(parser, "--store", DEFAULT_STORE, what)


def add_data_dir(parser: argparse.ArgumentParser, what: str = "where the data sets lie") -> None:
    """The option ``--data-dir``: the folder of the data sets."""
    _add(parser, "--data-dir", DEFAULT_DATA, what)


def add_mongo_url(parser: argparse.ArgumentParser) -> None:
    """The option ``--mongo-url``: the database, by default the one that the environment names."""
    default, about = os.environ.get(URL_VARIABLE), f"or ${URL_VARIABLE}"
    parser.add_argument("--mongo-url", default=default, metavar="URL", help=about)


def is_folder(address: str | Path) -> bool:
    """Whether ``address`` is a store's root folder, where runs can also be made, and no database or packed file."""
    text = str(address)  # of a path, which has one slash where an address has two
    return text != URL_VARIABLE and not text.startswith(("mongodb:/", "mongodb+srv:/")) and not text.endswith(PACKED)


def nothing_there(what: str, folder: Path) -> str:
    """One line that says which folder is not there, and which is."""
    nearest = next(parent for parent in folder.absolute().parents if parent.is_dir())
    return f"there is no {what} {folder.absolute()}; the nearest folder that is there is {nearest}"


def _add(parser: argparse.ArgumentParser, option: str, default: str, what: str) -> None:
    about = f"{what} (default: {default})"
    parser.add_argument(option, type=os.path.expanduser, default=default, metavar="DIR", help=about)
