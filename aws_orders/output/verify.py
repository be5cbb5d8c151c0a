"""Checks of the files to publish."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aws_orders.config import Settings
from aws_orders.contract import PUBLISHED
from aws_orders.resources.redshift import statements
from aws_orders.resources.redshift.errors import LoadRejectedError
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.redshift.session import Session

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
from aws_orders.output.unloaded import Finding, Revenue, _File

# What a person is told of each check, before it has run.
CHECKS = {
    "no_order_is_lost": "Detailed and unmatched orders together are the orders in Redshift.",
    "header_is_the_contracts": "The file's first line has the contract's columns, in its order.",
    "total_is_the_warehouses": "Redshift, reading the file back, finds as many orders and the "
    "same sum of total as in its own tables.",
    "files_are_whole": "The files on S3 have the parts, bytes and rows that their manifests name.",
}


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
    session.execute(statements.drop_stage(stage))
    session.execute(statements.create_stage(stage, PUBLISHED, PUBLISHED.names))
    if file.parts:
        manifest = settings.uri(f"{file.output.parts_prefix}manifest")
        copy = statements.copy_deliveries(
            stage, PUBLISHED.names, manifest, redshift.iam_role, redshift.data_region
        )
        try:
            session.copy(copy)
        except LoadRejectedError as error:
            told = f"Redshift cannot read the file back: {error.rows}"
            return Finding("total_is_the_warehouses", len(error.rows), told)
    ((rows, found),) = session.rows(statements.sum_of(stage, "total"))
    told = f"The file has {rows:,} orders, {found:,} in all; Redshift {orders:,}, {total:,}."
    return Finding("total_is_the_warehouses", int((rows, found) != (orders, total)), told)


def _whole(*files: _File) -> Finding:
    wrong = [file.differs for file in files if file.differs]
    sizes = ", ".join(f"{file.output.target}: {file.size:,} bytes" for file in files)
    return Finding("files_are_whole", len(wrong), "; ".join(wrong) or f"{sizes}.")
