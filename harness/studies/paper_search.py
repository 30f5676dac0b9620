"""`make paper-search-cpu`: the paper's CIFAR-10 search, published settings, on whatever machine this is.

25,000 training and 25,000 validation images, 100 epochs, 1,000 measurements, one stage of recovery. The command
continues where it stopped, and says how long the rest will take. The cell that it finds serves every later run.
"""

import argparse
import sys

from conas.refusal import Refused
from harness.config.load import load
from harness.console.progress import Reporter, duration
from harness.execution.execute import search
from harness.training.environment import make_deterministic


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m harness.studies.paper_search", description=__doc__)
    parser.add_argument("--data-dir", default="data", help="where CIFAR-10 lies (default: %(default)s)")
    parser.add_argument("--allow-subset", action="store_true", help="accept data that are not the complete set")
    parser.add_argument("--store", default="runs", help="where the search is kept (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the search (default: %(default)s)")
    arguments = parser.parse_args()
    updates = {"dataset": "cifar10", "profile": "paper", "seed": arguments.seed, "runs_dir": arguments.store}
    updates |= {"data_dir": arguments.data_dir, "allow_subset": arguments.allow_subset}
    try:
        config = load(updates)
        make_deterministic(config.threads)
        found = search(config.for_search(), Reporter())
    except (Refused, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command continues where this one stopped")
    print(f"found in {duration(found.record.seconds)}: {found.genotype}")


if __name__ == "__main__":
    main()
