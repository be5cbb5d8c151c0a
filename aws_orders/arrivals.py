"""Noticing that something arrived: what a sensor looks at, without Dagster.

A sensor only has to notice *that* something changed: the ledger decides what a load brings, and
a version stored beside the products file whether the feed is another. So nothing here remembers
what it has seen, and nothing can get lost between two looks.
"""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_orders.deliveries import is_delivery
from aws_orders.feeds import feed_version
from aws_orders.intake import VERSION
from aws_orders.resources.s3 import find_object, list_objects
from aws_orders.settings import ORDERS_FEED, ORDERS_PREFIX, RAW_PRODUCTS, Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NOTHING = hashlib.sha256().hexdigest()


def listing_digest(s3: "S3Client", settings: Settings) -> str:
    """Return a digest of all deliveries: key, ETag, size and time; `NOTHING` where there are none.

    Read page by page, so its memory does not grow with the listing. The feed is left out: it is
    the platform's own upload, and would set off a run after each run.
    """
    digest = hashlib.sha256()
    for stored in list_objects(s3, settings.bucket, ORDERS_PREFIX):
        if is_delivery(stored) and stored.key != ORDERS_FEED:
            # As botocore gives it, a time is UTC; asking its zone costs more than all the rest.
            modified = stored.modified.replace(tzinfo=None)
            line = f"{stored.key}\0{stored.etag}\0{stored.size}\0{modified}\n"
            digest.update(line.encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class ProductsFeed:
    """The products feed beside the file that was made of it.

    Attributes:
        version: The feed's version now; None where its source tells of none.
        stored: The version that `RAW_PRODUCTS` was made of; None where there is no such file.
        since: Marks that file: another one, another mark.
    """

    version: str | None
    stored: str | None
    since: str

    @property
    def changed(self) -> bool:
        """Whether the feed is known to be another than the file's."""
        return bool(self.version) and self.version != self.stored


def products_feed(s3: "S3Client", settings: Settings) -> ProductsFeed:
    """Look at the feed's version and at the file's, and read neither."""
    version = feed_version(settings.products_feed, s3)
    head = find_object(s3, settings.bucket, RAW_PRODUCTS)
    if head is None:
        return ProductsFeed(version, None, "")
    return ProductsFeed(version, head["Metadata"].get(VERSION, ""), str(head["LastModified"]))
