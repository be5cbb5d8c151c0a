"""The metadata of a feed's copy on S3: version, digest and number of rows.

See `feeds` for opening a feed; `products.feed` and `orders.feed` store the copies.
"""

import hashlib
from collections.abc import Mapping
from typing import IO

from aws_orders.resources.feeds import Version

CHUNK_BYTES = 1024 * 1024
# Keys of the copy's user metadata: the version's proof and hint (see `feeds.Version`), the
# SHA-256 of the bytes, and the number of rows.
PROOF, HINT, DIGEST, ROWS = "feed-version", "feed-hint", "sha256", "rows"


def is_proven_current(version: Version, stored: Mapping[str, str]) -> bool:
    """Return whether the feed's version proves that the stored copy has the same bytes.

    Args:
        version: The feed's current version.
        stored: The copy's metadata; empty if there is no copy.
    """
    same = version.proof is not None and version.proof == stored.get(PROOF)
    return same and {DIGEST, ROWS} <= stored.keys()


def feed_metadata(version: Version, digest: str, rows: int) -> dict[str, str]:
    """Return the metadata of a copy with this version, digest and number of rows."""
    proof, hint = version.proof or "", version.hint or ""
    return {PROOF: proof, HINT: hint, DIGEST: digest, ROWS: str(rows)}


class HashingReader:
    """A stream whose bytes are hashed as they are read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._hash = stream, hashlib.sha256()

    @property
    def digest(self) -> str:
        """The SHA-256 of the bytes read so far."""
        return self._hash.hexdigest()

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes; all remaining bytes if `size` is negative."""
        data = self._stream.read(size)
        self._hash.update(data)
        return data
