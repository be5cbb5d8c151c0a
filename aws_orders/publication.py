"""Publication: the join unloaded by Redshift, verified, and put in its place inside S3.

It rewrites both files whole. What it reads is one snapshot; what readers see is the old file or
the new one, never part of one.
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg2.sql import Composed

from aws_orders import sql
from aws_orders.contract import DETAILED_ORDERS, ORDERS, PRODUCTS
from aws_orders.objects import StoredObject
from aws_orders.resources.redshift import RedshiftResource, Session
from aws_orders.resources.s3 import (
    CSV_TYPE,
    delete_prefix,
    join_objects,
    list_objects,
)
from aws_orders.settings import DETAILED_ORDERS as DETAILED_KEY
from aws_orders.settings import UNMATCHED_ORDERS as UNMATCHED_KEY
from aws_orders.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class UnloadMismatchError(Exception):
    """What an UNLOAD left on S3 is not what it says it wrote; nothing was published."""


@dataclass(frozen=True)
class Publication:
    """What was published.

    Attributes:
        detailed: Rows of the main file.
        unmatched: Rows of the file beside it.
        repeated: Order ids that stand in more than one row: all of those are kept.
        bytes: Size of the main file.
    """

    detailed: int
    unmatched: int
    repeated: int
    bytes: int


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


def publish_orders(
    redshift: RedshiftResource, s3: "S3Client", settings: Settings, run_prefix: str
) -> Publication:
    """Unload matched and unmatched orders, verify them, and publish both.

    Args:
        redshift: The warehouse that joins.
        s3: The client that copies.
        settings: The bucket.
        run_prefix: Prefix of keys that no other attempt uses: UNLOAD wants it empty, and
            overwriting would leave an earlier, longer attempt's parts.

    Raises:
        UnloadMismatchError: manifest, parts and counts disagree.
    """
    schema = redshift.schema_name
    detailed = _Output(
        sql.select_detailed(schema),
        tuple(column.name for column in DETAILED_ORDERS),
        DETAILED_KEY,
        f"{run_prefix}detailed_",
    )
    unmatched = _Output(
        sql.select_unmatched(schema), ORDERS.names, UNMATCHED_KEY, f"{run_prefix}unmatched_"
    )

    def work(session: Session) -> tuple[int, int, int]:
        delete_prefix(s3, settings.bucket, run_prefix)
        # Either table may be missing yet: a job may refresh the other one first.
        for table in (ORDERS, PRODUCTS):
            session.execute(sql.create_table(schema, table))
        with session.transaction():
            counts = (
                _unload(session, redshift, settings, detailed),
                _unload(session, redshift, settings, unmatched),
            )
            orders = session.scalar(sql.count_rows(schema, ORDERS))
            repeated = int(session.scalar(sql.count_repeated(schema, ORDERS)))
        if sum(counts) != orders:
            raise UnloadMismatchError(
                f"{counts[0]} orders with and {counts[1]} without a product are not the "
                f"{orders} orders in {redshift.relation(ORDERS.name)}: is a product_id twice in "
                "products? Nothing was published."
            )
        return *counts, repeated

    rows, unmatched_rows, repeated = redshift.run(work)
    # The unmatched first: whoever waits for detailed orders then finds both new.
    _publish(s3, settings, unmatched, unmatched_rows)
    size = _publish(s3, settings, detailed, rows)
    delete_prefix(s3, settings.bucket, run_prefix)
    return Publication(rows, unmatched_rows, repeated, size)


def _unload(
    session: Session, redshift: RedshiftResource, settings: Settings, output: _Output
) -> int:
    return session.unload(
        sql.unload(
            output.query,
            settings.uri(output.parts_prefix),
            redshift.iam_role,
            redshift.data_region,
            session.connection,
        )
    )


def _publish(s3: "S3Client", settings: Settings, output: _Output, rows: int) -> int:
    """Put one unloaded file in its place; return its size in bytes."""
    if rows == 0:
        # An UNLOAD of nothing may write no header and no manifest.
        s3.put_object(
            Bucket=settings.bucket, Key=output.target, Body=output.header, ContentType=CSV_TYPE
        )
        return len(output.header)
    parts = _verified_parts(s3, settings, output, rows)
    join_objects(s3, settings.bucket, parts, output.target, repeated=len(output.header))
    return sum(part.size for part in parts) - len(output.header) * (len(parts) - 1)


def _verified_parts(
    s3: "S3Client", settings: Settings, output: _Output, rows: int
) -> list[StoredObject]:
    """Return an unload's parts in order, once manifest, listing and count agree."""
    body = s3.get_object(Bucket=settings.bucket, Key=f"{output.parts_prefix}manifest")["Body"]
    entries = json.loads(body.read())["entries"]
    stored = {o.key: o for o in list_objects(s3, settings.bucket, output.parts_prefix)}
    keys = [entry["url"].removeprefix(settings.uri("")) for entry in entries]
    sizes = [entry["meta"]["content_length"] for entry in entries]
    # The manifest's counts include the header that every part repeats.
    lines = sum(entry["meta"]["record_count"] for entry in entries)
    if [stored[key].size if key in stored else None for key in keys] != sizes:
        raise UnloadMismatchError(
            f"Parts under {settings.uri(output.parts_prefix)} differ from their manifest: "
            f"{dict(zip(keys, sizes, strict=True))} expected, {stored} found."
        )
    if lines - len(entries) != rows:
        raise UnloadMismatchError(
            f"Redshift unloaded {rows} rows, but the manifest under "
            f"{settings.uri(output.parts_prefix)} counts {lines - len(entries)}."
        )
    return [stored[key] for key in keys]
