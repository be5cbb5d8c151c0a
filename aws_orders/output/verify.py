"""Checks the unloaded files before they are published.

`assets` reports the results to Dagster; a failed check stops the publication. See `checks` for
the checks of the tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from aws_orders.contract import PUBLISHED
from aws_orders.output.unloaded import Unloaded, UnloadedFile
from aws_orders.resources.redshift import statements
from aws_orders.resources.redshift.errors import LoadRejectedError
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.redshift.session import Session
from aws_orders.resources.settings import Settings
from aws_orders.rows.wording import counted

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NO_ORDER_LOST, HEADER_MATCHES, TOTAL_MATCHES, FILES_COMPLETE = (
    "no_order_is_lost",
    "header_matches_contract",
    "total_matches_warehouse",
    "files_are_complete",
)
# The checks' descriptions.
FILE_CHECKS = {
    NO_ORDER_LOST: "Detailed and unmatched orders together are all orders in Redshift.",
    HEADER_MATCHES: "The file's first line has the contract's columns, in the contract's order.",
    TOTAL_MATCHES: "Redshift reads the file back and finds as many orders and the same sum of "
    "total as in its tables.",
    FILES_COMPLETE: "The files on S3 have the parts, bytes and rows of their manifests.",
}
STAGE = "published"


@dataclass(frozen=True)
class FileCheckResult:
    """The result of one check; `faults` is 0 if it passed."""

    check: str
    faults: int
    description: str


def verify_files(
    session: Session,
    redshift: RedshiftResource,
    s3: "S3Client",
    settings: Settings,
    unloaded: Unloaded,
) -> Sequence[FileCheckResult]:
    """Return the result of each of `FILE_CHECKS`, in their order."""
    return (
        _check_rows(unloaded),
        _check_header(s3, settings, unloaded.detailed),
        _check_total(session, redshift, settings, unloaded),
        _check_files(unloaded),
    )


def _check_rows(unloaded: Unloaded) -> FileCheckResult:
    matched, unmatched, orders = unloaded.detailed.rows, unloaded.unmatched.rows, unloaded.orders
    description = (
        f"{counted(matched, 'order')} with and {unmatched:,} without a known product; "
        f"{orders:,} in Redshift."
    )
    return FileCheckResult(NO_ORDER_LOST, abs(matched + unmatched - orders), description)


def _check_header(s3: "S3Client", settings: Settings, file: UnloadedFile) -> FileCheckResult:
    found = expected = file.output.header
    if file.parts:
        start = f"bytes=0-{len(expected) - 1}"
        answer = s3.get_object(Bucket=settings.bucket, Key=file.parts[0].key, Range=start)
        found = answer["Body"].read()
    description = f"The file begins with {found.decode(errors='backslashreplace')!r}"
    if found == expected:
        return FileCheckResult(HEADER_MATCHES, 0, f"{description}.")
    return FileCheckResult(HEADER_MATCHES, 1, f"{description}, not with {expected.decode()!r}.")


def _check_total(
    session: Session, redshift: RedshiftResource, settings: Settings, unloaded: Unloaded
) -> FileCheckResult:
    """Compare the file with the tables: Redshift reads it as a consumer would."""
    expected = (
        sum(revenue.orders for revenue in unloaded.by_category),
        sum((revenue.total for revenue in unloaded.by_category), Decimal(0)),
    )
    try:
        found = _read_back(session, redshift, settings, unloaded.detailed)
    except LoadRejectedError as error:
        rejected = "; ".join(f"line {row.line}, {row.column}: {row.reason}" for row in error.rows)
        return FileCheckResult(
            TOTAL_MATCHES, len(error.rows), f"Redshift cannot read the file back: {rejected}"
        )
    description = (
        f"The file has {counted(found[0], 'order')} with a sum of {found[1]:,}; "
        f"Redshift has {expected[0]:,} with {expected[1]:,}."
    )
    return FileCheckResult(TOTAL_MATCHES, int(found != expected), description)


def _read_back(
    session: Session, redshift: RedshiftResource, settings: Settings, file: UnloadedFile
) -> tuple[int, Decimal]:
    """COPY a file into a temporary table; return its number of rows and the sum of total."""
    session.execute(statements.drop_stage(STAGE))
    session.execute(statements.create_stage(STAGE, PUBLISHED, PUBLISHED.names))
    if file.parts:
        manifest = settings.uri(f"{file.output.parts_prefix}manifest")
        session.copy(
            statements.copy_deliveries(
                STAGE, PUBLISHED.names, manifest, redshift.iam_role, redshift.data_region
            )
        )
    ((rows, total),) = session.rows(statements.sum_of(STAGE, "total"))
    return rows, total


def _check_files(unloaded: Unloaded) -> FileCheckResult:
    files = (unloaded.detailed, unloaded.unmatched)
    differences = [file.difference for file in files if file.difference]
    sizes = ", ".join(f"{file.output.key}: {counted(file.size, 'byte')}" for file in files)
    return FileCheckResult(FILES_COMPLETE, len(differences), "; ".join(differences) or f"{sizes}.")
