"""What differs between one installation and the next, and where things lie on S3.

Everything here comes from environment variables (see `definitions`); nothing here acts.
"""

import dagster as dg
from pydantic import Field

RAW_PRODUCTS_KEY = "raw/products.csv"
ORDERS_PREFIX = "input/orders/"
# One fixed key: the feed's present content replaces what it held before, whatever its URL. Where
# no orders feed is configured it is a key like any other.
ORDERS_FEED_KEY = ORDERS_PREFIX + "feed.csv"
DETAILED_ORDERS_KEY = "output/detailed_orders.csv"
UNMATCHED_ORDERS_KEY = "output/unmatched_orders.csv"
QUARANTINE_PREFIX = "quarantine/"
RUNS_PREFIX = "_runs/"


def quarantine_key(load_id: int) -> str:
    """Return the key of the file that holds the rows which a load set apart."""
    return f"{QUARANTINE_PREFIX}{load_id}.csv"


class Settings(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Names and feeds of one installation."""

    bucket: str = Field(description="The S3 bucket that holds raw, input and output files.")
    products_table: str = Field(description="The DynamoDB table that holds the products.")
    products_feed: str = Field(
        description="Where products.csv comes from: http(s)://, s3:// or a file's path."
    )
    orders_feed: str = Field(
        default="",
        description="Where an orders file comes from, likewise. Empty: others drop the "
        f"deliveries under {ORDERS_PREFIX} themselves.",
    )

    orders_queue: str = Field(
        default="",
        description="URL of the SQS queue that the bucket's events go to, for `orders_queued`.",
    )
    watch_products_table: bool = Field(
        default=False,
        description="Whether `products_changed` also looks for changes to the DynamoDB table "
        "that the platform did not make. It scans the table at every tick.",
    )

    alerts_topic: str = Field(
        default="",
        description="ARN of the SNS topic that is told of failures and recoveries.",
    )
    ui_url: str = Field(
        default="", description="Where Dagster's web UI is, for the links in what is told."
    )

    @property
    def reserved_key(self) -> str:
        """The key under the prefix that only the platform writes; empty without an orders feed."""
        return ORDERS_FEED_KEY if self.orders_feed else ""

    def uri(self, key: str) -> str:
        """Return the s3:// URI of `key` in the platform's bucket."""
        return f"s3://{self.bucket}/{key}"
