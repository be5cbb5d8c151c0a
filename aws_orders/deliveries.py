"""Deliveries of orders, as plain data: which objects are one, how they group, what names them.

Pure: listing and reading S3 is `resources.s3`'s, loading them `loads`'.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from aws_orders.objects import StoredObject


def is_delivery(stored: StoredObject) -> bool:
    """Tell whether an object under the prefix is a delivery: CSV, perhaps gzipped, not empty."""
    return stored.size > 0 and stored.key.endswith((".csv", ".csv.gz"))


@dataclass(frozen=True)
class Shape:
    """What deliveries must share to be loaded by one COPY: the header and the compression."""

    header: tuple[str, ...]
    gzip: bool


def group_by_shape(
    headers: Mapping[str, tuple[str, ...]],
) -> dict[Shape, list[str]]:
    """Group deliveries' keys by their shape, in the order in which they come."""
    groups: dict[Shape, list[str]] = defaultdict(list)
    for key, header in headers.items():
        groups[Shape(header, key.endswith(".gz"))].append(key)
    return dict(groups)


def copy_manifest(uris: Iterable[str]) -> bytes:
    """Return the manifest that makes COPY load just these files, and fail where one is missing.

    A path instead would be a prefix, and load `orders.csv.bak` along with `orders.csv`.
    """
    entries = [{"url": uri, "mandatory": True} for uri in uris]
    return json.dumps({"entries": entries}, ensure_ascii=False).encode()


@dataclass
class Listing:
    """What a listing of the prefix amounts to, kept small however long the listing is."""

    count: int = 0
    bytes: int = 0
    others: int = 0
    newest: datetime | None = None
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def add(self, stored: StoredObject) -> None:
        """Count an object in; objects come in key order, as S3 lists them."""
        if not is_delivery(stored):
            self.others += 1
            return
        self.count += 1
        self.bytes += stored.size
        self.newest = max(stored.modified, self.newest or stored.modified)
        self._digest.update(f"{stored.key}\n{stored.etag}\n".encode())

    @property
    def digest(self) -> str:
        """Changes when a delivery comes, goes or is replaced; otherwise stays."""
        return self._digest.hexdigest()


def unknown_columns(shapes: Mapping[Shape, Sequence[str]], known: Sequence[str]) -> dict[str, int]:
    """Count for each column that the contract does not know the deliveries that carry it."""
    counts: dict[str, int] = defaultdict(int)
    for shape, keys in shapes.items():
        for name in shape.header:
            if name not in known:
                counts[name] += len(keys)
    return dict(counts)
