"""Deliveries of orders as plain data: which objects are deliveries, and how they are grouped. Pure.

See `delivery_columns` for their columns, `delivery_files` for reading them, `resources.s3` for
listing them, and `load` for loading them.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from aws_orders.resources.objects import StoredObject


def is_delivery(stored: StoredObject, prefix: str = "") -> bool:
    """Return whether an object under `prefix` is a delivery: a CSV file that is not empty.

    It may be gzipped. Files and folders whose names start with `_` or `.` are temporary files of
    Hadoop and Spark, which rename them at commit. The platform skips them, as Hadoop, Spark and
    Athena do:
    https://docs.aws.amazon.com/athena/latest/ug/tables-location-format.html
    """
    name = "/" + stored.key.removeprefix(prefix)
    hidden = "/_" in name or "/." in name
    return stored.size > 0 and not hidden and stored.key.endswith((".csv", ".csv.gz"))


@dataclass
class DeliverySummary:
    """A listing of the prefix, summed up in constant memory.

    Attributes:
        prefix: The prefix of the deliveries.
        count: Number of deliveries.
        bytes: Their total size.
        others: Number of objects that are not deliveries.
        newest: Time of the newest delivery.
        newest_key: Key of the newest delivery.
    """

    prefix: str = ""
    count: int = 0
    bytes: int = 0
    others: int = 0
    newest: datetime | None = None
    newest_key: str = ""
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def add(self, stored: StoredObject) -> None:
        """Add an object. Add objects in key order, as S3 lists them."""
        if not is_delivery(stored, self.prefix):
            self.others += 1
            return
        self.count += 1
        self.bytes += stored.size
        if self.newest is None or stored.modified >= self.newest:
            self.newest, self.newest_key = stored.modified, stored.key
        self._digest.update(f"{stored.key}\n{stored.etag}\n".encode())

    @property
    def digest(self) -> str:
        """A digest of all keys and ETags: it changes only if a delivery does."""
        return self._digest.hexdigest()


@dataclass(frozen=True)
class Shape:
    """Files with the same header and compression can share one COPY."""

    header: tuple[str, ...]
    gzip: bool


def group_by_shape(
    headers: Iterable[tuple[StoredObject, tuple[str, ...]]],
) -> dict[Shape, list[StoredObject]]:
    """Group deliveries, each with its header, by shape; keep their order."""
    groups: dict[Shape, list[StoredObject]] = defaultdict(list)
    for stored, header in headers:
        groups[Shape(header, stored.key.endswith(".gz"))].append(stored)
    return dict(groups)


def copy_manifest(uris: Iterable[str]) -> bytes:
    """Return the manifest that makes COPY load exactly these files and fail if one is missing.

    Without a manifest COPY treats the path as a prefix: `orders.csv` would also load
    `orders.csv.bak`.
    """
    entries = [{"url": uri, "mandatory": True} for uri in uris]
    return json.dumps({"entries": entries}, ensure_ascii=False).encode()
