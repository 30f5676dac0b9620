"""Methods and data sets from other repositories, by entry point.

A distribution that offers some names the modules which register them, in its own pyproject.toml::

    [project.entry-points."conas.methods"]
    coin = "conas_coin.method"

    [project.entry-points."conas.datasets"]
    dots = "conas_coin.dots"
"""

from functools import cache
from importlib.metadata import entry_points

METHODS_GROUP, DATASETS_GROUP = "conas.methods", "conas.datasets"


@cache
def load_plugins(group: str) -> None:
    """Import every module that an installed distribution offers under the entry-point ``group``."""
    for entry in entry_points(group=group):
        entry.load()
