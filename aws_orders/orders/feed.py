"""Fetches the orders feed to S3, as a stream, if it changed.

See `resources.feeds` for opening feeds, `resources.stored_feeds` for the metadata of the stored
copy, and `load` for loading it.
"""

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from aws_orders.contract import ORDERS
from aws_orders.errors import DataError
from aws_orders.resources.feeds import Feed, open_feed
from aws_orders.resources.locations import without_secrets
from aws_orders.resources.s3 import delete_objects, find_object, join_objects, list_objects, upload
from aws_orders.resources.settings import ORDERS_FEED_KEY, Settings
from aws_orders.resources.stored_feeds import (
    CHUNK_BYTES,
    DIGEST,
    HINT,
    ROWS,
    HashingReader,
    feed_metadata,
    is_proven_current,
)
from aws_orders.rows.header import MAX_HEADER_BYTES, check_header, no_rows_error, parse_header
from aws_orders.rows.records import RecordCounter

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class OrdersIntake:
    """The orders feed now on S3: its number of rows, and whether its bytes are new."""

    rows: int
    changed: bool


def receive_orders(
    s3: "S3Client", settings: Settings, run_prefix: str, *, force: bool = False
) -> OrdersIntake:
    """Store the orders feed at `ORDERS_FEED_KEY`, unless the same bytes are there already.

    Same strong ETag: skip. Same hint (such as Last-Modified): download and hash first, upload only
    if the hash differs.

    Args:
        s3: The client.
        settings: The feed and the bucket.
        run_prefix: Prefix of the run's keys.
        force: Fetch the feed even if its version proves that the stored copy is current.

    Raises:
        DataError: the feed cannot be read, lacks a column, or has no rows; or the object at
            `ORDERS_FEED_KEY` was not written by the platform.
        TransientError: the feed's source does not answer, or the transfer breaks off.
    """
    stored = _stored_metadata(s3, settings)
    with open_feed(settings.orders_feed, s3) as feed:
        if not force and is_proven_current(feed.version, stored):
            return OrdersIntake(int(stored[ROWS]), changed=False)
        hint = feed.version.hint
        if force or not hint or hint != stored.get(HINT):
            return _replace_orders(feed, s3, settings, run_prefix, stored)
        hashed = HashingReader(feed.stream)
        while hashed.read(CHUNK_BYTES):
            pass
        if hashed.digest == stored.get(DIGEST):
            return OrdersIntake(int(stored[ROWS]), changed=False)
    with open_feed(settings.orders_feed, s3) as feed:
        return _replace_orders(feed, s3, settings, run_prefix, stored)


def _replace_orders(
    feed: Feed, s3: "S3Client", settings: Settings, run_prefix: str, stored: dict[str, str]
) -> OrdersIntake:
    """Stream a feed to one of the run's keys; if its bytes are new, copy it to `ORDERS_FEED_KEY`.

    The target key never holds a partial feed.
    """
    where, staged = without_secrets(settings.orders_feed), f"{run_prefix}feed.csv"
    hashed = HashingReader(feed.stream)
    reader = _CountingReader(cast("IO[bytes]", hashed), where)
    upload(s3, cast("IO[bytes]", reader), settings.bucket, staged)
    reader.counter.finish()
    rows = reader.counter.records
    if not rows:
        raise no_rows_error(where)
    changed = hashed.digest != stored.get(DIGEST)
    if changed:
        _stored_metadata(s3, settings)  # checks that nothing else wrote there since
        metadata = feed_metadata(feed.version, hashed.digest, rows)
        parts = list(list_objects(s3, settings.bucket, staged))
        join_objects(s3, settings.bucket, parts, settings.key(ORDERS_FEED_KEY), metadata=metadata)
    delete_objects(s3, settings.bucket, [staged])
    return OrdersIntake(rows, changed)


def _stored_metadata(s3: "S3Client", settings: Settings) -> dict[str, str]:
    """Return the metadata of the feed's copy at `ORDERS_FEED_KEY`; empty if there is no copy.

    Raises:
        DataError: the object there was not written by the platform.
    """
    found = find_object(s3, settings.bucket, settings.key(ORDERS_FEED_KEY))
    if found is None or ROWS in found["Metadata"]:
        return found["Metadata"] if found else {}
    uri = settings.uri(settings.key(ORDERS_FEED_KEY))
    other = settings.uri(f"{settings.orders_prefix}delivered-feed.csv")
    raise DataError(
        "The key is reserved for the orders feed, but holds another file.",
        where=uri,
        expected="no object, or the copy of the orders feed that the platform wrote",
        found=f"another object of {found['ContentLength']} bytes from {found['LastModified']}",
        fix=f"Move the file to another key (aws s3 mv {uri} {other}) and run refresh_orders: the "
        "file is then loaded as a delivery. Or unset AWS_ORDERS_ORDERS_FEED: the key is then not "
        "reserved.",
    )


class _CountingReader:
    """An orders feed whose header is checked first and whose records are counted when read."""

    def __init__(self, stream: IO[bytes], where: str) -> None:
        self._stream, self._head = stream, b""
        while len(self._head) <= MAX_HEADER_BYTES and (chunk := stream.read(MAX_HEADER_BYTES)):
            self._head += chunk
        check_header(parse_header(self._head.partition(b"\n")[0], where), ORDERS, where)
        self.counter = RecordCounter()

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes; all remaining bytes if `size` is negative."""
        if size < 0:
            piece, self._head = self._head + self._stream.read(), b""
        else:
            piece, self._head = self._head[:size], self._head[size:]
            if len(piece) < size:
                piece += self._stream.read(size - len(piece))
        self.counter.feed(piece)
        return piece
