"""Noticing that something arrived: what a sensor looks at, without Dagster.

A sensor only has to notice *that* something changed: the ledger decides what a load brings, and
the digest stored with the products file whether the feed differs. What a cursor remembers saves
work, and does no harm if it gets lost.
"""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from aws_orders.config import ORDERS_PREFIX, RAW_PRODUCTS_KEY, Settings
from aws_orders.orders.deliveries import is_delivery
from aws_orders.resources.feeds import Version, feed_digest, feed_version
from aws_orders.resources.s3 import find_object, list_objects
from aws_orders.resources.stored_feeds import DIGEST, HINT, VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

NOTHING = hashlib.sha256().hexdigest()
# A tick must end within 60 seconds; what takes longer to hash is left to a run.
HASH_SECONDS = 30
# How soon the feed may be hashed once more: after it turned out to be unchanged, after a run was
# requested for it, and after it took too long. They bound what a feed costs whose Last-Modified
# is always now, or that has no version at all.
UNCHANGED_SECONDS, CHANGED_SECONDS, TOO_LARGE_SECONDS = 600, 60, 3600


def listing_digest(s3: "S3Client", settings: Settings) -> str:
    """Return a digest of all deliveries: key, ETag, size and time; `NOTHING` where there are none.

    Read page by page, so its memory does not grow with the listing. A configured feed is left
    out: it is the platform's own upload, and would start a run after each run.
    """
    digest = hashlib.sha256()
    for stored in list_objects(s3, settings.bucket, ORDERS_PREFIX):
        if is_delivery(stored) and stored.key != settings.reserved_key:
            # As botocore gives it, a time is UTC; looking up its zone costs more than the rest.
            modified = stored.modified.replace(tzinfo=None)
            line = f"{stored.key}\0{stored.etag}\0{stored.size}\0{modified}\n"
            digest.update(line.encode())
    return digest.hexdigest()


class FeedCursor(BaseModel, frozen=True):
    """What one look at the products feed leaves to the next.

    Attributes:
        mark: The version that was hashed last; empty where the feed has none.
        digest: The SHA-256 of its bytes; empty where hashing took too long.
        not_before: When the feed may be hashed once more, in seconds since 1970.
    """

    mark: str = ""
    digest: str = ""
    not_before: float = 0


@dataclass(frozen=True)
class FeedLook:
    """What a look found: the key of the run to request, if any, why, and the cursor to keep."""

    run_key: str | None
    reason: str
    cursor: str


def look_at_products_feed(
    s3: "S3Client", settings: Settings, cursor_text: str | None, now: float
) -> FeedLook:
    """Compare the products feed with the file that was made of it; unchanged bytes need no run.

    Only where neither the proof nor the hint of its version is the stored one, the feed is read
    and hashed, no more often than the constants above allow.

    Args:
        s3: The client.
        settings: The feed and the bucket.
        cursor_text: What the last look left.
        now: Seconds since 1970.

    Raises:
        DataError, TransientError: the feed cannot be read.
    """
    cursor = _read(cursor_text)
    version = feed_version(settings.products_feed, s3)
    head = find_object(s3, settings.bucket, RAW_PRODUCTS_KEY)
    stored = head["Metadata"] if head else {}
    since = str(head["LastModified"]) if head else ""
    if _seems_stored(version, stored):
        return FeedLook(None, "The feed is the one that was fetched last.", _text(cursor))
    mark = version.mark or ""
    if mark and mark == cursor.mark:
        digest: str | None = cursor.digest
    elif now < cursor.not_before:
        seconds = round(cursor.not_before - now)
        reason = f"The feed's version proves nothing; its bytes are checked in {seconds} seconds."
        return FeedLook(None, reason, _text(cursor))
    else:
        digest = feed_digest(settings.products_feed, s3, HASH_SECONDS)
        wait = UNCHANGED_SECONDS if digest == stored.get(DIGEST) else CHANGED_SECONDS
        not_before = now + (wait if digest else TOO_LARGE_SECONDS)
        cursor = FeedCursor(mark=mark, digest=digest or "", not_before=not_before)
    if digest and digest == stored.get(DIGEST):
        return FeedLook(None, "The feed's bytes are those that were fetched last.", _text(cursor))
    what = digest or mark or f"at {now:.0f}"
    return FeedLook(f"feed {what} after {since}", "The feed changed.", _text(cursor))


def _seems_stored(version: Version, stored: "Mapping[str, str]") -> bool:
    if version.proof:
        return version.proof == stored.get(VERSION)
    return bool(version.hint) and version.hint == stored.get(HINT)


def _read(text: str | None) -> FeedCursor:
    try:
        return FeedCursor.model_validate_json(text or "{}")
    except ValidationError:  # another version's: the feed is hashed once more
        return FeedCursor()


def _text(cursor: FeedCursor) -> str:
    return cursor.model_dump_json()
