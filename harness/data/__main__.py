"""``python -m harness.data fetch``: bring data sets where runs find them, and check them."""

import argparse
import sys
from collections.abc import Sequence

from harness.data import DataError, ImageSet, Provenance, dataset, dataset_names, load_images, load_text


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch what is asked for, one line a data set; 0 if all of it is there and as it should be, else 1."""
    chosen = _parser().parse_args(arguments)
    failed = False
    for name in chosen.dataset or dataset_names():
        try:
            found = _load(name, chosen)
        except DataError as error:
            failed = True
            print(f"FAILED {error}", file=sys.stderr)
        else:
            print(_summary(found))
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m harness.data", description=__doc__)
    fetch = parser.add_subparsers(required=True).add_parser("fetch", help="download what is missing and check all")
    fetch.add_argument("--dataset", action="append", choices=dataset_names(), help="may be repeated; default: all")
    fetch.add_argument("--data-dir", default="data", help="where the files lie or go (default: data)")
    fetch.add_argument("--offline", action="store_true", help="only check what is there")
    fetch.add_argument("--allow-subset", action="store_true", help="accept images that are not the published files")
    return parser


def _load(name: str, chosen: argparse.Namespace) -> Provenance:
    if isinstance(dataset(name), ImageSet):
        return load_images(name, chosen.data_dir, chosen.allow_subset, chosen.offline).provenance
    return load_text(name, chosen.data_dir, chosen.offline).provenance


def _summary(found: Provenance) -> str:
    counts = ", ".join(f"{count} {split}" for split, count in found.counts.items())
    state = "as published" if found.verified else "not the published files"
    return f"{found.dataset}: {counts}; {state}{'' if found.whole else ', not the whole set'} ({found.source})"


if __name__ == "__main__":
    sys.exit(main())
