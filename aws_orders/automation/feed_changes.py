"""Detects that the products feed changed: by its version or, if that proves nothing, its bytes.

The stored file's metadata has the version and digest of the last stored fetch. The cursor only
saves work: without it the feed is hashed again.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel

from aws_orders.automation.cursors import read_cursor
from aws_orders.resources.feeds import Version, feed_digest, feed_version
from aws_orders.resources.s3 import find_object
from aws_orders.resources.settings import RAW_PRODUCTS_KEY, Settings
from aws_orders.resources.stored_feeds import DIGEST, HINT, PROOF

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

# A tick must end within 60 seconds. If hashing takes longer than this, a run is requested.
HASH_SECONDS = 30
# Minimum seconds between two hashes: after unchanged bytes, after a requested run, after a timeout.
# This bounds the cost of a feed that has no version, or whose Last-Modified is always the current
# time.
UNCHANGED_SECONDS, CHANGED_SECONDS, TOO_LARGE_SECONDS = 600, 60, 3600


class FeedCursor(BaseModel, frozen=True):
    """The sensor's state between ticks.

    Attributes:
        mark: The version that was hashed last; empty: the feed has none.
        digest: The SHA-256 of that version's bytes; empty: hashing took too long.
        not_before: When the feed may be hashed again, in seconds since 1970.
    """

    mark: str = ""
    digest: str = ""
    not_before: float = 0


@dataclass(frozen=True)
class FeedDecision:
    """The key of the run to request, or None; the reason; and the new cursor."""

    run_key: str | None
    reason: str
    cursor: str


def check_products_feed(
    s3: "S3Client", settings: Settings, cursor_text: str | None, now: float
) -> FeedDecision:
    """Compare the products feed with the stored file; unchanged bytes request no run.

    The feed is read and hashed only if the proof (or, without one, the hint) differs from the
    stored one, and no more often than the constants above allow.

    Args:
        s3: The client.
        settings: The feed and the bucket.
        cursor_text: The previous tick's cursor.
        now: Seconds since 1970.

    Raises:
        DataError, TransientError: the feed cannot be read.
    """
    cursor = read_cursor(cursor_text, FeedCursor())
    version = feed_version(settings.products_feed, s3)
    head = find_object(s3, settings.bucket, settings.key(RAW_PRODUCTS_KEY))
    stored = head["Metadata"] if head else {}
    since = str(head["LastModified"]) if head else ""
    if _is_stored(version, stored):
        return _decide(None, "The products feed has not changed since it was fetched.", cursor)
    mark = version.mark or ""
    if mark and mark == cursor.mark:
        digest: str | None = cursor.digest
    elif now < cursor.not_before:
        seconds = round(cursor.not_before - now)
        reason = f"The feed's version has changed; its bytes are compared in {seconds} seconds."
        return _decide(None, reason, cursor)
    else:
        digest = feed_digest(settings.products_feed, s3, HASH_SECONDS)
        wait = UNCHANGED_SECONDS if digest == stored.get(DIGEST) else CHANGED_SECONDS
        not_before = now + (wait if digest else TOO_LARGE_SECONDS)
        cursor = FeedCursor(mark=mark, digest=digest or "", not_before=not_before)
    if digest and digest == stored.get(DIGEST):
        return _decide(None, "The bytes of the products feed have not changed.", cursor)
    content = digest or mark or f"at {now:.0f}"
    return _decide(f"feed {content} after {since}", "The products feed changed.", cursor)


def _is_stored(version: Version, stored: "Mapping[str, str]") -> bool:
    if version.proof:
        return version.proof == stored.get(PROOF)
    return bool(version.hint) and version.hint == stored.get(HINT)


def _decide(run_key: str | None, reason: str, cursor: FeedCursor) -> FeedDecision:
    return FeedDecision(run_key, reason, cursor.model_dump_json())
