"""HTTP feeds are read exactly as sent, or an error explains the fault."""

import gzip
import zlib
from collections.abc import Iterator
from typing import Any, cast

import pytest

from aws_orders.errors import DataError, TransientError
from aws_orders.resources.feeds import feed_digest, feed_version, open_feed
from aws_orders_tests import servers

BODY = "order_id,name\n1,Zoë\n2,Åse\n".encode()
SQUEEZED = zlib.compressobj(wbits=-15)
BARE = SQUEEZED.compress(BODY) + SQUEEZED.flush()
NO_S3 = cast("Any", None)


def answer(*headers: str, body: bytes = BODY, status: str = "200 OK") -> list[bytes]:
    """Return a response with exactly these headers."""
    return ["\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode(), body]


def plain(*headers: str, body: bytes = BODY, length: int | None = None) -> list[bytes]:
    return answer(f"Content-Length: {len(body) if length is None else length}", *headers, body=body)


def moved(to: str) -> list[bytes]:
    head = ("Content-Length: 0", "Connection: close", f"Location: {to}")
    return answer(*head, body=b"", status="302 Found")


def chunked(body: bytes, end: bytes = b"0\r\n\r\n") -> list[bytes]:
    head, _ = answer("Transfer-Encoding: chunked")
    return [head, *(b"%x\r\n%s\r\n" % (len(c), c) for c in (body[:5], body[5:])), end]


READ = {
    "no coding": plain(),
    "identity": plain("Content-Encoding: identity"),
    "an empty coding": plain("Content-Encoding: "),
    "a character set": plain("Content-Encoding: utf-8"),
    "what S3 keeps of a signed upload": plain("Content-Encoding: aws-chunked"),
    "two codings that change nothing": plain("Content-Encoding: aws-chunked,identity"),
    "an invented coding": plain("Content-Encoding: none"),
    "gzip": plain("Content-Encoding: gzip", body=gzip.compress(BODY)),
    "gzip in two members": plain(
        "Content-Encoding: GZIP", body=gzip.compress(BODY[:9]) + gzip.compress(BODY[9:])
    ),
    "x-gzip": plain("Content-Encoding: x-gzip", body=gzip.compress(BODY)),
    "gzip and aws-chunked": plain("Content-Encoding: gzip, aws-chunked", body=gzip.compress(BODY)),
    "gzip twice": plain("Content-Encoding: gzip, gzip", body=gzip.compress(gzip.compress(BODY))),
    "deflate": plain("Content-Encoding: deflate", body=zlib.compress(BODY)),
    "bare deflate": plain("Content-Encoding: deflate", body=BARE),
    "chunked": chunked(BODY),
    "neither length nor chunks": answer(),
    "one byte at a time": [plain()[0], *(BODY[n : n + 1] for n in range(len(BODY)))],
    "through a transforming proxy": answer(f"Content-Length: {len(BODY)}", status="203 Other"),
    "an ignored request to close": plain("Connection: keep-alive"),
    "a constant date": plain("Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT"),
}
REJECTED = {
    "plain bytes called gzip": (plain("Content-Encoding: gzip"), "Content-Encoding gzip, but"),
    "plain bytes called deflate": (plain("Content-Encoding: deflate"), "deflate, but"),
    "gzip truncated": (
        plain("Content-Encoding: gzip", body=gzip.compress(BODY)[:-9]),
        "Content-Encoding gzip, but",
    ),
    "deflate truncated": (plain("Content-Encoding: deflate", body=BARE[:-4]), "truncated"),
    "something after deflate": (
        plain("Content-Encoding: deflate", body=zlib.compress(BODY) + b"more"),
        "bytes follow its end",
    ),
    "br": (plain("Content-Encoding: br"), "Content-Encoding br, which is not supported"),
    "zstd in a list": (plain("Content-Encoding: gzip, zstd"), "zstd, which is not supported"),
    "a length in characters": (
        plain("Connection: close", length=len(BODY.decode())),
        "longer than its Content-Length",
    ),
    "a part": (answer(status="206 Partial Content"), "HTTP 206"),
    "nothing": (answer(body=b"", status="204 No Content"), "HTTP 204"),
    "not modified": (answer(body=b"", status="304 Not Modified"), "HTTP 304"),
    "not ready yet": (answer(body=b"", status="202 Accepted"), "HTTP 202"),
    "a redirect to nowhere": (answer("Content-Length: 0", status="302 Found"), "HTTP 302"),
    "a redirect to itself": (
        moved("/feed.csv"),
        "TooManyRedirects",
    ),
    "a redirect to another scheme": (
        moved("ftp://a:hidden@b/c?hidden"),
        "ftp://b/c",
    ),
    "gone": (answer("Content-Length: 0", status="410 Gone"), "HTTP 410"),
}
BROKEN_OFF = {
    "a body shorter than its length": plain(length=len(BODY) + 1),
    "a chunk cut off": chunked(BODY, end=b"ff\r\nrest"),
    "no last chunk": chunked(BODY, end=b""),
}


@pytest.fixture
def site() -> Iterator[servers.Site]:
    with servers.site() as served:
        yield served


def read(site: servers.Site, pieces: list[bytes]) -> bytes:
    site.answers["GET", "/feed.csv"] = pieces
    with open_feed(site.url + "/feed.csv", NO_S3) as feed:
        return feed.stream.read()


@pytest.mark.parametrize("pieces", READ.values(), ids=READ)
def test_a_feed_is_read_as_it_was_sent(site: servers.Site, pieces: list[bytes]) -> None:
    assert read(site, pieces) == BODY


@pytest.mark.parametrize(("pieces", "words"), REJECTED.values(), ids=REJECTED)
def test_a_response_that_is_not_the_complete_feed_is_rejected(
    site: servers.Site, pieces: list[bytes], words: str
) -> None:
    with pytest.raises(DataError) as caught:
        read(site, pieces)
    assert words in str(caught.value)
    assert caught.value.where == site.url + "/feed.csv"
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("pieces", BROKEN_OFF.values(), ids=BROKEN_OFF)
def test_an_interrupted_body_is_a_transient_error(site: servers.Site, pieces: list[bytes]) -> None:
    with pytest.raises(TransientError, match=r"/feed\.csv: The connection broke"):
        read(site, pieces)


def test_a_redirect_is_followed(site: servers.Site) -> None:
    site.page("/there.csv", BODY)
    assert read(site, moved("/there.csv")) == BODY


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 500, 501, 503])
def test_if_head_is_refused_get_returns_the_version(site: servers.Site, status: int) -> None:
    url = site.page("/feed.csv", BODY, 'ETag: "one"')
    with open_feed(url, NO_S3) as feed:
        version = feed.version
    site.answers["HEAD", "/feed.csv"] = answer(body=b"", status=f"{status} No")
    assert feed_version(url, NO_S3) == version
    assert version.proof


