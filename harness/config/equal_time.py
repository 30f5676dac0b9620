"""A search that is given the time of another one: which one that is."""

from harness.config.load import Config, load, nest


def rival(config: Config) -> Config | None:
    """The configuration of CoNAS's search of the same data and seed, if that of ``config`` is to take as long."""
    if config.search.get("device_seconds") != "conas":
        return None
    updates = {name: value for name, value in config.updates.items() if not name.startswith("search.")}
    chosen = {"dataset": config.dataset, "profile": config.profile, "method": "conas"}
    return load({**nest(updates), **chosen})
