"""How long to wait between attempts. Which errors are retried: see `reporting.steps`.

`transient` classifies boto3's errors, and `redshift.errors` the warehouse's.
"""

import random


def backoff_seconds(attempt: int, first_wait_seconds: float) -> float:
    """Return the seconds to wait after a failed attempt: exponential backoff with jitter.

    Args:
        attempt: The number of the attempt that failed, from 1.
        first_wait_seconds: The shortest wait after the first attempt; each next wait doubles.
    """
    return first_wait_seconds * 2.0**attempt * random.uniform(0.5, 1)  # noqa: S311
