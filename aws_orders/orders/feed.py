"""Fetches the orders feed to S3, in a stream, if it changed."""

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from aws_orders.config import ORDERS_FEED_KEY, ORDERS_PREFIX, Settings
from aws_orders.contract import ORDERS
from aws_orders.errors import DataError
from aws_orders.resources.feeds import Feed, open_feed
from aws_orders.resources.locations import without_secrets
from aws_orders.resources.s3 import delete_objects, find_object, join_objects, list_objects, upload
from aws_orders.rows.header import MAX_HEADER_BYTES, check_header, parse_header
from aws_orders.rows.records import RecordCounter

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
from aws_orders.resources.stored_feeds import (
    CHUNK_BYTES,
    DIGEST,
    HINT,
    ROWS,
    _Hashed,
    _is_proven,
    _metadata,
)


@dataclass(frozen=True)
class OrdersIntake:
    """The orders feed now on S3: its rows, and whether it is new."""

    rows: int
    changed: bool


def receive_orders(
    s3: "S3Client", settings: Settings, run_prefix: str, *, force: bool = False
) -> OrdersIntake:
    """Bring the orders feed to `ORDERS_FEED_KEY`, unless the same bytes are there already.

    A strong ETag proves that they are. Equal hints do not, but make it likely: then the feed is
    read and hashed before it is uploaded.

    Args:
        s3: The client.
        settings: The feed and the bucket.
        run_prefix: Prefix of this run's own keys.
        force: Fetch the feed even if its version proves that it is the stored one.

    Raises:
        DataError: the feed cannot be read, lacks a column in its header, or has no rows; or
            somebody else's file is at `ORDERS_FEED_KEY`.
        TransientError: the feed's source does not answer, or breaks off.
    """
    stored = _own_copy(s3, settings)
    with open_feed(settings.orders_feed, s3) as feed:
        if not force and _is_proven(feed.version, stored):
            return OrdersIntake(int(stored[ROWS]), changed=False)
        hint = feed.version.hint
        if force or not hint or hint != stored.get(HINT):
            return _replace_orders(feed, s3, settings, run_prefix, stored)
        hashed = _Hashed(feed.stream)
        while hashed.read(CHUNK_BYTES):
            pass
        if hashed.digest == stored.get(DIGEST):
            return OrdersIntake(int(stored[ROWS]), changed=False)
    with open_feed(settings.orders_feed, s3) as feed:
        return _replace_orders(feed, s3, settings, run_prefix, stored)


def _replace_orders(
    feed: Feed, s3: "S3Client", settings: Settings, run_prefix: str, stored: dict[str, str]
) -> OrdersIntake:
    """Stream a feed to a key of the run and, if its bytes are new, copy it into place inside S3.

    A feed that breaks off leaves nothing behind that could be loaded.
    """
    where, staged = without_secrets(settings.orders_feed), f"{run_prefix}feed.csv"
    hashed = _Hashed(feed.stream)
    records = _Records(cast("IO[bytes]", hashed), where)
    upload(s3, cast("IO[bytes]", records), settings.bucket, staged)
    records.counted.finish()
    rows = records.counted.records
    if not rows:
        raise DataError(
            "The file has a header but no rows.",
            where=where,
            expected="at least one row",
            found="none",
            fix="Have the sender deliver the whole file.",
        )
    changed = hashed.digest != stored.get(DIGEST)
    if changed:
        _own_copy(s3, settings)  # somebody may have written there while the feed was fetched
        metadata = _metadata(feed.version, hashed.digest, rows)
        parts = list(list_objects(s3, settings.bucket, staged))
        join_objects(s3, settings.bucket, parts, ORDERS_FEED_KEY, metadata=metadata)
    delete_objects(s3, settings.bucket, [staged])
    return OrdersIntake(rows, changed)


def _own_copy(s3: "S3Client", settings: Settings) -> dict[str, str]:
    """Return the metadata of the feed's copy at `ORDERS_FEED_KEY`; empty where there is none.

    Raises:
        DataError: the object there was not written by the platform.
    """
    found = find_object(s3, settings.bucket, ORDERS_FEED_KEY)
    if found is None or ROWS in found["Metadata"]:
        return found["Metadata"] if found else {}
    uri = settings.uri(ORDERS_FEED_KEY)
    other = settings.uri(f"{ORDERS_PREFIX}delivered-feed.csv")
    raise DataError(
        "The key is reserved for the orders feed, and holds a file of somebody else.",
        where=uri,
        expected="nothing, or the copy of the orders feed that the platform wrote",
        found=f"{found['ContentLength']} bytes, written at {found['LastModified']} by another",
        fix=f"Move it to another key (aws s3 mv {uri} {other}) and run again: it is then loaded "
        "as a delivery. Or unset AWS_ORDERS_ORDERS_FEED: then this key is one like any other.",
    )


class _Records:
    """An orders feed whose header is checked at once, and whose records count as they pass."""

    def __init__(self, stream: IO[bytes], where: str) -> None:
        self._stream, self._head = stream, b""
        while len(self._head) <= MAX_HEADER_BYTES and (chunk := stream.read(MAX_HEADER_BYTES)):
            self._head += chunk
        check_header(parse_header(self._head.partition(b"\n")[0], where), ORDERS, where)
        self.counted = RecordCounter()

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes of the feed, from its start; all the rest if negative."""
        if size < 0:
            piece, self._head = self._head + self._stream.read(), b""
        else:
            piece, self._head = self._head[:size], self._head[size:]
            if len(piece) < size:
                piece += self._stream.read(size - len(piece))
        self.counted.feed(piece)
        return piece
