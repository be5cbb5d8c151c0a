"""The files that UNLOAD wrote, as plain data. Pure.

See `unload` for writing them, `verify` for checking them and `publish` for publishing them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from psycopg2.sql import Composed

from aws_orders.resources.objects import StoredObject


@dataclass(frozen=True)
class OutputFile:
    """A file to publish.

    Attributes:
        query: The query for its rows.
        columns: Its columns.
        key: Its key on S3.
        parts_prefix: Prefix of the keys that UNLOAD writes its parts to.
    """

    query: Composed
    columns: tuple[str, ...]
    key: str
    parts_prefix: str

    @property
    def header(self) -> bytes:
        """Its first line, as UNLOAD writes it."""
        return (",".join(self.columns) + "\n").encode()


@dataclass(frozen=True)
class UnloadedFile:
    """A file as UNLOAD wrote it.

    Attributes:
        output: The file to publish.
        rows: Rows unloaded, by Redshift's count.
        parts: Its parts, in order; each starts with the header.
        difference: How its manifest differs from S3 or from `rows`; empty if it does not.
    """

    output: OutputFile
    rows: int
    parts: Sequence[StoredObject]
    difference: str

    @property
    def size(self) -> int:
        """Bytes of the joined parts: only the first part's header is kept."""
        if not self.parts:
            return len(self.output.header)
        repeats = len(self.parts) - 1
        return sum(part.size for part in self.parts) - len(self.output.header) * repeats


@dataclass(frozen=True)
class ManifestEntry:
    """A part as UNLOAD's manifest lists it; `records` includes the part's header."""

    key: str
    size: int
    records: int


def compare_with_manifest(
    output: OutputFile,
    rows: int,
    manifest: Sequence[ManifestEntry],
    stored: Mapping[str, StoredObject],
) -> UnloadedFile:
    """Compare a manifest with the objects on S3 and with Redshift's count of rows.

    Args:
        output: The file to publish.
        rows: Rows unloaded, by Redshift's count.
        manifest: The manifest's entries, in order.
        stored: The objects on S3, by key.
    """
    expected = {entry.key: entry.size for entry in manifest}
    found = {key: stored[key].size for key in expected if key in stored}
    records = sum(entry.records for entry in manifest) - len(manifest)
    difference = ""
    if found != expected:
        difference = f"{output.key}: the manifest has parts of {expected} bytes, S3 has {found}"
    elif records != rows:
        difference = f"{output.key}: the manifest counts {records} rows, Redshift counts {rows}"
    return UnloadedFile(output, rows, [stored[key] for key in found], difference)


@dataclass(frozen=True)
class Revenue:
    """Revenue of the detailed orders of one category or one month (such as 2026-11)."""

    group: str
    orders: int
    total: Decimal


@dataclass(frozen=True)
class Unloaded:
    """All that was unloaded in one snapshot.

    Attributes:
        detailed: The file of orders whose product is known.
        unmatched: The file of all other orders.
        orders: Rows in Redshift's orders table.
        by_category: Revenue of each category, the largest first.
        by_month: Revenue of each month, in order; empty if no order has a date.
    """

    detailed: UnloadedFile
    unmatched: UnloadedFile
    orders: int
    by_category: Sequence[Revenue]
    by_month: Sequence[Revenue]
