"""Stages the loads of a plan: copies deliveries into temporary tables of the session.

Each group of deliveries of one shape is one COPY; `record_counts` counts its records in parallel.
See `load_plan` for the plan, `staged_load` for the result, and `commit` for writing the tables.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg2

from aws_orders.contract import ORDERS
from aws_orders.orders import deliveries
from aws_orders.orders.deliveries import Shape
from aws_orders.orders.delivery_columns import stage_columns
from aws_orders.orders.delivery_files import read_header
from aws_orders.orders.load_plan import READERS, LoadPlan, check_unchanged
from aws_orders.orders.record_counts import check_loaded, check_well_formed, counting
from aws_orders.orders.rejected_rows import rejection_error, write_quarantine
from aws_orders.orders.staged_load import StagedLoad, stage_name
from aws_orders.resources.objects import StoredObject
from aws_orders.resources.redshift import statements
from aws_orders.resources.redshift.errors import LoadRejectedError, RejectedRow, is_transient
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.redshift.session import REJECTED_SHOWN, Session
from aws_orders.resources.settings import Settings
from aws_orders.rows.wording import counted

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# The largest MAXERROR: https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-load.html
MAX_BAD_ROWS = 100_000


@dataclass(frozen=True)
class Staging:
    """Stages loads in one session.

    Attributes:
        session: The session that owns the temporary tables.
        redshift: Its configuration.
        s3: The client that reads deliveries and writes manifests and the quarantine.
        settings: The bucket.
        run_prefix: Prefix of the run's keys, for the manifests.
        max_bad_share: The largest share, 0 to 1, of a load's rows that may be quarantined;
            0 if a bad row fails the load.
    """

    session: Session
    redshift: RedshiftResource
    s3: "S3Client"
    settings: Settings
    run_prefix: str
    max_bad_share: float

    def stage(self, plan: LoadPlan) -> Iterator[StagedLoad]:
        """COPY each group of deliveries of one shape into a temporary table, and yield it.

        Raises:
            DataError: a header or rows cannot be loaded, or the counts of records differ.
            PlanOutdatedError: a delivery was replaced or deleted during the load.
        """
        load_id = plan.newest[0]
        for group in plan.groups:
            for shape, members in self._by_shape(group).items():
                load_id += 1
                yield self._load(load_id, shape, members)

    def _by_shape(self, group: Sequence[StoredObject]) -> dict[Shape, list[StoredObject]]:
        uris = [self.settings.uri(stored.key) for stored in group]
        with ThreadPoolExecutor(READERS) as pool:
            headers = pool.map(lambda uri: read_header(self.s3, uri), uris)
            return deliveries.group_by_shape(zip(group, headers, strict=True))

    def _load(self, load_id: int, shape: Shape, members: Sequence[StoredObject]) -> StagedLoad:
        with counting(self.s3, self.settings, members) as wait_for_counts:
            try:
                rows, rejected = self._copy(load_id, shape, members)
            except psycopg2.Error as error:
                # Redshift does not name every damaged file; the counts do.
                if shape.gzip and not is_transient(error):
                    wait_for_counts()
                raise
            counts = wait_for_counts()
        check_unchanged(members, self.s3, self.settings)
        check_well_formed(counts, len(rejected), shape.header, self.settings)
        check_loaded(counts, rows, len(rejected), self.settings)
        if rejected:
            write_quarantine(load_id, rejected, self.s3, self.settings)
        records = {key: count.records for key, count in counts.items()}
        return StagedLoad(load_id, shape.header, members, rows, rejected, records)

    def _copy(
        self, load_id: int, shape: Shape, members: Sequence[StoredObject]
    ) -> tuple[int, list[RejectedRow]]:
        """COPY deliveries; return the number of rows and the rejected rows.

        The first COPY tolerates no bad row, so it cannot lose one silently. If it fails, a second
        COPY with MAXERROR collects the bad rows, either to report them or to load the rest.
        """
        stage, columns = stage_name(load_id), stage_columns(shape.header, ORDERS)
        manifest_uri = self._write_manifest(stage, members)
        self.session.execute(statements.create_stage(stage, ORDERS, columns))

        def copy(max_errors: int) -> int:
            return self.session.copy(
                statements.copy_deliveries(
                    stage,
                    columns,
                    manifest_uri,
                    self.redshift.iam_role,
                    self.redshift.data_region,
                    shape.gzip,
                    max_errors,
                )
            )

        try:
            return copy(0), []
        except LoadRejectedError:
            return self._skip_bad_rows(copy)

    def _write_manifest(self, stage: str, members: Sequence[StoredObject]) -> str:
        key = f"{self.run_prefix}{stage}.manifest"
        body = deliveries.copy_manifest(self.settings.uri(stored.key) for stored in members)
        self.s3.put_object(Bucket=self.settings.bucket, Key=key, Body=body)
        return self.settings.uri(key)

    def _skip_bad_rows(self, copy: Callable[[int], int]) -> tuple[int, list[RejectedRow]]:
        """COPY without bad rows; raise DataError if their share exceeds `max_bad_share`."""
        limit = MAX_BAD_ROWS if self.max_bad_share else REJECTED_SHOWN
        try:
            rows = copy(limit)
        except LoadRejectedError as error:
            raise rejection_error(error.rows, self.s3) from error
        rejected = self.session.skipped_rows(limit)
        self._check_share(rows, rejected)
        return rows, rejected

    def _check_share(self, rows: int, rejected: Sequence[RejectedRow]) -> None:
        """Raise DataError if the share of rejected rows exceeds `max_bad_share`."""
        share = len(rejected) / (rows + len(rejected))
        if share <= self.max_bad_share:
            return
        what = f"{counted(len(rejected), 'row')} cannot be loaded"
        if self.max_bad_share:
            what += f" ({share:.2%} of all rows; the limit is {self.max_bad_share:.2%})"
        raise rejection_error(rejected, self.s3, what)
