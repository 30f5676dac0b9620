"""The paper's tables, figures and claims, from recorded runs."""

import harness  # noqa: F401 - before all that it may miss
