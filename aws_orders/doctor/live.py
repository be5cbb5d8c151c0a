"""The live test: loads ten rows from S3 into Redshift, unloads them, and compares.

It creates keys under one prefix, one table and temporary tables, and always deletes them. It
executes the platform's statements, from `resources.redshift.statements` and `orders.sql`.
"""

import csv
import dataclasses
import io
import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

from psycopg2.sql import SQL, Identifier

from aws_orders.contract import COUNT, ID, LOAD_ID, MONEY, ORDERS, PRODUCTS, TIME, Column
from aws_orders.doctor.checks import Check, Diagnosis, Problem, Status, diagnose
from aws_orders.orders import sql
from aws_orders.orders.deliveries import copy_manifest
from aws_orders.resources.dynamodb import DynamoDBResource
from aws_orders.resources.locations import split_s3_url
from aws_orders.resources.redshift import statements
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.redshift.session import Session
from aws_orders.resources.s3 import delete_prefix, join_objects, list_objects
from aws_orders.resources.settings import RUNS_PREFIX, Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REPORT = "Please report this bug."
# A larger products table is not copied, because reading costs per item.
MOST_ITEMS = 10_000
# Quotes, commas, a line break, characters of two to four bytes, an empty text.
TEXTS = ('Ada "A." Dahl', "Brandt, Olga", "Émile\nIto", "日本 𝄞", "", "F", "G", "H", "I", "J")


def _value(column: Column, number: int, money: str) -> str:
    """Return a value of a column's type for the row with this number; empty for other types."""
    if column.type.max_bytes is not None:
        text = TEXTS[number - 1] or ("-" if column.required else "")
        return text.encode()[: column.type.max_bytes].decode(errors="ignore")
    values = {ID: str(number), COUNT: str(number), MONEY: money, TIME: "2026-01-31 12:00:00"}
    return values.get(column.type, "")


def _rows(money: str) -> tuple[tuple[str, ...], ...]:
    numbers = range(1, len(TEXTS) + 1)
    return tuple(tuple(_value(column, n, money) for column in ORDERS.columns) for n in numbers)


# The rows that are loaded, and those expected after rounding to the cent.
ROWS, ROUNDED = _rows("10.005"), _rows("10.01")


def live_test(
    settings: Settings, s3: "S3Client", dynamodb: DynamoDBResource, redshift: RedshiftResource
) -> Iterator[Diagnosis]:
    """Perform the steps, stop at the first failure, and clean up."""
    test = _LiveTest(settings, s3, dynamodb, redshift)
    try:
        for check in test.steps():
            yield (diagnosis := diagnose(check))
            if diagnosis.status is Status.MISSING:
                break
    except BaseException:
        test.clean_up()
        raise
    yield diagnose(test.cleaning())


