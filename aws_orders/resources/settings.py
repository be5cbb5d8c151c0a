"""The settings of an installation as a resource, and the keys of its files on S3.

The environment variables that set the fields are in `config`.
"""

from typing import Any

import dagster as dg
from pydantic import Field

from aws_orders.config import PLATFORM

# Keys below the installation's own prefix; `Settings` has the complete ones.
RAW_PRODUCTS_KEY = "raw/products.csv"
ORDERS_PREFIX = "input/orders/"
# One fixed key: the feed's current content replaces the previous one, even if the URL changes.
# Without an orders feed this key has no special meaning.
ORDERS_FEED_KEY = ORDERS_PREFIX + "feed.csv"
DETAILED_ORDERS_KEY = "output/detailed_orders.csv"
UNMATCHED_ORDERS_KEY = "output/unmatched_orders.csv"
QUARANTINE_PREFIX = "quarantine/"
RUNS_PREFIX = "_runs/"
DEAD_LETTERS_PREFIX = "dead-letter/orders_queued/"


def _field(name: str) -> Any:
    """Return a field of `Settings` with the meaning and default of its variable."""
    variable = PLATFORM[name]
    default = ... if variable.required else variable.kind.read(variable.default)
    return Field(default=default, description=variable.meaning)


class Settings(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Names, feeds and choices of one installation; `PLATFORM` describes each field."""

    bucket: str = _field("bucket")
    prefix: str = _field("prefix")
    products_feed: str = _field("products_feed")
    orders_feed: str = _field("orders_feed")
    products_table: str = _field("products_table")
    orders_queue: str = _field("orders_queue")
    watch_products_table: bool = _field("watch_products_table")
    alerts_topic: str = _field("alerts_topic")
    ui_url: str = _field("ui_url")
    on_bad_rows: str = _field("on_bad_rows")
    max_bad_share: float = _field("max_bad_share")

    def key(self, name: str) -> str:
        """Return the complete key of one of this module's keys or prefixes."""
        return f"{self.prefix.rstrip('/')}/{name}" if self.prefix else name

    @property
    def orders_prefix(self) -> str:
        """The prefix of the deliveries."""
        return self.key(ORDERS_PREFIX)

    @property
    def reserved_key(self) -> str:
        """The delivery key that only the platform writes; empty without an orders feed."""
        return self.key(ORDERS_FEED_KEY) if self.orders_feed else ""

    def quarantine_key(self, load_id: int) -> str:
        """Return the key of the file that holds the rejected rows of a load."""
        return self.key(f"{QUARANTINE_PREFIX}{load_id}.csv")

    def uri(self, key: str) -> str:
        """Return the s3:// URI of `key` in the platform's bucket."""
        return f"s3://{self.bucket}/{key}"

    def key_of(self, uri: str) -> str:
        """Return the key of an s3:// URI in the platform's bucket: the inverse of `uri`."""
        return uri.removeprefix(self.uri(""))
