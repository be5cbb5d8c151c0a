"""Objects on S3 as plain data: entries of a listing, and how several are joined to one. Pure.

See `s3` for calls to S3.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

# CopyObject and UploadPartCopy copy at most 5 GB:
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
MAX_COPY_BYTES = 5 * 1024**3


@dataclass(frozen=True)
class StoredObject:
    """An entry of a listing.

    Attributes:
        key: The key.
        etag: The ETag without quotes.
        size: Bytes.
        modified: Whole seconds; for a multipart upload, when it began. Only for display.
    """

    key: str
    etag: str
    size: int
    modified: datetime


@dataclass(frozen=True)
class Span:
    """Bytes `start` (included) to `end` (excluded) of an object."""

    key: str
    start: int
    end: int


def spans(parts: Sequence[StoredObject], repeated: int, limit: int = MAX_COPY_BYTES) -> list[Span]:
    """Divide parts into spans of at most `limit` bytes whose concatenation is one file.

    Args:
        parts: Objects that all start with the same header.
        repeated: Bytes of the header, which only the first part keeps.
        limit: The most bytes of one server-side copy.
    """
    pieces = []
    for number, part in enumerate(parts):
        start = repeated if number else 0
        count = max(1, -(-(part.size - start) // limit))
        edges = [start + (part.size - start) * n // count for n in range(count + 1)]
        pieces += [Span(part.key, a, b) for a, b in itertools.pairwise(edges) if a < b]
    return pieces
