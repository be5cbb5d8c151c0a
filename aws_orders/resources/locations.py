"""Locations of files: the only module that parses URLs and paths. Pure.

See `feeds`, `http_feeds` and `orders.delivery_files` for reading the files.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from aws_orders.errors import DataError

SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")
URL_IN_TEXT = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s'\"<>]+")
EXPECTED = "an http(s)://host/path or s3://bucket/key URL, file:///path or a path"


@dataclass(frozen=True)
class HttpUrl:
    """A file on a web server."""

    url: str


@dataclass(frozen=True)
class S3Object:
    """An object on S3."""

    bucket: str
    key: str


@dataclass(frozen=True)
class LocalFile:
    """A file on this machine."""

    path: Path


def parse_location(text: str) -> HttpUrl | S3Object | LocalFile:
    """Return the location that `text` names; a text without a scheme is a path.

    Raises:
        DataError: the scheme is not supported, or a bucket, key or path is missing.
    """
    found = SCHEME.match(text)
    match found.group(1).lower() if found else "":
        case "http" | "https":
            return HttpUrl(text)
        case "s3":
            return S3Object(*split_s3_url(text))
        case "file":
            return LocalFile(_file_url_path(text))
        case "" if text:
            return LocalFile(Path(text))
        case "":
            raise _not_a_location(text, "an empty address")
        case scheme:
            raise _not_a_location(text, f"the scheme {scheme}://")


def split_s3_url(url: str) -> tuple[str, str]:
    """Return the bucket and the key of s3://bucket/key.

    The key is everything after the first slash that follows the bucket, unchanged: `#`, `?`,
    `%`, `+`, spaces and repeated slashes are characters of a key.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html

    Raises:
        DataError: the bucket or the key is missing.
    """
    bucket, _, key = url[len("s3://") :].partition("/")
    if url[: len("s3://")].lower() != "s3://" or not bucket or not key:
        raise _not_a_location(url, "no bucket" if not bucket else "no key")
    return bucket, key


def is_url(text: str) -> bool:
    """Return whether `text` starts with a scheme; otherwise it is a path."""
    return SCHEME.match(text) is not None


def without_secrets(text: str) -> str:
    """Return a location for messages, without the user:password@ and the query of a web address.

    Both may contain a password or a signature. S3 keys and paths are not changed.
    """
    found = SCHEME.match(text)
    if not found or found.group(1).lower() in ("s3", "file"):
        return text
    authority, slash, path = re.split(r"[?#]", text[found.end() :], maxsplit=1)[0].partition("/")
    return found.group() + authority.rpartition("@")[2] + slash + path


def mask_urls(text: str) -> str:
    """Return a library's message without the secrets of the URLs in it."""
    return URL_IN_TEXT.sub(lambda found: without_secrets(found.group()), text)


def _file_url_path(url: str) -> Path:
    # RFC 8089: the path is percent-encoded, as Path.as_uri() writes it. There is no query and no
    # fragment, so `?` and `#` are part of the name.
    host, slash, path = url[len("file://") :].partition("/")
    if host.lower() not in ("", "localhost") or not path:
        raise _not_a_location(url, f"the host {host}" if path else "no path")
    return Path(slash + unquote(path))


def _not_a_location(text: str, found: str) -> DataError:
    return DataError(
        "The feed cannot be read.",
        where=without_secrets(text),
        expected=EXPECTED,
        found=found,
        fix="Correct the feed's address.",
    )
