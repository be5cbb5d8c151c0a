"""Loads into Redshift: which statements, in which order, so that any of them may run again.

Both stage into temporary tables first and then write the target in one transaction that locks
it before anything else. The SQL itself is `sql`'s, the connection `resources`', what differs
from the ledger `ledger`'s.
"""

import gzip
import io
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, cast

from botocore.exceptions import ClientError

from aws_orders import deliveries, sql
from aws_orders.contract import ORDERS, ORDERS_LOADS, PRODUCTS, Table
from aws_orders.csv_header import MAX_HEADER_BYTES, check_header, parse_header, record_at_line
from aws_orders.deliveries import Shape
from aws_orders.errors import DataError
from aws_orders.ledger import Changes, Entry, compare, lost, siblings, slices
from aws_orders.objects import StoredObject
from aws_orders.resources.redshift import (
    LoadRejectedError,
    RedshiftResource,
    RejectedRow,
    Session,
)
from aws_orders.resources.s3 import list_objects
from aws_orders.settings import ORDERS_FEED, ORDERS_PREFIX, Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HEADER_READERS = 16
COUNT_ATTEMPTS = 6
LEDGER_ATTEMPTS = 4
# Entries an INSERT: a statement may take 16 MB in Redshift.
LEDGER_ROWS = 1000


@dataclass(frozen=True)
class OrdersLoad:
    """What a load of orders did.

    Attributes:
        rows: Rows in the table now.
        planning_seconds: Spent on comparing the listing with the ledger.
        loaded: Rows that were loaded.
        new: Deliveries loaded for the first time.
        redelivered: Deliveries that replaced what they had brought before.
        copies: COPY statements.
        unknown_columns: By column that the contract does not know, the files that have it.
    """

    rows: int
    planning_seconds: float
    loaded: int
    new: int
    redelivered: int
    copies: int
    unknown_columns: dict[str, list[str]]


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


class PlanOutdatedError(Exception):
    """Another run's load, or a file delivered anew, came after this run's plan was made."""


class CountMismatchError(Exception):
    """Redshift's COPY saw another number of items than DynamoDB holds, time and again."""


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
        raise CountMismatchError(
            f"COPY from dynamodb://{dynamodb_table} brought {copied} items, DynamoDB counts "
            f"{counted}, {COUNT_ATTEMPTS} times. Is something else writing to the table? "
            "Run again once it is quiet; Redshift's products are as they were."
        )

    return redshift.run(work)


