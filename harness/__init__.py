"""Runs, their records and everything around them."""

import warnings

warnings.filterwarnings("ignore", "pkg_resources is deprecated")  # Sacred imports it, whoever imports Sacred
