"""Feeds over HTTP: requests, versions of responses, and bodies as streams.

An incomplete or wrongly encoded body raises an error. See `feeds` for the proof and the hint of a
version.
"""

import gzip
import io
import re
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, NoReturn, cast

from urllib3.exceptions import HTTPError, ReadTimeoutError

from aws_orders.errors import DataError, TransientError
from aws_orders.resources.locations import mask_urls, without_secrets
from aws_orders.resources.retries import backoff_seconds

if TYPE_CHECKING:
    import requests

CONNECT_SECONDS, READ_SECONDS = 10, 60
ATTEMPTS, FIRST_WAIT_SECONDS = 4, 0.25
TRANSIENT_STATUS = {429, 500, 502, 503, 504}
# A complete file; 203 is 200 through a proxy. 204, 206 and 304 have none, or only a part.
COMPLETE = {200, 203}
BUFFER_BYTES = 64 * 1024
# RFC 9110, section 8.8.3. W/"…" is weak: equal tags do not prove equal bytes.
STRONG_ETAG = re.compile(r'"[^"]+"')
# Codings that compress or encrypt: https://www.iana.org/assignments/http-parameters. Others, such
# as utf-8, or the aws-chunked and "" that S3 stores with objects, do not change the bytes.
NOT_SUPPORTED = {"br", "compress", "x-compress", "zstd", "dcb", "dcz", "exi", "pack200-gzip"}
NOT_SUPPORTED |= {"aes128gcm", "bzip2", "x-bzip2", "lzma", "xz"}


def http_version(url: str) -> tuple[str | None, str | None]:
    """Return the proof and the hint of the version (see `feeds.Version`), without the body.

    HEAD is sent once. If it does not return 200, GET is sent: presigned URLs are signed for GET,
    and many APIs do not support HEAD. The body of the GET is not read.

    Raises:
        DataError: GET does not return a file.
        TransientError: the server does not respond.
    """
    import requests

    with requests.Session() as session:
        try:
            with _send(session, "HEAD", url) as response:
                if response.status_code in COMPLETE:
                    return _proof(response), _hint(response)
        except requests.RequestException:
            pass  # GET retries and reports the error
    with open_http(url) as (_, proof, hint):
        return proof, hint


@contextmanager
def open_http(url: str) -> Iterator[tuple[IO[bytes], str | None, str | None]]:
    """Open a feed; yield its decoded bytes, and the proof and the hint of its version.

    Raises:
        DataError: the server does not return a file, or body and headers contradict each other.
        TransientError: the server does not respond, or the connection breaks.
    """
    import requests

    with requests.Session() as session, _get(session, url) as response:
        if response.status_code not in COMPLETE:
            _unreadable(url, f"HTTP {response.status_code} {response.reason}".strip())
        stream: IO[bytes] = cast("IO[bytes]", io.BufferedReader(_Body(url, response), BUFFER_BYTES))
        for coding in reversed(_codings(url, response)):
            decoded = _Decoded(url, coding, stream)
            stream = cast("IO[bytes]", io.BufferedReader(decoded, BUFFER_BYTES))
        yield stream, _proof(response), _hint(response)


def _proof(response: "requests.Response") -> str | None:
    etag = response.headers.get("ETag", "").strip()
    return etag if STRONG_ETAG.fullmatch(etag) else None


def _hint(response: "requests.Response") -> str | None:
    # A length alone is not a hint: many changes keep it.
    found = [response.headers.get(name, "") for name in ("ETag", "Last-Modified")]
    return " ".join([*found, response.headers.get("Content-Length", "")]) if any(found) else None


def _get(session: "requests.Session", url: str) -> "requests.Response":
    """Send a GET; retry after transient errors, with exponential backoff and jitter.

    urllib3's retries would log the query string, and with it any signature.
    """
    import requests

    for attempt in range(1, ATTEMPTS + 1):
        last = attempt == ATTEMPTS
        try:
            response = _send(session, "GET", url)
            if last or response.status_code not in TRANSIENT_STATUS:
                return response
            response.close()
        except requests.RequestException as error:
            transient = isinstance(error, (requests.ConnectionError, requests.Timeout))
            if last or not transient or isinstance(error, requests.exceptions.SSLError):
                _unreadable(url, f"no response: {_root_cause(error)}")
        time.sleep(backoff_seconds(attempt, FIRST_WAIT_SECONDS))
    raise AssertionError("the last attempt returns or raises")


def _send(session: "requests.Session", method: str, url: str) -> "requests.Response":
    return session.request(
        method,
        url,
        # With Connection: close the server closes the connection after the body, which shows a
        # body that is longer than its Content-Length.
        headers={"Accept-Encoding": "gzip", "Connection": "close"},
        stream=True,
        timeout=(CONNECT_SECONDS, READ_SECONDS),
        allow_redirects=True,
    )


