"""Fetches the products feed, checks all of it, and stores it on S3 if it changed.

See `products_file` for the checks, `resources.feeds` for opening feeds, and
`resources.stored_feeds` for the metadata of the stored copy.
"""

import hashlib
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from aws_orders.contract import PRODUCTS
from aws_orders.products.products_file import read_products
from aws_orders.resources.feeds import open_feed
from aws_orders.resources.locations import without_secrets
from aws_orders.resources.s3 import find_object, upload
from aws_orders.resources.settings import RAW_PRODUCTS_KEY, Settings
from aws_orders.resources.stored_feeds import (
    CHUNK_BYTES,
    DIGEST,
    PROOF,
    ROWS,
    feed_metadata,
    is_proven_current,
)
from aws_orders.rows.header import MAX_HEADER_BYTES, parse_header

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class ProductsIntake:
    """The products file now on S3.

    Attributes:
        rows: Its number of rows.
        bytes: Its size.
        sha256: The digest of its bytes.
        columns: The feed's columns; empty if the feed was not fetched.
        changed: Whether its bytes are new.
    """

    rows: int
    bytes: int
    sha256: str
    columns: tuple[str, ...]
    changed: bool


def receive_products(s3: "S3Client", settings: Settings, *, force: bool = False) -> ProductsIntake:
    """Check the whole products feed, and store it at `RAW_PRODUCTS_KEY` if it differs.

    The feed is written to a temporary file first: nothing is published until its last row is
    checked.

    Args:
        s3: The client.
        settings: The feed and the bucket.
        force: Fetch the feed even if its version proves that the stored copy is current.

    Raises:
        DataError: the feed cannot be read or does not match the contract.
        TransientError: the feed's source does not answer, or the transfer breaks off.
    """
    found = find_object(s3, settings.bucket, settings.key(RAW_PRODUCTS_KEY))
    stored = found["Metadata"] if found else {}
    with open_feed(settings.products_feed, s3) as feed, tempfile.TemporaryFile() as spool:
        if found and not force and is_proven_current(feed.version, stored):
            size = found["ContentLength"]
            return ProductsIntake(int(stored[ROWS]), size, stored[DIGEST], (), changed=False)
        digest = _copy(feed.stream, spool)
        size = spool.tell()
        columns, rows = _check(spool, without_secrets(settings.products_feed))
        metadata = feed_metadata(feed.version, digest, rows)
        # A new proof is stored even if the bytes are the same: it saves the next run the fetch.
        # A new hint does not.
        if any(metadata[name] != stored.get(name) for name in (PROOF, DIGEST, ROWS)):
            spool.seek(0)
            upload(s3, spool, settings.bucket, settings.key(RAW_PRODUCTS_KEY), metadata)
    return ProductsIntake(rows, size, digest, columns, changed=digest != stored.get(DIGEST))


def _copy(stream: IO[bytes], spool: IO[bytes]) -> str:
    """Copy a stream to a file and return the SHA-256 of its bytes."""
    digest = hashlib.sha256()
    while chunk := stream.read(CHUNK_BYTES):
        digest.update(chunk)
        spool.write(chunk)
    return digest.hexdigest()


def _check(spool: IO[bytes], where: str) -> tuple[tuple[str, ...], int]:
    """Check a products file against the contract; return its columns and its number of rows."""
    spool.seek(0)
    columns = parse_header(spool.readline(MAX_HEADER_BYTES + 1), where)
    spool.seek(0)
    chunks = iter(lambda: spool.read(CHUNK_BYTES), b"")
    return columns, sum(map(len, read_products(chunks, PRODUCTS, where)))
