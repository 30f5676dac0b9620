"""Runs, their records and everything around them."""

import os
import warnings

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin while they wait stall a shared machine
warnings.filterwarnings("ignore", "pkg_resources is deprecated")  # Sacred imports it, whoever imports Sacred