def _root_cause(error: BaseException) -> str:
    """Return the first error of a chain; the others repeat the URL with its query string."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return f"{type(error).__name__} {mask_urls(str(error))}"


class _Body(io.RawIOBase):
    """A response's body as sent; its length must equal the Content-Length, if there is one.

    Servers that count characters instead of bytes send a Content-Length that is too small, and
    http.client stops reading there: a file would lose its last rows without an error. Therefore
    this class removes the limit if the server closes the connection after the body (every request
    sends Connection: close), and counts the bytes.
    """

    def __init__(self, url: str, response: "requests.Response") -> None:
        self._url, self._raw, self._count = url, response.raw, 0
        self._length: int | None = self._raw.length_remaining
        source: Any = getattr(self._raw, "_fp", None)
        if getattr(source, "will_close", False) and not getattr(source, "chunked", False):
            source.length = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data: bytes = self._raw.read(len(buffer), decode_content=False)
        except ReadTimeoutError as error:
            if self._count != self._length:
                raise _interrupted(self._url, error) from error
            data = b""  # complete; the server only keeps the connection open
        except HTTPError as error:
            # urllib3 raises one error for both: a body that is too long is not a network error.
            self._check_length()
            raise _interrupted(self._url, error) from error
        self._count += len(data)
        self._check_length()
        buffer[: len(data)] = data
        return len(data)

    def _check_length(self) -> None:
        if self._length is not None and self._count > self._length:
            raise DataError(
                "The feed is longer than its Content-Length.",
                where=without_secrets(self._url),
                expected=f"{self._length} bytes (Content-Length)",
                found="more bytes; nothing was changed",
                fix="Correct the server: Content-Length counts bytes, not characters.",
            )


class _Decoded(io.RawIOBase):
    """A compressed body, decompressed; raises if it is truncated or has trailing data."""

    def __init__(self, url: str, coding: str, source: IO[bytes]) -> None:
        self._url, self._coding = url, coding
        self._read: Callable[[int], bytes] = (
            _Inflated(source).read if coding == "deflate" else gzip.GzipFile(fileobj=source).read
        )

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._read(len(buffer))
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            _unreadable(self._url, f"Content-Encoding {self._coding}, but: {error}", error)
        buffer[: len(data)] = data
        return len(data)


class _Inflated:
    """A deflate stream, with zlib's wrapper (RFC 9110) or without it, as some servers send it."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source, self._engine = source, cast("Any", None)

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; no bytes at the end.

        Raises:
            EOFError, zlib.error: the stream is truncated, damaged, or followed by other bytes.
        """
        data = b""
        while not data:
            engine = self._engine or self._start()
            piece = engine.unconsumed_tail or self._source.read(BUFFER_BYTES)
            if engine.eof:
                if piece or engine.unused_data:
                    raise zlib.error("bytes follow its end")
                return b""
            data = engine.decompress(piece, size)
            if not (data or piece or engine.eof):
                raise EOFError("it is truncated")
        return data

    def _start(self) -> Any:
        first = self._source.peek(2)[:2]  # type: ignore[attr-defined]
        wrapped = len(first) == 2 and first[0] & 15 == 8 and int.from_bytes(first) % 31 == 0
        self._engine = zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
        return self._engine


def _codings(url: str, response: "requests.Response") -> list[str]:
    """Return the codings to decode, in the order in which they were applied."""
    named = response.headers.get("Content-Encoding", "").lower().split(",")
    codings = [coding.strip() for coding in named]
    if unsupported := [coding for coding in codings if coding in NOT_SUPPORTED]:
        _unreadable(
            url,
            f"Content-Encoding {', '.join(unsupported)}, which is not supported "
            "(identity, gzip and deflate are)",
        )
    return [coding for coding in codings if coding in ("gzip", "x-gzip", "deflate")]


def _interrupted(url: str, error: Exception) -> TransientError:
    return TransientError(
        "The connection broke while the feed was read.",
        where=without_secrets(url),
        expected="the complete file",
        found=f"{type(error).__name__} {mask_urls(str(error))}",
        fix="Run again. If it recurs, check the server's Content-Length and timeouts.",
    )


def _unreadable(url: str, found: str, cause: Exception | None = None) -> NoReturn:
    raise DataError(
        "The feed cannot be read.",
        where=without_secrets(url),
        expected="a response with status 200 and the complete file",
        found=found,
        fix="Check the feed's address, and that this machine may read it, and run again once the "
        "server responds. Nothing was changed.",
    ) from cause
