"""How long a run will take on this machine."""

from harness import tasks
from harness.config import Config
from harness.environment import device
from harness.questions import questions
from harness.speed import machine


def estimate(config: Config) -> float:
    """Seconds that the run of ``config`` takes on this machine with nothing done before."""
    search = config.for_search()
    here = machine(config.runs_dir, device(config.device), config.threads, config.task)
    asked = questions(search)
    return float(tasks.task(search).search_seconds(asked, here) + tasks.task(config).final_seconds(here))
