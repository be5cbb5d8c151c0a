"""Reads deliveries on S3: headers, rejected rows, and whole files for the count of records.

Redshift loads the rows. See `rows.header` for the checks of a header, and `rows.records` for
parsing.
"""

import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import IO, TYPE_CHECKING, cast

from botocore.exceptions import ClientError

from aws_orders.contract import ORDERS
from aws_orders.errors import DataError
from aws_orders.orders.ledger import PlanOutdatedError
from aws_orders.resources.locations import split_s3_url
from aws_orders.rows.header import MAX_HEADER_BYTES, check_header, parse_header
from aws_orders.rows.lookup import Record, records_at_lines

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CHUNK_BYTES = 256 * 1024
BAD_GZIP = (gzip.BadGzipFile, EOFError, zlib.error)


def read_header(s3: "S3Client", uri: str) -> tuple[str, ...]:
    """Read and check a delivery's header, which COPY skips without a check (IGNOREHEADER).

    Raises:
        DataError: the header cannot be read, or lacks a column.
        PlanOutdatedError: the delivery was deleted after it was listed.
    """
    try:
        with _opened(s3, uri) as lines:
            line = lines.readline(MAX_HEADER_BYTES + 1)
    except BAD_GZIP as error:
        raise _bad_gzip(uri, error) from error
    header = parse_header(line, uri)
    check_header(header, ORDERS, uri)
    return header


def read_chunks(s3: "S3Client", uri: str, etag: str) -> Iterator[bytes]:
    """Yield a delivery's content, uncompressed, in pieces of at most `CHUNK_BYTES`.

    Args:
        s3: The client.
        uri: The delivery.
        etag: The version to read.

    Raises:
        DataError: the file's name ends in .gz, but its content is not gzip or is damaged.
        PlanOutdatedError: S3 no longer has that version.
    """
    try:
        with _opened(s3, uri, etag) as content:
            while chunk := content.read(CHUNK_BYTES):
                yield chunk
    except BAD_GZIP as error:
        raise _bad_gzip(uri, error) from error


def _bad_gzip(uri: str, error: Exception) -> DataError:
    return DataError(
        "The file's name ends in .gz, but its content is not gzip or is damaged.",
        where=uri,
        expected="gzipped CSV",
        found=str(error),
        fix="Deliver the file again, gzipped, or with a name that ends in .csv.",
    )


def read_records(
    s3: "S3Client", uri: str, lines: Sequence[int]
) -> Iterator[tuple[tuple[str, ...], Record]]:
    """Yield a delivery's header with the record at each of `lines` (the header is line 1).

    The file is read once, as a stream, up to the last of `lines`.

    Raises:
        PlanOutdatedError: the delivery was deleted after it was loaded.
    """
    with _opened(s3, uri) as content:
        header = parse_header(content.readline(), uri)
        for record in records_at_lines(content, lines, line=2):
            yield header, record


@contextmanager
def _opened(s3: "S3Client", uri: str, etag: str = "") -> Iterator[IO[bytes]]:
    """Open a delivery, uncompressed; with an ETag, open only that version."""
    bucket, key = split_s3_url(uri)
    try:
        if etag:
            content = s3.get_object(Bucket=bucket, Key=key, IfMatch=f'"{etag}"')["Body"]
        else:
            content = s3.get_object(Bucket=bucket, Key=key)["Body"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "PreconditionFailed"):
            raise
        raise PlanOutdatedError(f"{uri} was replaced or deleted during the load") from error
    with closing(content) as body:
        buffered = io.BufferedReader(cast("io.RawIOBase", body), 64 * 1024)
        zipped = key.endswith(".gz")
        yield cast("IO[bytes]", gzip.GzipFile(fileobj=buffered) if zipped else buffered)
