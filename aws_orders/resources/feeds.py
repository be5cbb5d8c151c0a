"""Feeds: files that the platform fetches from http(s)://, s3:// or the file system.

An open feed has a stream and a version; a feed is never held in memory. See `http_feeds` for feeds
over HTTP, and `stored_feeds` for how a fetched feed is stored.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from botocore.exceptions import BotoCoreError, ClientError

from aws_orders.errors import DataError
from aws_orders.resources.aws_errors import explained
from aws_orders.resources.http_feeds import http_version, open_http
from aws_orders.resources.locations import HttpUrl, LocalFile, S3Object, parse_location

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Version:
    """How a feed's source identifies its current content.

    Attributes:
        proof: Equal proofs mean equal bytes: a strong ETag over HTTP, S3's ETag. None if the source
            has none.
        hint: Usually changes with the bytes, but proves nothing: Last-Modified, a weak ETag, a
            file's time and size. None if the source has none.
    """

    proof: str | None
    hint: str | None

    @property
    def mark(self) -> str | None:
        """The proof or, if there is none, the hint."""
        return self.proof or self.hint


@dataclass(frozen=True)
class Feed:
    """An open feed: its bytes, to be read once, and its version."""

    stream: IO[bytes]
    version: Version


def feed_version(url: str, s3: "S3Client") -> Version:
    """Return the feed's version without reading the feed.

    Raises:
        DataError, TransientError: see `open_feed`.
    """
    location = parse_location(url)
    if isinstance(location, HttpUrl):
        return _version(url, *http_version(url))
    # For S3 and files, opening is as cheap as a HEAD.
    with open_feed(url, s3) as feed:
        return feed.version


def feed_digest(url: str, s3: "S3Client", seconds: float) -> str | None:
    """Return the SHA-256 of a feed's bytes; None if reading takes longer than `seconds`.

    Raises:
        DataError, TransientError: see `open_feed`.
    """
    digest, deadline = hashlib.sha256(), time.monotonic() + seconds
    with open_feed(url, s3) as feed:
        while chunk := feed.stream.read(CHUNK_BYTES):
            digest.update(chunk)
            if time.monotonic() > deadline:
                return None
    return digest.hexdigest()


@contextmanager
def open_feed(url: str, s3: "S3Client") -> Iterator[Feed]:
    """Open the feed at `url` for reading, and close it afterwards.

    Args:
        url: http(s)://…, s3://bucket/key, file:///path or a path.
        s3: The client that reads s3:// feeds.

    Raises:
        DataError: the feed cannot be read.
        TransientError: after retries, the source does not respond or the connection breaks.
    """
    match parse_location(url):
        case HttpUrl():
            with open_http(url) as (stream, proof, hint):
                yield Feed(stream, _version(url, proof, hint))
        case S3Object(bucket, key):
            with _open_s3(url, bucket, key, s3) as feed:
                yield feed
        case LocalFile(path):
            with _open_file(url, path) as feed:
                yield feed


@contextmanager
def _open_s3(url: str, bucket: str, key: str, s3: "S3Client") -> Iterator[Feed]:
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
    except (ClientError, BotoCoreError) as error:
        raise explained(error, where=url) from error
    with answer["Body"] as body:
        yield Feed(cast("IO[bytes]", body), _version(url, answer["ETag"], None))


@contextmanager
def _open_file(url: str, path: Path) -> Iterator[Feed]:
    try:
        stream = path.open("rb")
    except OSError as error:
        raise DataError(
            "The feed cannot be read.",
            where=url,
            expected="a file that this machine can read",
            found=error.strerror or str(error),
            fix="Check the path and its permissions. Nothing was changed.",
        ) from error
    with stream:
        stat = path.stat()
        yield Feed(stream, _version(url, None, f"{stat.st_size} {stat.st_mtime_ns}"))


def _version(url: str, proof: str | None, hint: str | None) -> Version:
    """Combine proof and hint with the URL, so that versions of different URLs never match."""

    def with_url(mark: str | None) -> str | None:
        return mark and hashlib.sha256(f"{url}\n{mark}".encode()).hexdigest()

    return Version(with_url(proof), with_url(hint))
