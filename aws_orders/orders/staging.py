"""The part of a load that only its session sees: deliveries copied into temporary tables.

Each group of deliveries of one shape is one COPY; meanwhile `record_counts` counts what it must
bring. What is loaded is planned in `load_plan`; `loads` writes the tables.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg2

from aws_orders.config import Settings
from aws_orders.contract import ORDERS
from aws_orders.orders import deliveries
from aws_orders.orders.deliveries import Shape, file_columns, stage_columns
from aws_orders.orders.delivery_files import check_gzip, read_header
from aws_orders.orders.load_plan import READERS, LoadPlan, check_unchanged
from aws_orders.orders.record_counts import check_loaded, check_well_formed, counting
from aws_orders.orders.rejected_rows import quarantine, rejection
from aws_orders.resources.objects import StoredObject
from aws_orders.resources.redshift import statements
from aws_orders.resources.redshift.errors import LoadRejectedError, RejectedRow, is_transient
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.redshift.session import REJECTED_SHOWN, Session

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# The most that MAXERROR may say: https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-load.html
MAX_BAD_ROWS = 100_000
# https://docs.aws.amazon.com/redshift/latest/dg/r_names.html
MAX_NAME_BYTES = 127


@dataclass(frozen=True)
class Load:
    """Deliveries of one shape, brought by one COPY, and replaced together.

    Attributes:
        id: Counts up from load to load.
        header: The deliveries' columns, in their order.
        members: The deliveries.
        rows: Rows loaded.
        rejected: Rows that were set apart.
        records: Records of each delivery, by key, counted apart from COPY.
    """

    id: int
    header: tuple[str, ...]
    members: Sequence[StoredObject]
    rows: int
    rejected: Sequence[RejectedRow]
    records: Mapping[str, int]

    def ledger(self, run_id: str, now: datetime) -> list[tuple[Any, ...]]:
        """Return the load's ledger entries, in the contract's order of columns."""
        return [
            (self.id, o.key, o.etag, o.size, self.rows, run_id, now, self.records[o.key])
            for o in self.members
        ]

    @property
    def refused(self) -> list[tuple[Any, ...]]:
        """What is recorded of the rows set apart, in the contract's order of columns."""
        names = dict(zip(self.columns, file_columns(self.header), strict=True))
        return [
            (
                self.id,
                row.file.split("/", 3)[3],
                row.line,
                _cut(names.get(row.column, row.column)) or None,
                row.reason,
            )
            for row in self.rejected
        ]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the temporary table, in the file's order."""
        return stage_columns(self.header, ORDERS)


def _cut(name: str) -> str:
    """Return as much of a column's name as the warehouse keeps; a file's may be longer."""
    return name.encode()[:MAX_NAME_BYTES].decode(errors="ignore")


@dataclass(frozen=True)
class Staging:
    """The part of a load that only this session sees: deliveries into temporary tables."""

    session: Session
    redshift: RedshiftResource
    s3: "S3Client"
    settings: Settings
    run_prefix: str
    max_bad_share: float

    def stage(self, plan: LoadPlan) -> Iterator[Load]:
        """COPY each group of deliveries of one shape into a stage, and say what came of it."""
        load_id = plan.newest[0]
        for group in plan.groups:
            for shape, members in self._by_shape(group).items():
                load_id += 1
                yield self._load(load_id, shape, members)

    def _load(self, load_id: int, shape: Shape, members: Sequence[StoredObject]) -> Load:
        with counting(self.s3, self.settings, members) as counted:
            rows, rejected = self._copy(load_id, shape, members)
            counts = counted()
        check_unchanged(members, self.s3, self.settings)
        if not self.max_bad_share:
            check_well_formed(counts, shape.header, self.settings)
        check_loaded(counts, rows, len(rejected), self.settings)
        if rejected:
            quarantine(load_id, rejected, self.s3, self.settings)
        records = {key: count.records for key, count in counts.items()}
        return Load(load_id, shape.header, members, rows, rejected, records)

    def _by_shape(self, group: Sequence[StoredObject]) -> dict[Shape, list[StoredObject]]:
        uris = [self.settings.uri(stored.key) for stored in group]
        with ThreadPoolExecutor(READERS) as pool:
            headers = pool.map(lambda uri: read_header(self.s3, uri), uris)
            return deliveries.group_by_shape(zip(group, headers, strict=True))

    def _copy(
        self, load_id: int, shape: Shape, members: Sequence[StoredObject]
    ) -> tuple[int, list[RejectedRow]]:
        """COPY deliveries; return rows, and what could not be loaded where that is tolerated.

        The first try tolerates nothing, so that it cannot lose a row in silence. Only where
        that fails does a second one skip, to tell of more rows than the first, or to do
        without them.
        """
        stage = stage_of(load_id)
        manifest = f"{self.run_prefix}{stage}.manifest"
        body = deliveries.copy_manifest(self.settings.uri(stored.key) for stored in members)
        self.s3.put_object(Bucket=self.settings.bucket, Key=manifest, Body=body)
        columns = stage_columns(shape.header, ORDERS)
        self.session.execute(statements.create_stage(stage, ORDERS, columns))

        def copy(max_errors: int) -> int:
            return self.session.copy(
                statements.copy_deliveries(
                    stage,
                    columns,
                    self.settings.uri(manifest),
                    self.redshift.iam_role,
                    self.redshift.data_region,
                    shape.gzip,
                    max_errors,
                )
            )

        try:
            return copy(0), []
        except LoadRejectedError:
            pass
        except psycopg2.Error as error:
            # Redshift does not say of every damaged file which one it is.
            if shape.gzip and not is_transient(error):
                for stored in members:
                    check_gzip(self.s3, self.settings.uri(stored.key))
            raise
        limit = MAX_BAD_ROWS if self.max_bad_share else REJECTED_SHOWN
        try:
            rows = copy(limit)
        except LoadRejectedError as error:
            raise rejection(error.rows, self.s3) from error
        rejected = self.session.skipped_rows(limit)
        share = len(rejected) / (rows + len(rejected))
        if share > self.max_bad_share:
            tolerated = f", {share:.2%} of them, where {self.max_bad_share:.2%} may be set apart"
            told = f"{len(rejected)} rows cannot be loaded{tolerated if self.max_bad_share else ''}"
            raise rejection(rejected, self.s3, told)
        return rows, rejected


def stage_of(load_id: int) -> str:
    """Return the name of the temporary table that holds a load's rows."""
    return f"orders_stage_{load_id}"
