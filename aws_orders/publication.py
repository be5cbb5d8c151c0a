"""Publication: the join unloaded by Redshift, checked, and put in its place inside S3.

Whether what the checks found forbids publication is decided by the asset, between the two. It
rewrites both files whole. What it reads is one snapshot; what readers see is the old file or
the new one, never part of one.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from psycopg2.sql import Composed

from aws_orders import sql
from aws_orders.contract import ORDERS, PRODUCTS, PUBLISHED
from aws_orders.objects import StoredObject
from aws_orders.resources.redshift import LoadRejectedError, RedshiftResource, Session
from aws_orders.resources.s3 import (
    CSV_TYPE,
    delete_prefix,
    join_objects,
    list_objects,
)
from aws_orders.schema_evolution import evolve
from aws_orders.settings import DETAILED_ORDERS as DETAILED_KEY
from aws_orders.settings import UNMATCHED_ORDERS as UNMATCHED_KEY
from aws_orders.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class UnloadMismatchError(Exception):
    """What stands on S3 is not what was to be published."""


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


# What a person is told of each check, before it has run.
CHECKS = {
    "no_order_is_lost": "Detailed and unmatched orders together are the orders in Redshift.",
    "header_is_the_contracts": "The file's first line has the contract's columns, in its order.",
    "total_is_the_warehouses": "Redshift, reading the file back, finds as many orders and the "
    "same sum of total as in its own tables.",
    "files_are_whole": "The files on S3 have the parts, bytes and rows that their manifests name.",
}


def unload_orders(
    redshift: RedshiftResource, s3: "S3Client", settings: Settings, run_prefix: str
) -> Unloaded:
    """Unload matched and unmatched orders of one snapshot, and check what came of it.

    Args:
        redshift: The warehouse that joins.
        s3: The client that looks at what was written.
        settings: The bucket.
        run_prefix: Prefix of keys that no other attempt uses: UNLOAD wants it empty, and
            overwriting would leave an earlier, longer attempt's parts.
    """
    schema = redshift.schema_name
    detailed = _Output(
        sql.select_detailed(schema), PUBLISHED.names, DETAILED_KEY, f"{run_prefix}detailed_"
    )
    unmatched = _Output(
        sql.select_unmatched(schema), ORDERS.names, UNMATCHED_KEY, f"{run_prefix}unmatched_"
    )

    def work(session: Session) -> Unloaded:
        delete_prefix(s3, settings.bucket, run_prefix)
        # Either table may be missing yet: a job may refresh the other one first.
        evolve(session, schema, (PRODUCTS, ORDERS))
        with session.transaction():
            rows = _unload(session, redshift, settings, detailed)
            others = _unload(session, redshift, settings, unmatched)
            orders = int(session.scalar(sql.count_rows(schema, ORDERS)))
            revenue = session.rows(sql.select_revenue(schema), dates_as_text=True)
        main, beside = _look(s3, settings, detailed, rows), _look(s3, settings, unmatched, others)
        by_category, by_month = _revenue(revenue)
        findings = (
            _none_lost(rows, others, orders),
            _header(s3, settings, main),
            _totals(session, redshift, settings, main, by_category),
            _whole(main, beside),
        )
        return Unloaded(main, beside, findings, by_category, by_month)

    return redshift.run(work)


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


def _revenue(rows: Iterable[tuple[Any, ...]]) -> tuple[list[Revenue], list[Revenue]]:
    """Take apart what `sql.select_revenue` gives: by category, and by month in their order."""
    categories, months = [], []
    for category, month, orders, total, is_month in rows:
        if not is_month:
            categories.append(Revenue(category or "no category", orders, total))
        elif month:
            # Text, such as 2026-11-01 00:00:00: a year may be beyond those of Python's datetime.
            months.append(Revenue(month.rpartition("-")[0], orders, total))
    return categories, sorted(months, key=lambda revenue: revenue.of)


def _look(s3: "S3Client", settings: Settings, output: _Output, rows: int) -> _File:
    """Hold an unload's manifest against what is on S3, and against its count of rows."""
    if rows == 0:  # An UNLOAD of nothing may write no header and no manifest.
        return _File(output, 0, [], "")
    body = s3.get_object(Bucket=settings.bucket, Key=f"{output.parts_prefix}manifest")["Body"]
    entries = json.loads(body.read())["entries"]
    stored = {o.key: o for o in list_objects(s3, settings.bucket, output.parts_prefix)}
    expected = {
        entry["url"].removeprefix(settings.uri("")): entry["meta"]["content_length"]
        for entry in entries
    }
    found = {key: stored[key].size for key in expected if key in stored}
    # The manifest's counts include the header that every part repeats.
    counted = sum(entry["meta"]["record_count"] for entry in entries) - len(entries)
    differs = ""
    if found != expected:
        differs = f"{output.target}: the manifest has parts of {expected} bytes, S3 {found}"
    elif counted != rows:
        differs = f"{output.target}: the manifest counts {counted} rows, Redshift {rows}"
    return _File(output, rows, [stored[key] for key in found], differs)


