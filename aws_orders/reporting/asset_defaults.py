"""What all assets share: owners, tags, retry policy, run config of feeds."""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

OWNERS = ["team:orders-platform"]
TAGS = {"domain": "orders"}
# Three attempts over some seconds, after throttling, lost connections or an unavailable service.
# The clients' own, shorter retries come first. Which errors are retried: `steps.timed_step`.
RETRIES = dg.RetryPolicy(
    max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)
# What an asset with checks yields; Dagster reads the annotation.
Reports = Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]


class FetchConfig(dg.Config):
    """Run config of the assets that fetch a feed."""

    force: bool = Field(
        default=False,
        description="Fetch the feed even if its ETag proves that it has not changed.",
    )