def test_if_head_is_not_answered_get_returns_the_version(site: servers.Site) -> None:
    url = site.page("/feed.csv", BODY, 'ETag: "one"')
    site.answers["HEAD", "/feed.csv"] = [b""]
    assert feed_version(url, NO_S3).proof


def test_if_head_is_answered_the_body_is_not_fetched(site: servers.Site) -> None:
    assert feed_version(site.page("/feed.csv", BODY, 'ETag: "one"'), NO_S3).proof
    assert site.count("GET") == 0


@pytest.mark.parametrize(
    ("headers", "proven", "hinted"),
    [
        (['ETag: "one"'], True, True),
        (['ETag: W/"one"'], False, True),
        (["ETag: one"], False, True),
        (['ETag: ""'], False, True),
        (["Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT"], False, True),
        (['ETag: "one"', "Last-Modified: now"], True, True),
        ([], False, False),
    ],
)
def test_only_a_strong_etag_proves_anything(
    site: servers.Site, headers: list[str], proven: bool, hinted: bool
) -> None:
    version = feed_version(site.page("/feed.csv", BODY, *headers), NO_S3)
    assert (version.proof is not None, version.hint is not None) == (proven, hinted)


def test_equal_etags_of_two_urls_are_different_versions(site: servers.Site) -> None:
    urls = [site.page(path, BODY, 'ETag: "one"') for path in ("/a.csv", "/b.csv")]
    first, second = (feed_version(url, NO_S3).proof for url in urls)
    assert first != second


def test_hashing_stops_if_it_takes_too_long(site: servers.Site) -> None:
    url = site.page("/feed.csv", BODY)
    assert feed_digest(url, NO_S3, seconds=60)
    assert feed_digest(url, NO_S3, seconds=-1) is None