def load_orders(
    redshift: RedshiftResource,
    s3: "S3Client",
    settings: Settings,
    run_id: str,
    run_prefix: str,
    *,
    full_refresh: bool = False,
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

    Raises:
        DataError: a header lacks a column, rows cannot be loaded, or replacing a load would
            lose a file that has gone; the tables are as they were.
        PlanOutdatedError: other runs kept committing loads; nothing was loaded.
    """

    def work(session: Session) -> OrdersLoad:
        for table in (ORDERS, ORDERS_LOADS):
            session.execute(sql.create_table(redshift.schema_name, table))
        started = time.monotonic()
        plan = _plan(session, redshift.schema_name, s3, settings, full_refresh)
        planned = time.monotonic() - started
        return _carry_out(plan, planned, session, redshift, s3, settings, run_id, run_prefix)

    for _ in range(LEDGER_ATTEMPTS - 1):
        with suppress(PlanOutdatedError):
            return _or_rejected(redshift, s3, work)
    return _or_rejected(redshift, s3, work)


def _or_rejected(
    redshift: RedshiftResource, s3: "S3Client", work: Callable[[Session], OrdersLoad]
) -> OrdersLoad:
    try:
        return redshift.run(work)
    except LoadRejectedError as error:
        raise _rejected(error.rows, s3) from error


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


def _carry_out(
    plan: _Plan,
    planning_seconds: float,
    session: Session,
    redshift: RedshiftResource,
    s3: "S3Client",
    settings: Settings,
    run_id: str,
    run_prefix: str,
) -> OrdersLoad:
    schema = redshift.schema_name
    loads: list[tuple[str, Shape, list[StoredObject], int]] = []
    for group in plan.groups:
        for shape, members in _by_shape(group, s3, settings).items():
            stage = f"orders_stage_{len(loads)}"
            manifest = f"{run_prefix}{stage}.manifest"
            body = deliveries.copy_manifest(settings.uri(stored.key) for stored in members)
            s3.put_object(Bucket=settings.bucket, Key=manifest, Body=body)
            session.execute(sql.create_stage(stage, ORDERS, shape.header))
            copy = sql.copy_deliveries(
                stage,
                shape.header,
                settings.uri(manifest),
                redshift.iam_role,
                redshift.data_region,
                shape.gzip,
            )
            loads.append((stage, shape, members, session.copy(copy)))
    _check_unchanged([stored for *_, members, _ in loads for stored in members], s3, settings)
    if loads or plan.everything:
        with session.transaction():
            _commit_loads(plan, loads, session, schema, run_id)
    return OrdersLoad(
        rows=int(session.scalar(sql.count_rows(schema, ORDERS))),
        planning_seconds=planning_seconds,
        loaded=sum(rows for *_, rows in loads),
        new=len(plan.changes.new),
        redelivered=len(plan.changes.redelivered),
        copies=len(loads),
        unknown_columns=deliveries.unknown_columns(
            ((shape.header, [o.key for o in members]) for _, shape, members, _ in loads),
            ORDERS.names,
        ),
    )


def _commit_loads(
    plan: _Plan,
    loads: Sequence[tuple[str, Shape, list[StoredObject], int]],
    session: Session,
    schema: str,
    run_id: str,
) -> None:
    """Write rows and ledger, inside a transaction: a crash leaves both or neither."""
    for table in (ORDERS, ORDERS_LOADS):
        session.execute(sql.lock(schema, table))
    if session.rows(sql.newest_load(schema)) != [plan.newest]:
        raise PlanOutdatedError(f"another run loaded orders since load {plan.newest[0]}")
    for table in (ORDERS, ORDERS_LOADS):
        if plan.everything:
            session.execute(sql.delete_all(schema, table))
        elif plan.changes.outdated:
            session.execute(sql.delete_loads(schema, table), (tuple(plan.changes.outdated),))
    now = datetime.now(UTC).replace(tzinfo=None)
    entries = []
    for load_id, (stage, shape, members, rows) in enumerate(loads, start=plan.newest[0] + 1):
        session.execute(sql.insert_load(schema, ORDERS, stage, shape.header), (load_id,))
        entries += [(load_id, o.key, o.etag, o.size, rows, run_id, now) for o in members]
    for piece in slices(entries, LEDGER_ROWS):
        values = tuple(value for entry in piece for value in entry)
        session.execute(sql.insert_ledger(schema, len(piece)), values)


def _check_unchanged(members: Sequence[StoredObject], s3: "S3Client", settings: Settings) -> None:
    """Check that what COPY read is what the listing said: the ledger will name its ETags."""
    present = _present(s3, settings, [stored.key for stored in members])
    for stored in members:
        now = present.get(stored.key)
        if now is None or now.etag != stored.etag:
            uri = settings.uri(stored.key)
            raise PlanOutdatedError(f"{uri} was delivered anew, or went, while it was loaded")


def _by_shape(
    group: Sequence[StoredObject], s3: "S3Client", settings: Settings
) -> dict[Shape, list[StoredObject]]:
    with ThreadPoolExecutor(HEADER_READERS) as pool:
        headers = pool.map(lambda stored: _read_header(s3, settings, stored.key), group)
        return deliveries.group_by_shape(zip(group, headers, strict=True))


def _replace(session: Session, schema: str, table: Table, stage: str) -> None:
    with session.transaction():
        session.execute(sql.lock(schema, table))
        session.execute(sql.delete_all(schema, table))
        session.execute(sql.insert_from_stage(schema, table, stage))


def _read_header(s3: "S3Client", settings: Settings, key: str) -> tuple[str, ...]:
    """Read a delivery's first line and check it: IGNOREHEADER skips it without a look."""
    uri = settings.uri(key)
    try:
        with _lines(s3, settings.bucket, key) as lines:
            line = lines.readline(MAX_HEADER_BYTES + 1)
    except (gzip.BadGzipFile, EOFError) as error:
        raise DataError(
            "The file is not gzip, though its name says so.",
            where=uri,
            expected="gzipped CSV",
            found=str(error),
            fix="Deliver the file again, gzipped, or name it .csv.",
        ) from error
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        raise PlanOutdatedError(f"{uri} went while it was to be loaded") from error
    header = parse_header(line, uri)
    check_header(header, ORDERS, uri)
    return header


@contextmanager
def _lines(s3: "S3Client", bucket: str, key: str) -> Iterator[IO[bytes]]:
    """Open a delivery for reading by lines, uncompressed."""
    with closing(s3.get_object(Bucket=bucket, Key=key)["Body"]) as body:
        buffered = io.BufferedReader(cast("io.RawIOBase", body), 64 * 1024)
        zipped = key.endswith(".gz")
        yield cast("IO[bytes]", gzip.GzipFile(fileobj=buffered) if zipped else buffered)


def _rejected(rows: list[RejectedRow], s3: "S3Client") -> DataError:
    """Tell of the rows that COPY refused, each with the value that its file has there."""
    found = [
        f"{row.file}, line {row.line}, column {row.column}: {_value(row, s3)} ({row.reason})"
        for row in rows
    ]
    return DataError(
        "Rows cannot be loaded; the orders table is as it was.",
        where=f"{rows[0].file}, line {rows[0].line}" if rows else "sys_load_error_detail",
        expected=", ".join(f"{column.name} {column.type.ddl}" for column in ORDERS.columns),
        found="\n            ".join(found) or "no details",
        fix="Correct the file and deliver it again under the same key, or remove it.",
    )


def _value(row: RejectedRow, s3: "S3Client") -> str:
    """Look the rejected value up in its file: the warehouse reports place and reason, not value."""
    column = ORDERS.column(row.column)
    if column is None:
        return "?"
    if column.personal:
        return "(personal data)"
    bucket, _, key = row.file.removeprefix("s3://").partition("/")
    with _lines(s3, bucket, key) as lines:
        header = parse_header(lines.readline(), row.file)
        record = record_at_line(lines, row.line - 1)
    position = header.index(column.name)
    return repr(record[position]) if position < len(record) else "nothing"
