"""What the object on S3 that a feed is stored as says of the feed: version, digest, rows."""

import hashlib
from typing import IO

from aws_orders.resources.feeds import Version

CHUNK_BYTES = 1024 * 1024
# User metadata of the objects: the feed's version, by proof and by hint, a digest of its bytes,
# its rows.
VERSION, HINT, DIGEST, ROWS = "feed-version", "feed-hint", "sha256", "rows"


def _is_proven(version: Version, stored: dict[str, str]) -> bool:
    same = version.proof is not None and version.proof == stored.get(VERSION)
    return same and {DIGEST, ROWS} <= stored.keys()


def _metadata(version: Version, digest: str, rows: int) -> dict[str, str]:
    proof, hint = version.proof or "", version.hint or ""
    return {VERSION: proof, HINT: hint, DIGEST: digest, ROWS: str(rows)}


class _Hashed:
    """A stream whose bytes are hashed as they are read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._hash = stream, hashlib.sha256()

    @property
    def digest(self) -> str:
        """The SHA-256 of what was read."""
        return self._hash.hexdigest()

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes; all the rest where negative."""
        data = self._stream.read(size)
        self._hash.update(data)
        return data
