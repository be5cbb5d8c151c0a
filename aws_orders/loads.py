"""Loads into Redshift: which statements, in which order, so that any of them may run again.

Both stage into temporary tables first and then write the target in one transaction that locks
it before anything else. The SQL itself is `sql`'s, the connection `resources`', what differs
from the ledger `ledger`'s.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg2

from aws_orders import deliveries, sql
from aws_orders.contract import ORDERS, ORDERS_LOADS, ORDERS_REJECTED, PRODUCTS, Table
from aws_orders.deliveries import Shape
from aws_orders.delivery_files import check_gzip, read_header
from aws_orders.errors import DataError
from aws_orders.ledger import (
    Changes,
    Entry,
    PlanOutdatedError,
    compare,
    lost,
    siblings,
    slices,
)
from aws_orders.objects import StoredObject
from aws_orders.rejections import quarantine, rejection, sweep
from aws_orders.resources.redshift import (
    REJECTED_SHOWN,
    LoadRejectedError,
    RedshiftResource,
    RejectedRow,
    Session,
    is_passing,
)
from aws_orders.resources.s3 import list_objects
from aws_orders.settings import ORDERS_FEED, ORDERS_PREFIX, Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HEADER_READERS = 16
COUNT_ATTEMPTS = 6
LEDGER_ATTEMPTS = 4
# Rows an INSERT: a statement may take 16 MB in Redshift.
INSERTED_ROWS = 1000
# The most that MAXERROR may say: https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-load.html
MAX_BAD_ROWS = 100_000
# They commit together; the rows' loads are what is replaced.
ORDERS_TABLES = (ORDERS, ORDERS_LOADS, ORDERS_REJECTED)


@dataclass(frozen=True)
class Load:
    """Deliveries of one shape, brought by one COPY, and replaced together.

    Attributes:
        id: Counts up from load to load.
        header: The deliveries' columns, in their order.
        members: The deliveries.
        rows: Rows loaded.
        rejected: Rows that were set apart.
    """

    id: int
    header: tuple[str, ...]
    members: Sequence[StoredObject]
    rows: int
    rejected: Sequence[RejectedRow]

    def ledger(self, run_id: str, now: datetime) -> list[tuple[Any, ...]]:
        """Return the load's ledger entries, in the contract's order of columns."""
        return [(self.id, o.key, o.etag, o.size, self.rows, run_id, now) for o in self.members]

    @property
    def refused(self) -> list[tuple[Any, ...]]:
        """What is recorded of the rows set apart, in the contract's order of columns."""
        return [
            (self.id, row.file.split("/", 3)[3], row.line, row.column or None, row.reason)
            for row in self.rejected
        ]


@dataclass(frozen=True)
class OrdersLoad:
    """What `load_orders` did.

    Attributes:
        rows: Rows in the table now.
        planning_seconds: Spent on comparing the listing with the ledger.
        changes: How the deliveries differed from the ledger.
        loads: What was loaded.
    """

    rows: int
    planning_seconds: float
    changes: Changes
    loads: Sequence[Load]

    @property
    def loaded(self) -> int:
        """Rows that were loaded."""
        return sum(load.rows for load in self.loads)

    @property
    def deliveries(self) -> list[StoredObject]:
        """All that was loaded."""
        return [stored for load in self.loads for stored in load.members]

    @property
    def columns(self) -> list[str]:
        """The columns of what was loaded."""
        return sorted({name for load in self.loads for name in load.header})

    @property
    def unknown_columns(self) -> dict[str, list[str]]:
        """By column that the contract does not know, the first files that have it."""
        return deliveries.unknown_columns(
            ((load.header, [stored.key for stored in load.members]) for load in self.loads),
            ORDERS.names,
        )


@dataclass(frozen=True)
class _Plan:
    """What to load, and which loads to delete for it; `newest` is the ledger it is based on."""

    newest: tuple[int, datetime | None]
    changes: Changes
    again: list[StoredObject]
    everything: bool

    @property
    def groups(self) -> list[list[StoredObject]]:
        """Deliveries by load, but for their shape.

        What was delivered twice may be a third time, the feed above all: it gets loads of its
        own, so that next time no other file must be loaded again with it.
        """
        feed = [o for o in self.changes.new if o.key == ORDERS_FEED]
        others = [o for o in self.changes.new if o.key != ORDERS_FEED]
        return [group for group in (feed, self.changes.redelivered, others + self.again) if group]


class CountMismatchError(Exception):
    """Redshift's COPY saw another number of items than DynamoDB holds, time and again."""

    def __init__(self, table: str, copied: int, counted: int) -> None:
        super().__init__(
            f"COPY from dynamodb://{table} brought {copied} items, DynamoDB counts {counted}, "
            f"{COUNT_ATTEMPTS} times. Is something else writing to the table? Run again once it is "
            "quiet; Redshift's products are as they were."
        )
        self.difference = abs(copied - counted)


