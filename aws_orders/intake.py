"""Intake: bringing the configured feeds to S3, checked on the way, and only when they changed.

An object appears whole or not at all, and only after its checks: a bad feed leaves the last good
one in place. Rows of orders are not read here; Redshift's COPY does that.
"""

import hashlib
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from aws_orders.contract import ORDERS, PRODUCTS
from aws_orders.csv_header import MAX_HEADER_BYTES, check_header, parse_header
from aws_orders.csv_records import RecordCounter
from aws_orders.errors import DataError
from aws_orders.feeds import open_feed
from aws_orders.product_file import read_products
from aws_orders.resources.s3 import (
    delete_objects,
    join_objects,
    list_objects,
    stored_metadata,
    upload,
)
from aws_orders.settings import ORDERS_FEED, RAW_PRODUCTS, Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CHUNK_BYTES = 1024 * 1024
# User metadata of the objects: the feed's version, a digest of its bytes, its rows.
VERSION, DIGEST, ROWS = "feed-version", "sha256", "rows"


@dataclass(frozen=True)
class ProductsIntake:
    """The products file now on S3: its rows, size in bytes, digest, and whether it is new."""

    rows: int
    bytes: int
    sha256: str
    changed: bool


@dataclass(frozen=True)
class OrdersIntake:
    """The orders feed now on S3: its rows, and whether it is new."""

    rows: int
    changed: bool


def receive_products(s3: "S3Client", settings: Settings) -> ProductsIntake:
    """Check the products feed whole, and put it at `RAW_PRODUCTS` if it differs.

    It passes through a file on disk, because its last row must be good before its first is
    published.

    Raises:
        DataError: the feed cannot be read or is not as the contract says.
    """
    stored = stored_metadata(s3, settings.bucket, RAW_PRODUCTS)
    with (
        open_feed(settings.products_feed, s3) as feed,
        tempfile.TemporaryFile() as spool,
    ):
        digest = hashlib.sha256()
        while chunk := feed.stream.read(CHUNK_BYTES):
            digest.update(chunk)
            spool.write(chunk)
        size = spool.tell()
        spool.seek(0)
        chunks = iter(lambda: spool.read(CHUNK_BYTES), b"")
        rows = sum(map(len, read_products(chunks, PRODUCTS, settings.products_feed)))
        metadata = {DIGEST: digest.hexdigest(), VERSION: feed.version or ""}
        # Also where only the version is another: it says which feed the file was made of.
        if metadata != stored:
            spool.seek(0)
            upload(s3, spool, settings.bucket, RAW_PRODUCTS, metadata)
    changed = metadata[DIGEST] != stored.get(DIGEST)
    return ProductsIntake(rows, size, metadata[DIGEST], changed)


def receive_orders(s3: "S3Client", settings: Settings, run_prefix: str) -> OrdersIntake:
    """Bring the orders feed to `ORDERS_FEED`, unless that version of it is there already.

    It streams to a key of the run's own, counted on the way, and is then copied into place
    inside S3: a feed that breaks off leaves nothing behind that could be loaded.

    Raises:
        DataError: the feed cannot be read, lacks a column in its header, or has no rows.
    """
    stored = stored_metadata(s3, settings.bucket, ORDERS_FEED)
    with open_feed(settings.orders_feed, s3) as feed:
        version = feed.version
        if version and version == stored.get(VERSION):
            return OrdersIntake(int(stored[ROWS]), changed=False)
        records = _Records(feed.stream, settings.orders_feed)
        staged = f"{run_prefix}feed.csv"
        upload(s3, cast("IO[bytes]", records), settings.bucket, staged)
    records.counted.finish()
    rows = records.counted.records
    if not rows:
        raise DataError(
            "The file has a header but no rows.",
            where=settings.orders_feed,
            expected="at least one row",
            found="none",
            fix="Have the sender deliver the whole file.",
        )
    metadata = {ROWS: str(rows)} | ({VERSION: version} if version else {})
    parts = list(list_objects(s3, settings.bucket, staged))
    join_objects(s3, settings.bucket, parts, ORDERS_FEED, metadata=metadata)
    delete_objects(s3, settings.bucket, [staged])
    return OrdersIntake(rows, changed=True)


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
