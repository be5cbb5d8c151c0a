"""Loads into Redshift: which statements, in which order, so that any of them may run again.

Both stage into temporary tables first and then replace the target's rows in one transaction
that locks it before anything else. The SQL itself is `sql`'s, the connection `resources`'.
"""

import gzip
import io
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from aws_orders import deliveries, sql
from aws_orders.contract import ORDERS, PRODUCTS, Table
from aws_orders.csv_header import MAX_HEADER_BYTES, check_header, parse_header, record_at_line
from aws_orders.errors import DataError
from aws_orders.resources.redshift import (
    LoadRejectedError,
    RedshiftResource,
    RejectedRow,
    Session,
)
from aws_orders.resources.s3 import list_objects
from aws_orders.settings import ORDERS_PREFIX, Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HEADER_READERS = 16
COUNT_ATTEMPTS = 6


@dataclass(frozen=True)
class OrdersLoad:
    """What a load of orders brought: rows, deliveries, and unknown columns by how many had them."""

    rows: int
    deliveries: int
    copies: int
    unknown_columns: dict[str, int]


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
                _replace(session, redshift.schema_name, PRODUCTS, [stage])
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
    redshift: RedshiftResource, s3: "S3Client", settings: Settings, run_prefix: str
) -> OrdersLoad:
    """Make Redshift's orders equal to all deliveries on S3, in one transaction.

    Args:
        redshift: The warehouse.
        s3: The client that lists deliveries and reads their headers.
        settings: Where the deliveries lie.
        run_prefix: Prefix of this run's own keys, for the manifests.

    Raises:
        DataError: a header lacks a column, or rows cannot be loaded; the table is as it was.
    """
    keys = [
        stored.key
        for stored in list_objects(s3, settings.bucket, ORDERS_PREFIX)
        if deliveries.is_delivery(stored)
    ]
    with ThreadPoolExecutor(HEADER_READERS) as pool:
        headers = dict(
            zip(keys, pool.map(lambda key: _read_header(s3, settings, key), keys), strict=True)
        )
    shapes = deliveries.group_by_shape(headers)
    manifests = []
    for number, members in enumerate(shapes.values()):
        key = f"{run_prefix}orders_{number}.manifest"
        body = deliveries.copy_manifest(map(settings.uri, members))
        s3.put_object(Bucket=settings.bucket, Key=key, Body=body)
        manifests.append(settings.uri(key))

    def work(session: Session) -> int:
        session.execute(sql.create_table(redshift.schema_name, ORDERS))
        stages, rows = [], 0
        for number, (shape, manifest) in enumerate(zip(shapes, manifests, strict=True)):
            stage = f"orders_stage_{number}"
            session.execute(sql.create_stage(stage, ORDERS, shape.header))
            rows += session.copy(
                sql.copy_deliveries(
                    stage,
                    shape.header,
                    manifest,
                    redshift.iam_role,
                    redshift.data_region,
                    shape.gzip,
                )
            )
            stages.append(stage)
        _replace(session, redshift.schema_name, ORDERS, stages)
        return rows

    try:
        rows = redshift.run(work)
    except LoadRejectedError as error:
        raise _rejected(error.rows, s3) from error
    return OrdersLoad(
        rows, len(keys), len(shapes), deliveries.unknown_columns(shapes, ORDERS.names)
    )


def _replace(session: Session, schema: str, table: Table, stages: Sequence[str]) -> None:
    with session.transaction():
        session.execute(sql.lock(schema, table))
        session.execute(sql.delete_all(schema, table))
        for stage in stages:
            session.execute(sql.insert_from_stage(schema, table, stage))


def _read_header(s3: "S3Client", settings: Settings, key: str) -> tuple[str, ...]:
    """Read a delivery's first line and check it: IGNOREHEADER skips it without a look."""
    uri = settings.uri(key)
    with _lines(s3, settings.bucket, key) as lines:
        try:
            line = lines.readline(MAX_HEADER_BYTES + 1)
        except (gzip.BadGzipFile, EOFError) as error:
            raise DataError(
                "The file is not gzip, though its name says so.",
                where=uri,
                expected="gzipped CSV",
                found=str(error),
                fix="Deliver the file again, gzipped, or name it .csv.",
            ) from error
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
