"""Objects on S3 as plain data: what a listing says of one, and how several become one.

Pure: calls of S3 are `resources.s3`'s.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

# CopyObject and UploadPartCopy take at most 5 GB:
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
MAX_COPY_BYTES = 5 * 1024**3


@dataclass(frozen=True)
class StoredObject:
    """An object as a listing gives it; `etag` without quotes, `size` in bytes.

    `modified` has whole seconds, and of a multipart upload it is the start: good to show, not
    to decide by.
    """

    key: str
    etag: str
    size: int
    modified: datetime


@dataclass(frozen=True)
class Span:
    """Bytes `start` up to but not including `end` of an object."""

    key: str
    start: int
    end: int


def spans(parts: Sequence[StoredObject], repeated: int, limit: int = MAX_COPY_BYTES) -> list[Span]:
    """Cut parts into spans of at most `limit` bytes that give one file when set end to end.

    Args:
        parts: Objects that each start with the same header.
        repeated: The header's bytes, left out of every part but the first.
        limit: The most that one server-side copy takes.
    """
    pieces = []
    for number, part in enumerate(parts):
        start = repeated if number else 0
        count = max(1, -(-(part.size - start) // limit))
        edges = [start + (part.size - start) * n // count for n in range(count + 1)]
        pieces += [Span(part.key, a, b) for a, b in itertools.pairwise(edges) if a < b]
    return pieces
