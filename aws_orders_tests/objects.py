"""Objects on S3 for tests, as a listing returns them."""

from datetime import UTC, datetime

from aws_orders.resources.objects import StoredObject


def stored(key: str, size: int = 1, etag: str = "e") -> StoredObject:
    """Return an object with this key."""
    return StoredObject(key, etag, size, datetime(2026, 11, 23, tzinfo=UTC))