def _none_lost(detailed: int, unmatched: int, orders: int) -> Finding:
    told = f"{detailed:,} orders with and {unmatched:,} without a product; {orders:,} in Redshift."
    return Finding("no_order_is_lost", abs(detailed + unmatched - orders), told)


def _header(s3: "S3Client", settings: Settings, file: _File) -> Finding:
    expected = file.output.header
    found = expected
    if file.parts:
        span = f"bytes=0-{len(expected) - 1}"
        answer = s3.get_object(Bucket=settings.bucket, Key=file.parts[0].key, Range=span)
        found = answer["Body"].read()
    return Finding("header_is_the_contracts", int(found != expected), f"It is {found.decode()!r}.")


def _totals(
    session: Session,
    redshift: RedshiftResource,
    settings: Settings,
    file: _File,
    by_category: Sequence[Revenue],
) -> Finding:
    """Have Redshift read the file back: what it finds there is what a reader will find."""
    stage = "published"
    orders, total = sum(r.orders for r in by_category), sum(r.total for r in by_category)
    session.execute(sql.drop_stage(stage))
    session.execute(sql.create_stage(stage, PUBLISHED, PUBLISHED.names))
    if file.parts:
        manifest = settings.uri(f"{file.output.parts_prefix}manifest")
        copy = sql.copy_deliveries(
            stage, PUBLISHED.names, manifest, redshift.iam_role, redshift.data_region
        )
        try:
            session.copy(copy)
        except LoadRejectedError as error:
            told = f"Redshift cannot read the file back: {error.rows}"
            return Finding("total_is_the_warehouses", len(error.rows), told)
    ((rows, found),) = session.rows(sql.sum_of(stage, "total"))
    told = f"The file has {rows:,} orders, {found:,} in all; Redshift {orders:,}, {total:,}."
    return Finding("total_is_the_warehouses", int((rows, found) != (orders, total)), told)


def _whole(*files: _File) -> Finding:
    wrong = [file.differs for file in files if file.differs]
    sizes = ", ".join(f"{file.output.target}: {file.size:,} bytes" for file in files)
    return Finding("files_are_whole", len(wrong), "; ".join(wrong) or f"{sizes}.")


def publish_orders(s3: "S3Client", settings: Settings, unloaded: Unloaded, run_prefix: str) -> None:
    """Put both files in their places, and delete what is under the run's prefix.

    Raises:
        UnloadMismatchError: what stands there then has another size.
    """
    # The unmatched first: whoever waits for detailed orders then finds both new.
    for file in (unloaded.unmatched, unloaded.detailed):
        _publish(s3, settings, file)
    delete_prefix(s3, settings.bucket, run_prefix)


def _publish(s3: "S3Client", settings: Settings, file: _File) -> None:
    target, header = file.output.target, file.output.header
    if file.parts:
        join_objects(s3, settings.bucket, file.parts, target, repeated=len(header))
    else:
        s3.put_object(Bucket=settings.bucket, Key=target, Body=header, ContentType=CSV_TYPE)
    size = s3.head_object(Bucket=settings.bucket, Key=target)["ContentLength"]
    if size != file.size:
        raise UnloadMismatchError(
            f"{settings.uri(target)} has {size} bytes where {file.size} were to be published. "
            "Does something else write there? Run again."
        )
