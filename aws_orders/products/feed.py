"""Fetches the products feed: checks all of it, and stores it on S3 if it changed."""

import hashlib
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_orders.config import RAW_PRODUCTS_KEY, Settings
from aws_orders.contract import PRODUCTS
from aws_orders.products.products_file import read_products
from aws_orders.resources.feeds import open_feed
from aws_orders.resources.locations import without_secrets
from aws_orders.resources.s3 import find_object, upload
from aws_orders.rows.header import MAX_HEADER_BYTES, parse_header

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
from aws_orders.resources.stored_feeds import (
    CHUNK_BYTES,
    DIGEST,
    ROWS,
    VERSION,
    _is_proven,
    _metadata,
)


@dataclass(frozen=True)
class ProductsIntake:
    """The products file now on S3.

    Attributes:
        rows: Its rows.
        bytes: Its size.
        sha256: A digest of its bytes.
        columns: The feed's columns; none where it was not fetched.
        changed: Whether its bytes are new.
    """

    rows: int
    bytes: int
    sha256: str
    columns: tuple[str, ...]
    changed: bool


def receive_products(s3: "S3Client", settings: Settings, *, force: bool = False) -> ProductsIntake:
    """Check the whole products feed, and put it at `RAW_PRODUCTS_KEY` if it differs.

    It passes through a file on disk, because its last row must be good before its first is
    published.

    Args:
        s3: The client.
        settings: The feed and the bucket.
        force: Fetch the feed even if its version proves that it is the stored one.

    Raises:
        DataError: the feed cannot be read or is not as the contract says.
        TransientError: the feed's source does not answer, or breaks off.
    """
    found = find_object(s3, settings.bucket, RAW_PRODUCTS_KEY)
    stored = found["Metadata"] if found else {}
    where = without_secrets(settings.products_feed)
    with (
        open_feed(settings.products_feed, s3) as feed,
        tempfile.TemporaryFile() as spool,
    ):
        if found and not force and _is_proven(feed.version, stored):
            size = found["ContentLength"]
            return ProductsIntake(int(stored[ROWS]), size, stored[DIGEST], (), changed=False)
        digest = hashlib.sha256()
        while chunk := feed.stream.read(CHUNK_BYTES):
            digest.update(chunk)
            spool.write(chunk)
        size = spool.tell()
        spool.seek(0)
        columns = parse_header(spool.readline(MAX_HEADER_BYTES + 1), where)
        spool.seek(0)
        chunks = iter(lambda: spool.read(CHUNK_BYTES), b"")
        rows = sum(map(len, read_products(chunks, PRODUCTS, where)))
        metadata = _metadata(feed.version, digest.hexdigest(), rows)
        # Also where only the proof is new: it spares the next run the fetch. A hint does not.
        if any(metadata[name] != stored.get(name) for name in (VERSION, DIGEST, ROWS)):
            spool.seek(0)
            upload(s3, spool, settings.bucket, RAW_PRODUCTS_KEY, metadata)
    changed = metadata[DIGEST] != stored.get(DIGEST)
    return ProductsIntake(rows, size, metadata[DIGEST], columns, changed)
