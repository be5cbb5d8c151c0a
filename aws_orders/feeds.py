"""Feeds: files that the platform fetches, from http(s)://, s3:// or the file system.

Opening one gives a stream and a version; what is done with it is the assets' business. A feed
is never held in memory.
"""

import gzip
import hashlib
import random
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn, cast
from urllib.parse import unquote, urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from aws_orders.errors import DataError
from aws_orders.resources.passing import may_pass

if TYPE_CHECKING:
    import requests
    from mypy_boto3_s3 import S3Client

CONNECT_SECONDS, READ_SECONDS = 10, 60
HTTP_ATTEMPTS, FIRST_WAIT_SECONDS = 4, 0.25
PASSING_STATUS = {429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Feed:
    """An open feed.

    Attributes:
        stream: The bytes, to be read once.
        version: Changes when the feed does; None where its source says nothing about it.
    """

    stream: IO[bytes]
    version: str | None


def feed_version(url: str, s3: "S3Client") -> str | None:
    """Return what `open_feed` would give as the version, without the feed.

    Raises:
        DataError: nothing can be read there.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        # Opening these costs no more than asking about them.
        with open_feed(url, s3) as feed:
            return feed.version
    import requests

    with requests.Session() as session, _request(session, "HEAD", url) as response:
        return _http_version(url, response)


@contextmanager
def open_feed(url: str, s3: "S3Client") -> Iterator[Feed]:
    """Open the feed at `url` for reading, and close it afterwards.

    Args:
        url: http(s)://…, s3://bucket/key, file://… or a path.
        s3: The client that reads s3:// feeds.

    Raises:
        DataError: nothing can be read there, after retries where they may help.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise DataError(
            "The feed cannot be read.",
            where=url,
            expected="a readable file at an http(s):// or s3:// URL or a path",
            found=str(error),
            fix="Check the feed's address.",
        ) from error
    match parts.scheme:
        case "http" | "https":
            with _open_http(url) as feed:
                yield feed
        case "s3":
            with _open_s3(url, parts.netloc, parts.path.lstrip("/"), s3) as feed:
                yield feed
        case "" | "file":
            with _open_file(url, Path(unquote(parts.path) if parts.scheme else url)) as feed:
                yield feed
        case _:
            _unreachable(url, f"the scheme {parts.scheme}://")


@contextmanager
def _open_http(url: str) -> Iterator[Feed]:
    import requests

    with requests.Session() as session, _request(session, "GET", url) as response:
        version = _http_version(url, response)
        # A body cut short raises. One compressed on the way is undone here, since urllib3 would
        # take what ends too early for the whole.
        stream = cast("IO[bytes]", response.raw)
        if response.headers.get("Content-Encoding", "identity").lower() == "identity":
            yield Feed(stream, version)
            return
        try:
            yield Feed(cast("IO[bytes]", gzip.GzipFile(fileobj=stream)), version)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            _unreachable(url, f"Content-Encoding gzip, but: {error}", error)


def _http_version(url: str, response: "requests.Response") -> str | None:
    if not response.ok:
        _unreachable(url, f"HTTP {response.status_code} {response.reason}")
    return _version(url, response.headers.get("ETag") or response.headers.get("Last-Modified"))


def _request(session: "requests.Session", method: str, url: str) -> "requests.Response":
    """Ask for `url`, again where a passing failure may be over by then.

    urllib3's own retries would log the query, and with it any signature, at every one.
    """
    import requests

    for attempt in range(1, HTTP_ATTEMPTS + 1):
        last = attempt == HTTP_ATTEMPTS
        try:
            response = session.request(
                method,
                url,
                headers={"Accept-Encoding": "gzip"},
                stream=True,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=True,
            )
            if last or response.status_code not in PASSING_STATUS:
                return response
            response.close()
        except requests.RequestException as error:
            if last:
                _unreachable(url, f"no answer: {_root_of(error)}")
        time.sleep(FIRST_WAIT_SECONDS * 2**attempt * random.uniform(0.5, 1))  # noqa: S311
    raise AssertionError("the last attempt returns or raises")


def _root_of(error: BaseException) -> str:
    """Return what started a chain of errors; those in between repeat the URL, query and all."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return f"{type(error).__name__} {error}"


@contextmanager
def _open_s3(url: str, bucket: str, key: str, s3: "S3Client") -> Iterator[Feed]:
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
    except (ClientError, BotoCoreError) as error:
        if may_pass(error):
            raise
        _unreachable(url, str(error), error)
    with answer["Body"] as body:
        yield Feed(cast("IO[bytes]", body), _version(url, answer["ETag"]))


@contextmanager
def _open_file(url: str, path: Path) -> Iterator[Feed]:
    try:
        stream = path.open("rb")
    except OSError as error:
        _unreachable(url, error.strerror or str(error), error)
    with stream:
        stat = path.stat()
        yield Feed(stream, _version(url, f"{stat.st_size} {stat.st_mtime_ns}"))


def _version(url: str, mark: str | None) -> str | None:
    return mark and hashlib.sha256(f"{url}\n{mark}".encode()).hexdigest()


def _unreachable(url: str, found: str, cause: Exception | None = None) -> NoReturn:
    raise DataError(
        "The feed cannot be read.",
        where=_without_credentials(url),
        expected="a readable file at an http(s):// or s3:// URL or a path",
        found=found,
        fix="Check the feed's address and that this machine may read it; nothing was changed.",
    ) from cause


def _without_credentials(url: str) -> str:
    """Drop user:password@ and the query, which may hold a signature, from a URL for messages."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
