"""What an UNLOAD wrote, as plain data."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from psycopg2.sql import Composed

from aws_orders.resources.objects import StoredObject


@dataclass(frozen=True)
class Finding:
    """What one check of the files to be published found; `faults` is 0 where all is well."""

    check: str
    faults: int
    told: str


@dataclass(frozen=True)
class Revenue:
    """What the detailed orders of a category, or of a month (such as 2026-11), come to."""

    of: str
    orders: int
    total: Decimal


@dataclass(frozen=True)
class _Output:
    """One file to publish: its query, its columns, its place, and where its parts go first."""

    query: Composed
    columns: tuple[str, ...]
    target: str
    parts_prefix: str

    @property
    def header(self) -> bytes:
        return (",".join(self.columns) + "\n").encode()


@dataclass(frozen=True)
class _File:
    """An unloaded file: its parts in order, and what manifest and listing disagree on."""

    output: _Output
    rows: int
    parts: list[StoredObject]
    differs: str

    @property
    def size(self) -> int:
        """Bytes once the parts are joined: only the first one's header stays."""
        if not self.parts:
            return len(self.output.header)
        repeats = len(self.parts) - 1
        return sum(part.size for part in self.parts) - len(self.output.header) * repeats


@dataclass(frozen=True)
class Unloaded:
    """The two files as Redshift wrote them under the run's prefix, and what checks found.

    Attributes:
        detailed: The main file.
        unmatched: The file beside it.
        findings: By check, in the order of `CHECKS`.
        by_category: Revenue of each category, the largest first.
        by_month: Revenue of each month; none where no order has a date.
    """

    detailed: _File
    unmatched: _File
    findings: Sequence[Finding]
    by_category: Sequence[Revenue]
    by_month: Sequence[Revenue]