def load_products(
    redshift: RedshiftResource,
    dynamodb_table: str,
    count_items: Callable[[], int],
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Make Redshift's products equal to the DynamoDB table; return how many rows.

    The Scan behind COPY is eventually consistent, so one right after the writes may miss some:
    it is repeated, with waits, until it brings as many as DynamoDB counts.

    Raises:
        CountMismatchError: it never did; the table is as it was.
    """

    def work(session: Session) -> int:
        stage = "products_stage"
        copy = sql.copy_dynamodb(
            stage, PRODUCTS.names, dynamodb_table, redshift.iam_role, redshift.data_region
        )
        session.execute(sql.create_table(redshift.schema_name, PRODUCTS))
        for attempt in range(1, COUNT_ATTEMPTS + 1):
            session.execute(sql.drop_stage(stage))
            session.execute(sql.create_stage(stage, PRODUCTS, PRODUCTS.names))
            copied, counted = session.copy(copy), count_items()
            if copied == counted:
                _replace(session, redshift.schema_name, PRODUCTS, stage)
                return copied
            if attempt < COUNT_ATTEMPTS:
                sleep(2**attempt * random.uniform(0.25, 0.5))  # noqa: S311
        raise CountMismatchError(dynamodb_table, copied, counted)

    return redshift.run(work)


def load_orders(
    redshift: RedshiftResource,
    s3: "S3Client",
    settings: Settings,
    run_id: str,
    run_prefix: str,
    *,
    full_refresh: bool = False,
    max_bad_share: float = 0,
) -> OrdersLoad:
    """Load the deliveries that the ledger lacks, rows and ledger entries in one transaction.

    A redelivered file replaces the load that brought it, whose other files are loaded again. A
    file that has gone from S3 keeps its rows.

    Args:
        redshift: The warehouse.
        s3: The client that lists deliveries and reads their headers.
        settings: Where the deliveries lie.
        run_id: The run to name in the ledger.
        run_prefix: Prefix of this run's own keys, for the manifests.
        full_refresh: Replace everything by what is on S3 now; rows of files that have gone go.
        max_bad_share: The largest share, 0 to 1, of a load's rows that may be set apart in the
            quarantine as not loadable; 0: a single one fails the load.

    Raises:
        DataError: a header lacks a column, rows cannot be loaded, or replacing a load would
            lose a file that has gone; the tables are as they were.
        PlanOutdatedError: other runs kept committing loads; nothing was loaded.
    """

    def work(session: Session) -> OrdersLoad:
        for table in ORDERS_TABLES:
            session.execute(sql.create_table(redshift.schema_name, table))
        started = time.monotonic()
        plan = _plan(session, redshift.schema_name, s3, settings, full_refresh)
        planned = time.monotonic() - started
        loading = _Loading(session, redshift, s3, settings, run_prefix, max_bad_share)
        loads = list(loading.stage(plan))
        _check_unchanged([stored for load in loads for stored in load.members], s3, settings)
        if loads or plan.everything:
            _commit(plan, loads, session, redshift.schema_name, run_id)
            _sweep_quarantine(session, redshift.schema_name, s3, settings)
        rows = int(session.scalar(sql.count_rows(redshift.schema_name, ORDERS)))
        return OrdersLoad(rows, planned, plan.changes, tuple(loads))

    for _ in range(LEDGER_ATTEMPTS - 1):
        with suppress(PlanOutdatedError):
            return redshift.run(work)
    return redshift.run(work)


def _plan(
    session: Session, schema: str, s3: "S3Client", settings: Settings, everything: bool
) -> _Plan:
    ((load_id, loaded_at),) = session.rows(sql.newest_load(schema))
    newest = (int(load_id), loaded_at)
    listing = (
        stored
        for stored in list_objects(s3, settings.bucket, ORDERS_PREFIX)
        if deliveries.is_delivery(stored)
    )
    if everything:
        return _Plan(newest, Changes(new=list(listing)), [], everything=True)
    entries = (Entry(*row) for row in session.stream(sql.select_ledger(schema)))
    changes = compare(listing, entries)
    again: list[StoredObject] = []
    if changes.outdated:
        members = session.rows(sql.select_members(schema), (tuple(changes.outdated),))
        kept = siblings((Entry(*row) for row in members), changes.redelivered)
        present = _present(s3, settings, [entry.key for entry in kept])
        if gone := lost(kept, {key: stored.etag for key, stored in present.items()}):
            raise _would_lose(settings, changes.redelivered, gone)
        again = list(present.values())
    return _Plan(newest, changes, again, everything=False)


def _present(s3: "S3Client", settings: Settings, keys: Sequence[str]) -> dict[str, StoredObject]:
    """Return by key those of the objects that S3 has now."""

    def first(key: str) -> StoredObject | None:
        # Of the keys that start with this one, it comes first in a listing.
        return next(list_objects(s3, settings.bucket, key), None)

    with ThreadPoolExecutor(HEADER_READERS) as pool:
        found = zip(keys, pool.map(first, keys), strict=True)
        return {key: stored for key, stored in found if stored and stored.key == key}


def _would_lose(
    settings: Settings, redelivered: Sequence[StoredObject], gone: Sequence[str]
) -> DataError:
    return DataError(
        "A file was delivered again, but replacing its rows would lose another file's.",
        where=", ".join(settings.uri(stored.key) for stored in redelivered),
        expected="the files that were loaded together with it still on S3, as they were",
        found=", ".join(map(settings.uri, gone)) + " gone or changed",
        fix="Restore that file (a lifecycle rule may have archived it) and run again; or, if its "
        "rows may go, run redshift_orders with full_refresh: true.",
    )


@dataclass(frozen=True)
class _Loading:
    """The part of a load that only this session sees: deliveries into temporary tables."""

    session: Session
    redshift: RedshiftResource
    s3: "S3Client"
    settings: Settings
    run_prefix: str
    max_bad_share: float

    def stage(self, plan: _Plan) -> Iterator[Load]:
        """COPY each group of deliveries of one shape into a stage, and say what came of it."""
        load_id = plan.newest[0]
        for group in plan.groups:
            for shape, members in self._by_shape(group).items():
                load_id += 1
                rows, rejected = self._copy(load_id, shape, members)
                if rejected:
                    quarantine(load_id, rejected, self.s3, self.settings)
                yield Load(load_id, shape.header, members, rows, rejected)

    def _by_shape(self, group: Sequence[StoredObject]) -> dict[Shape, list[StoredObject]]:
        uris = [self.settings.uri(stored.key) for stored in group]
        with ThreadPoolExecutor(HEADER_READERS) as pool:
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
        self.session.execute(sql.create_stage(stage, ORDERS, shape.header))

        def copy(max_errors: int) -> int:
            return self.session.copy(
                sql.copy_deliveries(
                    stage,
                    shape.header,
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
            if shape.gzip and not is_passing(error):
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


def _commit(plan: _Plan, loads: Sequence[Load], session: Session, schema: str, run_id: str) -> None:
    """Write rows, ledger and rejected rows in one transaction: a crash leaves all or none."""
    with session.transaction():
        for table in ORDERS_TABLES:
            session.execute(sql.lock(schema, table))
        if session.rows(sql.newest_load(schema)) != [plan.newest]:
            raise PlanOutdatedError(f"another run loaded orders since load {plan.newest[0]}")
        for table in ORDERS_TABLES:
            if plan.everything:
                session.execute(sql.delete_all(schema, table))
            elif plan.changes.outdated:
                session.execute(sql.delete_loads(schema, table), (tuple(plan.changes.outdated),))
        for load in loads:
            insert = sql.insert_load(schema, ORDERS, stage_of(load.id), load.header)
            session.execute(insert, (load.id,))
        now = datetime.now(UTC).replace(tzinfo=None)
        _insert(
            session, schema, ORDERS_LOADS, [e for load in loads for e in load.ledger(run_id, now)]
        )
        _insert(session, schema, ORDERS_REJECTED, [row for load in loads for row in load.refused])


def _insert(session: Session, schema: str, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    for piece in slices(rows, INSERTED_ROWS):
        values = tuple(value for row in piece for value in row)
        session.execute(sql.insert_rows(schema, table, len(piece)), values)


def _sweep_quarantine(session: Session, schema: str, s3: "S3Client", settings: Settings) -> None:
    ((newest, _),) = session.rows(sql.newest_load(schema))
    kept = [int(load_id) for (load_id,) in session.rows(sql.quarantined_loads(schema))]
    sweep(int(newest), kept, s3, settings)


def _check_unchanged(members: Sequence[StoredObject], s3: "S3Client", settings: Settings) -> None:
    """Check that what COPY read is what the listing said: the ledger will name its ETags."""
    present = _present(s3, settings, [stored.key for stored in members])
    for stored in members:
        now = present.get(stored.key)
        if now is None or now.etag != stored.etag:
            uri = settings.uri(stored.key)
            raise PlanOutdatedError(f"{uri} was delivered anew, or went, while it was loaded")


def _replace(session: Session, schema: str, table: Table, stage: str) -> None:
    with session.transaction():
        session.execute(sql.lock(schema, table))
        session.execute(sql.delete_all(schema, table))
        session.execute(sql.insert_from_stage(schema, table, stage))
