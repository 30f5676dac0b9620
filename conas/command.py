"""``conas run|sweep|status|...``: one name for all that is started by hand.

The replication runs from its checkout, which is where this is, or its folder of origin, or none.
"""

import os
import sys

from conas.names import unknown
from conas.refusal import Refused

SCRIPTS = ("run", "sweep", "status", "worker")
OTHERS = ("sync", "archive", "deposit", "compare", "curves", "predict", "evaluate", "export", "data", "dashboard")
MODULES = {**{name: f"harness.{name}" for name in OTHERS}, "tables": "tables"}
STUDIES = (
    "gpu",
    "gpu_cnn",
    "gpu_compile",
    "paper_answers",
    "paper_answers_page",
    "paper_search",
    "prediction",
    "race",
    "race_cnn",
    "race_cnn_page",
    "ranking",
    "recovery",
    "scaling",
    "spectrum",
)
"""The modules of harness/studies that are commands."""
USAGE = f"conas {'|'.join((*SCRIPTS, *MODULES))}|study NAME, and its arguments"
HELP = """usage: conas COMMAND ...; conas COMMAND -h says more

  run        search for a cell, train its network, record the run
  sweep      all runs that a table needs, here, on Slurm or by workers
  status     how launched sweeps stand
  worker     make runs from a queue in MongoDB
  sync       bring MongoDB up to date with the files
  archive    pack, unpack and compare records
  deposit    publish records and weights, and fetch them
  compare    what differs between two runs
  curves     loss, error and perplexity over the epochs
  predict    what a run's network sees in pictures
  evaluate   test a run's network once more
  export     a run's network for other programs
  data       fetch and check the data sets, or pack CIFAR-10 for the paper's search
  dashboard  browse the runs in Omniboard
  tables     tables, scorecard, report, and the runs that are missing
  study NAME an experiment on the method itself, such as recovery or race; without NAME, their names"""


def main() -> None:
    """Become the command that is asked for."""
    if sys.argv[1:] in (["-h"], ["--help"], ["help"]):
        print(HELP)
        return
    root = checkout()
    if root is None:
        sys.exit("conas: no checkout of the replication here; change into one (the library alone is `import conas`)")
    try:
        words = arguments(root, sys.argv[1:])
    except Refused as error:
        sys.exit(f"error: {error}")
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    os.execve(sys.executable, [sys.executable, *words], environment)  # noqa: S606 - the user's own words, to Python


def checkout() -> str | None:
    """The checkout that holds the current folder, else the one that this file lies in, if any."""
    here, home = os.getcwd(), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return next((folder for folder in (*_upwards(here), home) if _is_checkout(folder)), None)


def arguments(root: str, words: list[str]) -> list[str]:
    """What Python is given for these ``words``.

    Raises:
        Refused: they name no command.
    """
    match words:
        case [name, *rest] if name in SCRIPTS:
            return [os.path.join(root, "harness", f"{name}.py"), *rest]
        case [name, *rest] if name in MODULES:
            return ["-m", MODULES[name], *rest]
        case ["study", name, *rest] if name in STUDIES:
            return ["-m", f"harness.studies.{name}", *rest]
        case ["study"] | ["study", "-h" | "--help"]:
            raise Refused(f"which study? {', '.join(STUDIES)}")
        case ["study", name, *_]:
            raise Refused(unknown("study", name, STUDIES))
        case [name, *_]:
            raise Refused(unknown("command", name, (*SCRIPTS, *MODULES, "study")))
    raise Refused(f"which command? {USAGE}")


def _upwards(folder: str) -> list[str]:
    parent = os.path.dirname(folder)
    return [folder] if parent == folder else [folder, *_upwards(parent)]


def _is_checkout(folder: str) -> bool:
    return all(os.path.isfile(os.path.join(folder, *path)) for path in (("harness", "run.py"), ("conas", "command.py")))