class _LiveTest:
    """The keys, the table and the session of one test."""

    session: Session

    def __init__(
        self,
        settings: Settings,
        s3: "S3Client",
        dynamodb: DynamoDBResource,
        redshift: RedshiftResource,
    ) -> None:
        self.settings, self.s3, self.dynamodb, self.redshift = settings, s3, dynamodb, redshift
        name = f"doctor_{uuid.uuid4().hex[:12]}"
        self.prefix = settings.key(f"{RUNS_PREFIX}{name}/")
        self.table = dataclasses.replace(ORDERS, name=name)
        self.opened = ExitStack()

    def steps(self) -> Iterator[Check]:
        """Return the steps; each depends on those before it."""
        arn = f"arn:aws:s3:::{self.settings.bucket}/{self.prefix}*"
        role = self.redshift.iam_role
        attach = f"Attach the role ({role}) to the warehouse and allow it "
        reading = f"s3:GetObject and s3:ListBucket on {self.settings.bucket}."
        runs = self.settings.key(RUNS_PREFIX)
        writing = f"s3:PutObject on arn:aws:s3:::{self.settings.bucket}/{runs}*."
        scanning = f"dynamodb:Scan and DescribeTable on {self.settings.products_table}."
        grants = "Grant the privileges that are reported above as missing."
        yield Check("live: writing to S3", self._write, "s3:PutObject", arn)
        yield Check("live: copying inside S3", self._join, "s3:GetObject and s3:PutObject", arn)
        yield Check("live: COPY from S3", self._copy, absent=attach + reading)
        yield Check("live: rows in one transaction", self._insert, absent=grants)
        yield Check("live: UNLOAD to S3", self._unload, absent=attach + writing)
        yield Check("live: COPY from DynamoDB", self._copy_items, absent=attach + scanning)

    def cleaning(self) -> Check:
        """Return the last step, which cleans up."""
        manually = (
            f"Delete {self.settings.uri(self.prefix)} and the table "
            f"{self.redshift.relation(self.table.name)} yourself."
        )
        arn = f"arn:aws:s3:::{self.settings.bucket}/{self.prefix}*"
        return Check("live: cleaning up", self.clean_up, "s3:DeleteObject", arn, manually)

    def clean_up(self) -> str:
        """Delete what was created, in a new session: the test's session may be broken."""
        self.opened.close()
        name = Identifier(self.redshift.schema_name, self.table.name)
        self.redshift.run(
            lambda session: session.execute(SQL("DROP TABLE IF EXISTS {}").format(name))
        )
        delete_prefix(self.s3, self.settings.bucket, self.prefix)
        return "everything is deleted"

    def _write(self) -> str:
        text = io.StringIO()
        csv.writer(text).writerows([ORDERS.names, *ROWS])
        self._put("rows.csv", text.getvalue().encode())
        return f"{len(ROWS)} rows in {self.settings.uri(self.prefix)}"

    def _join(self) -> str:
        parts = list(list_objects(self.s3, self.settings.bucket, f"{self.prefix}rows.csv"))
        join_objects(self.s3, self.settings.bucket, parts, f"{self.prefix}orders.csv")
        return "allowed"

    def _copy(self) -> str | Problem:
        self.session = self.opened.enter_context(self.redshift.session())
        uri = self.settings.uri(self.prefix)
        self._put("manifest", copy_manifest([f"{uri}orders.csv"]))
        self.session.execute(statements.create_stage("orders_stage", ORDERS, ORDERS.names))
        copied = self.session.copy(
            statements.copy_deliveries(
                "orders_stage",
                ORDERS.names,
                f"{uri}manifest",
                self.redshift.iam_role,
                self.redshift.data_region,
                gzip=False,
            )
        )
        return _check_count(copied, "rows copied with a manifest")

    def _insert(self) -> str | Problem:
        schema, session = self.redshift.schema_name, self.session
        session.execute(statements.create_table(schema, self.table))
        with session.transaction():
            session.execute(statements.lock(schema, self.table))
            session.execute(statements.delete_all(schema, self.table))
            session.execute(sql.insert_load(schema, self.table, "orders_stage", ORDERS.names), (1,))
        by_load = SQL("SELECT {} FROM {}").format(
            Identifier(LOAD_ID.name), Identifier(schema, self.table.name)
        )
        return _check_count(len(list(session.stream(by_load))), "rows locked, replaced and read")

    def _unload(self) -> str | Problem:
        query = SQL("SELECT {} FROM {} ORDER BY {}").format(
            statements.names(ORDERS.names),
            Identifier(self.redshift.schema_name, self.table.name),
            Identifier(ORDERS.key),
        )
        with self.session.transaction():
            self.session.unload(
                statements.unload(
                    query,
                    self.settings.uri(f"{self.prefix}unloaded_"),
                    self.redshift.iam_role,
                    self.redshift.data_region,
                    self.session.connection,
                )
            )
        entries = json.loads(self._read(f"{self.prefix}unloaded_manifest"))["entries"]
        keys = [split_s3_url(entry["url"])[1] for entry in entries]
        text = "".join(self._read(key) for key in keys)
        header, *rows = map(tuple, csv.reader(io.StringIO(text, newline="")))
        if header != ORDERS.names or rows != list(ROUNDED):
            return Problem(f"{header}, {rows}", f"{ORDERS.names}, {list(ROUNDED)}", REPORT)
        return f"{len(rows)} rows unchanged, rounded to the cent"

    def _copy_items(self) -> str | Problem:
        client, name = self.dynamodb.get_client(), self.settings.products_table
        try:
            items = client.describe_table(TableName=name)["Table"]["ItemCount"]
        except client.exceptions.ResourceNotFoundException:
            return "skipped: the table does not exist yet; run this check again after the first run"
        if items > MOST_ITEMS:
            return f"skipped: it would read about {items} items, which costs money"
        self.session.execute(statements.create_stage("products_stage", PRODUCTS, PRODUCTS.names))
        copy = statements.copy_dynamodb(
            "products_stage",
            PRODUCTS.names,
            name,
            self.redshift.iam_role,
            self.redshift.data_region,
        )
        copied, counted = self.session.copy(copy), self.dynamodb.count(client, name)
        if copied != counted:
            found = f"{copied} items copied, {counted} counted"
            fix = "Retry when nothing writes to the table."
            return Problem(found, "equal numbers", fix, Status.WARN)
        return f"{copied} items"

    def _put(self, name: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.settings.bucket, Key=f"{self.prefix}{name}", Body=body)

    def _read(self, key: str) -> str:
        body = self.s3.get_object(Bucket=self.settings.bucket, Key=key)["Body"]
        return body.read().decode()


def _check_count(rows: int, what: str) -> str | Problem:
    if rows == len(ROWS):
        return f"{rows} {what}"
    return Problem(f"{rows} {what}", f"{len(ROWS)} {what}", REPORT)
