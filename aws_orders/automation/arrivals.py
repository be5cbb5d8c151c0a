"""A digest of all deliveries, with which a sensor detects that one arrived or changed.

`orders.load_plan` decides which deliveries are loaded.
"""

import hashlib
from typing import TYPE_CHECKING

from aws_orders.orders.deliveries import is_delivery
from aws_orders.resources.s3 import list_objects
from aws_orders.resources.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# The digest if there are no deliveries.
EMPTY_DIGEST = hashlib.sha256().hexdigest()


def listing_digest(s3: "S3Client", settings: Settings) -> str:
    """Return a digest of the key, ETag, size and time of all deliveries.

    The listing is read page by page, in bounded memory. The configured feed's file is excluded: the
    platform uploads it, and would start a run after each run.
    """
    digest = hashlib.sha256()
    for stored in list_objects(s3, settings.bucket, settings.orders_prefix):
        if is_delivery(stored, settings.orders_prefix) and stored.key != settings.reserved_key:
            # botocore returns UTC; formatting the time zone would cost more than all the rest.
            modified = stored.modified.replace(tzinfo=None)
            line = f"{stored.key}\0{stored.etag}\0{stored.size}\0{modified}\n"
            digest.update(line.encode())
    return digest.hexdigest()
