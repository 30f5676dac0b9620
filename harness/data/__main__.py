"""``python -m harness.data fetch``: bring data sets where runs find them, and check them.

``python -m harness.data pack``: what the paper's search reads of CIFAR-10 in one file.
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import filterfalse
from pathlib import Path
from typing import Any

from conas.refusal import Refused
from harness.config.load import load
from harness.console.places import add_data_dir
from harness.data.files import DataError, Provenance
from harness.data.images import load_images
from harness.data.packed import pack
from harness.data.registry import ImageSet, dataset, dataset_names, is_own
from harness.data.text import load_text
from harness.records.files import write_atomic
from harness.training.image.one_shot import searched
from harness.training.image.task import ImageTask


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked for; 0 if all is there and as it should be, else 1."""
    chosen = _parser().parse_args(arguments)
    try:
        return chosen.work(chosen)
    except (Refused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _fetch(chosen: argparse.Namespace) -> int:
    """Fetch data sets, one line each."""
    failed = False
    if not chosen.offline:
        Path(chosen.data_dir).mkdir(parents=True, exist_ok=True)
    for name in chosen.dataset or filterfalse(is_own, dataset_names()):
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
    commands = parser.add_subparsers(required=True)
    fetch = commands.add_parser("fetch", help="download what is missing and check all")
    fetch.add_argument("--dataset", action="append", choices=dataset_names(), help="may be repeated; default: all")
    add_data_dir(fetch, "where the files lie or go")
    fetch.add_argument("--offline", action="store_true", help="only check what is there")
    fetch.add_argument("--allow-subset", action="store_true", help="accept images that are not the published files")
    fetch.set_defaults(work=_fetch)
    packing = commands.add_parser("pack", help="what the paper's search reads of CIFAR-10 in one file")
    add_data_dir(packing, "where the files lie")
    packing.add_argument("--allow-subset", action="store_true", help="accept images that are not the published files")
    packing.add_argument("--seed", action="append", type=int, help="of the search; may be repeated; default: 0")
    packing.add_argument("--out", type=Path, default=Path("cifar10.packed"), help="the file (default: cifar10.packed)")
    packing.set_defaults(work=_pack)
    return parser


def _pack(chosen: argparse.Namespace) -> int:
    """Write the images of the searches with some seeds."""
    seeds = chosen.seed or [0]
    updates = {"dataset": "cifar10", "profile": "paper", "data_dir": chosen.data_dir, "device": "cpu"}
    configs: list[Any] = [load({**updates, "seed": seed, "allow_subset": chosen.allow_subset}) for seed in seeds]
    tasks = [ImageTask(config) for config in configs]
    places = set[int]().union(*map(searched, tasks))
    content = pack(tasks[0].data, places, {"seeds": seeds})
    write_atomic(chosen.out, content)
    print(f"{chosen.out}: {len(places)} images, {len(content) / 1e6:.1f} MB, for seeds {', '.join(map(str, seeds))}")
    return 0


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
