"""Reading deliveries on S3: their headers, and single rows that a load refused.

Their rows as a whole are Redshift's to read. What a header must have is `contract`'s and
`csv_header`'s business.
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
NO_GZIP = (gzip.BadGzipFile, EOFError, zlib.error)


def read_header(s3: "S3Client", uri: str) -> tuple[str, ...]:
    """Read a delivery's first line and check it: IGNOREHEADER skips it without a look.

    Raises:
        DataError: it cannot be read, or lacks a column.
        PlanOutdatedError: the delivery has gone since it was listed.
    """
    try:
        with _lines(s3, uri) as lines:
            line = lines.readline(MAX_HEADER_BYTES + 1)
    except NO_GZIP as error:
        raise _no_gzip(uri, error) from error
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
        DataError: it is not gzip, though its name says so.
        PlanOutdatedError: S3 no longer has that version.
    """
    try:
        with _lines(s3, uri, etag) as content:
            while chunk := content.read(CHUNK_BYTES):
                yield chunk
    except NO_GZIP as error:
        raise _no_gzip(uri, error) from error


def check_gzip(s3: "S3Client", uri: str) -> None:
    """Read a gzipped delivery to its end.

    Raises:
        DataError: it is cut off or damaged.
    """
    try:
        with _lines(s3, uri) as content:
            while content.read(1024 * 1024):
                pass
    except NO_GZIP as error:
        raise _no_gzip(uri, error) from error


def _no_gzip(uri: str, error: Exception) -> DataError:
    return DataError(
        "The file is not gzip, though its name says so, or not all of it.",
        where=uri,
        expected="gzipped CSV",
        found=str(error),
        fix="Deliver the file again, gzipped, or name it .csv.",
    )


def read_records(
    s3: "S3Client", uri: str, lines: Sequence[int]
) -> Iterator[tuple[tuple[str, ...], Record]]:
    """Yield a delivery's header with the record at each of `lines` (the header is line 1).

    The file is read once, as a stream, up to the last of them.

    Raises:
        PlanOutdatedError: the delivery has gone since it was loaded.
    """
    with _lines(s3, uri) as content:
        header = parse_header(content.readline(), uri)
        for record in records_at_lines(content, lines, line=2):
            yield header, record


@contextmanager
def _lines(s3: "S3Client", uri: str, etag: str = "") -> Iterator[IO[bytes]]:
    """Open a delivery for reading, uncompressed: the version with that ETag, if one is given."""
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
