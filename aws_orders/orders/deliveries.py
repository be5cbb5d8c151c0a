"""Deliveries of orders, as plain data: which objects are one, how they group, what names them.

Pure: listing and reading S3 is `resources.s3`'s, loading them `loads`'.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from aws_orders.contract import Table
from aws_orders.resources.objects import StoredObject

FILES_SHOWN = 10


def is_delivery(stored: StoredObject) -> bool:
    """Return whether an object under the prefix is a delivery: CSV, perhaps gzipped, not empty.

    Names that start with `_` or `.`, of folders too, are temporary files of Hadoop and Spark,
    which rename them when they commit. As these and Athena do, the platform does not read them:
    https://docs.aws.amazon.com/athena/latest/ug/tables-location-format.html
    """
    hidden = "/_" in stored.key or "/." in stored.key
    return stored.size > 0 and not hidden and stored.key.endswith((".csv", ".csv.gz"))


@dataclass(frozen=True)
class Shape:
    """What deliveries must share to be loaded by one COPY: the header and the compression."""

    header: tuple[str, ...]
    gzip: bool


def group_by_shape(
    headers: Iterable[tuple[StoredObject, tuple[str, ...]]],
) -> dict[Shape, list[StoredObject]]:
    """Group deliveries, each with its header, by their shape, in the order in which they come."""
    groups: dict[Shape, list[StoredObject]] = defaultdict(list)
    for stored, header in headers:
        groups[Shape(header, stored.key.endswith(".gz"))].append(stored)
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
    newest_key: str = ""
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def add(self, stored: StoredObject) -> None:
        """Count an object in; objects come in key order, as S3 lists them."""
        if not is_delivery(stored):
            self.others += 1
            return
        self.count += 1
        self.bytes += stored.size
        if self.newest is None or stored.modified >= self.newest:
            self.newest, self.newest_key = stored.modified, stored.key
        self._digest.update(f"{stored.key}\n{stored.etag}\n".encode())

    @property
    def digest(self) -> str:
        """Changes when a delivery comes, goes or is replaced; otherwise stays."""
        return self._digest.hexdigest()


def stage_columns(header: Sequence[str], table: Table) -> tuple[str, ...]:
    """Return the columns of the temporary table that a file with this header is copied into.

    What the contract does not know gets a name from its position: the file's own name may be
    empty, repeated, longer than a column's name may be, or a system column's.
    """
    prefix = "ignored_"
    while any(name.startswith(prefix) for name in table.names):
        prefix = f"_{prefix}"
    return tuple(
        name if name in table.names else f"{prefix}{position}"
        for position, name in enumerate(header, start=1)
    )


def file_columns(header: Sequence[str]) -> tuple[str, ...]:
    """Return the file's names for its columns, for people: one without a name gets its place."""
    return tuple(
        name or f"(column {position}, no name)" for position, name in enumerate(header, start=1)
    )


def unknown_columns(
    files: Iterable[tuple[tuple[str, ...], Sequence[str]]], known: Sequence[str]
) -> dict[str, list[str]]:
    """List for each column that the contract does not know the first files that have it.

    Args:
        files: Headers, each with the keys of the files that have it.
        known: The contract's columns.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for header, keys in files:
        for name in dict.fromkeys(file_columns(header)):  # a name may be there twice
            if name not in known:
                found[name] += keys[: FILES_SHOWN - len(found[name])]
    return dict(found)
