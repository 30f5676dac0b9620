"""From the names of sweeps to what there is to do: every run with its state and its estimate."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from harness.config import sweeps
from harness.config.load import Config
from harness.estimates.shared import Costs, model
from harness.launch.plan import Plan, PlannedRun
from harness.launch.pool import Job
from harness.launch.state import FINAL, Standing, standing
from harness.records.store import Store


@dataclass(frozen=True)
class Prepared:
    """A sweep's runs: the configuration, the standing and the estimated device-seconds of each, None if unknown."""

    plan: Plan
    configs: list[Config]
    standings: dict[str, Standing]
    seconds: dict[str, float | None]
    titles: dict[str, str]

    @property
    def states(self) -> Counter[str]:
        """How many runs are in each state."""
        return Counter(self.standings[config.id].state for config in self.configs)

    def jobs(self) -> list[Job]:
        """What there is to do."""
        return [self._job(config) for config in self.configs if self.standings[config.id].state not in FINAL]

    def _job(self, config: Config) -> Job:
        values = config.model_dump(mode="json")
        return Job(config.id, self.plan.name, values, self._left(config), model(config), self.titles[config.id])

    def _left(self, config: Config) -> float | None:
        seconds = self.seconds[config.id]
        return None if seconds is None else max(0.0, seconds - self.standings[config.id].spent)

    def save(self) -> None:
        """Keep the plan beside the runs."""
        self.plan.save(
            PlannedRun(id=c.id, command=c.command, seconds=self.seconds[c.id], title=self.titles[c.id])
            for c in self.configs
        )


def prepare(store: Store, names: Iterable[str], profile: str, extra: sweeps.Extra, costs: Costs) -> list[Prepared]:
    """The sweeps with everything that is known of their runs; a run that several need belongs to the first.

    Raises:
        ConfigError: a sweep, a profile or a setting that is unknown or impossible.
    """
    taken: set[str] = set()
    return [_prepare(store, sweep, profile, extra, costs, taken) for sweep in names]


def _prepare(store: Store, sweep: str, profile: str, extra: sweeps.Extra, costs: Costs, taken: set[str]) -> Prepared:
    configs = [config for config in sweeps.runs(sweep, profile, extra) if config.id not in taken]
    taken.update(config.id for config in configs)
    standings = {config.id: standing(store.run(config.id)) for config in configs}
    seconds = {config.id: costs.of(config) for config in configs}
    return Prepared(Plan.of(store, sweep, profile), configs, standings, seconds, sweeps.titles(sweep, profile, extra))
