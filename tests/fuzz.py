"""How much the fuzz tries: CESTAB_FUZZ is a factor, 1 in the gate, 10 in a nightly run. What is tried follows from seeds."""

import os

from hypothesis import HealthCheck, settings

FACTOR = float(os.environ.get("CESTAB_FUZZ", "1"))


def examples(number: int) -> settings:
    """Return the settings that try a number of examples, times the factor."""
    return settings(
        max_examples=max(1, round(number * FACTOR)),
        deadline=None,
        database=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
