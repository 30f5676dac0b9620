"""A search that is given the time of another one: which one that is."""

from harness.config.load import Config


def rival(config: Config) -> Config | None:
    """The configuration of CoNAS's search of the same data and seed, if that of ``config`` is to take as long."""
    return config.with_method("conas") if config.search.get("device_seconds") == "conas" else None
