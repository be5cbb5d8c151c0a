"""Feeds over HTTP: requests, what a response says of its version, and its body as a stream.

A body is the feed exactly as sent, or an error: too short, too long and wrongly encoded bodies
are never taken for a whole file. What a version is for is described in `feeds`.
"""

import gzip
import io
import random
import re
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, NoReturn, cast

from urllib3.exceptions import HTTPError, ReadTimeoutError

from aws_orders.errors import DataError, TransientError
from aws_orders.resources.locations import EXPECTED, mask_urls, without_secrets

if TYPE_CHECKING:
    import requests

CONNECT_SECONDS, READ_SECONDS = 10, 60
ATTEMPTS, FIRST_WAIT_SECONDS = 4, 0.25
TRANSIENT_STATUS = {429, 500, 502, 503, 504}
# A whole file; 203 is the same through a proxy. 204, 206 and 304 have no or only a part of it.
WHOLE = {200, 203}
BUFFER_BYTES = 64 * 1024
# RFC 9110, section 8.8.3. W/"…" is weak: equal tags do not mean equal bytes.
STRONG_ETAG = re.compile(r'"[^"]+"')
# https://www.iana.org/assignments/http-parameters: what compresses or encrypts. Others, such as
# utf-8, or the aws-chunked and "" that S3 keeps with objects, leave the bytes as they are.
NOT_SUPPORTED = {"br", "compress", "x-compress", "zstd", "dcb", "dcz", "exi", "pack200-gzip"}
NOT_SUPPORTED |= {"aes128gcm", "bzip2", "x-bzip2", "lzma", "xz"}


def http_version(url: str) -> tuple[str | None, str | None]:
    """Return the proof and the hint of a version (see `feeds.Version`), without the body.

    HEAD is tried once. Where it gives anything but 200, GET decides: presigned URLs are signed
    for GET, and many APIs do not know HEAD. A GET's body is not read.

    Raises:
        DataError: GET gives no file.
        TransientError: the server does not answer.
    """
    import requests

    with requests.Session() as session:
        try:
            with _send(session, "HEAD", url) as response:
                if response.status_code in WHOLE:
                    return _proof(response), _hint(response)
        except requests.RequestException:
            pass  # GET has the retries, and the error
    with open_http(url) as (_, proof, hint):
        return proof, hint


@contextmanager
def open_http(url: str) -> Iterator[tuple[IO[bytes], str | None, str | None]]:
    """Open a feed; yield its bytes, uncompressed, and the proof and the hint of its version.

    Raises:
        DataError: the server has no such file, or the body is not what its headers say.
        TransientError: the server does not answer, or the body breaks off.
    """
    import requests

    with requests.Session() as session, _get(session, url) as response:
        if response.status_code not in WHOLE:
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
    # A length alone hints at nothing: many changes keep it.
    found = [response.headers.get(name, "") for name in ("ETag", "Last-Modified")]
    return " ".join([*found, response.headers.get("Content-Length", "")]) if any(found) else None


def _get(session: "requests.Session", url: str) -> "requests.Response":
    """Send a GET, with retries after transient failures, waits that double, and jitter.

    urllib3's own retries would log the query, and with it any signature, at every one.
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
                _unreadable(url, f"no answer: {_root_of(error)}")
        time.sleep(FIRST_WAIT_SECONDS * 2**attempt * random.uniform(0.5, 1))  # noqa: S311
    raise AssertionError("the last attempt returns or raises")


def _send(session: "requests.Session", method: str, url: str) -> "requests.Response":
    return session.request(
        method,
        url,
        # With Connection: close the end of the body is the end of the connection, which shows
        # a body that is longer than its Content-Length.
        headers={"Accept-Encoding": "gzip", "Connection": "close"},
        stream=True,
        timeout=(CONNECT_SECONDS, READ_SECONDS),
        allow_redirects=True,
    )


def _root_of(error: BaseException) -> str:
    """Return what started a chain of errors; those in between repeat the URL, query and all."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return f"{type(error).__name__} {mask_urls(str(error))}"


class _Body(io.RawIOBase):
    """A response's body as sent, whose length must be the Content-Length, where there is one.

    Servers that count characters instead of bytes announce too little, and http.client stops
    reading there: a file would lose its last rows without an error. So the limit is lifted
    where the server says that it closes the connection after the body, as every request asks it
    to, and the bytes are counted here.
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
                raise _broken_off(self._url, error) from error
            data = b""  # all of it is here; the server only does not close the connection
        except HTTPError as error:
            # Too long is no accident of the network; urllib3 reports both in one error.
            self._check_length()
            raise _broken_off(self._url, error) from error
        self._count += len(data)
        self._check_length()
        buffer[: len(data)] = data
        return len(data)

    def _check_length(self) -> None:
        if self._length is not None and self._count > self._length:
            raise DataError(
                "The feed is longer than its server says.",
                where=without_secrets(self._url),
                expected=f"{self._length} bytes (Content-Length)",
                found="more; nothing was changed",
                fix="Have the server's Content-Length corrected: it counts bytes, not characters.",
            )


class _Decoded(io.RawIOBase):
    """A compressed body, uncompressed; anything but one whole compressed file is an error."""

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
    """A deflate stream: in zlib's wrapping as RFC 9110 says, or bare, as some servers send it."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source, self._engine = source, cast("Any", None)

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end.

        Raises:
            EOFError, zlib.error: the stream is cut off, damaged, or followed by something else.
        """
        data = b""
        while not data:
            engine = self._engine or self._start()
            piece = engine.unconsumed_tail or self._source.read(BUFFER_BYTES)
            if engine.eof:
                if piece or engine.unused_data:
                    raise zlib.error("there is more after its end")
                return b""
            data = engine.decompress(piece, size)
            if not (data or piece or engine.eof):
                raise EOFError("it is cut off")
        return data

    def _start(self) -> Any:
        first = self._source.peek(2)[:2]  # type: ignore[attr-defined]
        wrapped = len(first) == 2 and first[0] & 15 == 8 and int.from_bytes(first) % 31 == 0
        self._engine = zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
        return self._engine


def _codings(url: str, response: "requests.Response") -> list[str]:
    """Return the codings to undo, in the order in which they were applied."""
    named = response.headers.get("Content-Encoding", "").lower().split(",")
    codings = [coding.strip() for coding in named]
    if unsupported := [coding for coding in codings if coding in NOT_SUPPORTED]:
        _unreadable(
            url,
            f"Content-Encoding {', '.join(unsupported)}, which is not supported "
            "(identity, gzip and deflate are)",
        )
    return [coding for coding in codings if coding in ("gzip", "x-gzip", "deflate")]


def _broken_off(url: str, error: Exception) -> TransientError:
    return TransientError(
        "The feed broke off while it was read.",
        where=without_secrets(url),
        expected="the whole file",
        found=f"{type(error).__name__} {mask_urls(str(error))}",
        fix="Run again. If it recurs, check the server's Content-Length and its time limits.",
    )


def _unreadable(url: str, found: str, cause: Exception | None = None) -> NoReturn:
    raise DataError(
        "The feed cannot be read.",
        where=without_secrets(url),
        expected=EXPECTED,
        found=found,
        fix="Check the feed's address and that this machine may read it; nothing was changed.",
    ) from cause
