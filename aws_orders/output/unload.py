"""Unloads detailed and unmatched orders, and their revenue, in one snapshot.

See `sql` for the queries and `verify` for the checks of what was written.
"""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from aws_orders.contract import ORDERS, PRODUCTS, PUBLISHED
from aws_orders.output import sql
from aws_orders.output.unloaded import (
    ManifestEntry,
    OutputFile,
    Revenue,
    Unloaded,
    UnloadedFile,
    compare_with_manifest,
)
from aws_orders.output.verify import FileCheckResult, verify_files
from aws_orders.resources.redshift import statements
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.redshift.schema_evolution import evolve
from aws_orders.resources.redshift.session import Session
from aws_orders.resources.s3 import delete_prefix, list_objects
from aws_orders.resources.settings import DETAILED_ORDERS_KEY, UNMATCHED_ORDERS_KEY, Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def unload_orders(
    redshift: RedshiftResource, s3: "S3Client", settings: Settings, run_prefix: str
) -> tuple[Unloaded, Sequence[FileCheckResult]]:
    """Unload matched and unmatched orders of one snapshot, and check the files.

    Args:
        redshift: The warehouse that joins and unloads.
        s3: The client that reads what was written.
        settings: The bucket.
        run_prefix: Prefix of keys that no other attempt uses. UNLOAD needs it to be empty:
            leftover parts of an earlier attempt would otherwise remain.

    Returns:
        The files, and the result of each check in the order of `verify.FILE_CHECKS`.
    """
    schema = redshift.schema_name
    detailed, unmatched = _outputs(schema, settings, run_prefix)

    def unload(session: Session) -> tuple[Unloaded, Sequence[FileCheckResult]]:
        delete_prefix(s3, settings.bucket, run_prefix)
        # Creates missing tables: a job may refresh only one of them before the first unload.
        evolve(session, schema, (PRODUCTS, ORDERS))
        with session.transaction():
            matched_rows = _unload(session, redshift, settings, detailed)
            unmatched_rows = _unload(session, redshift, settings, unmatched)
            orders = int(session.scalar(statements.count_rows(schema, ORDERS)))
            revenue = session.rows(sql.select_revenue(schema), dates_as_text=True)
        unloaded = Unloaded(
            inspect_output(s3, settings, detailed, matched_rows),
            inspect_output(s3, settings, unmatched, unmatched_rows),
            orders,
            *_split_revenue(revenue),
        )
        return unloaded, verify_files(session, redshift, s3, settings, unloaded)

    return redshift.run(unload)


def _outputs(schema: str, settings: Settings, run_prefix: str) -> tuple[OutputFile, OutputFile]:
    return (
        OutputFile(
            sql.select_detailed(schema),
            PUBLISHED.names,
            settings.key(DETAILED_ORDERS_KEY),
            f"{run_prefix}detailed_",
        ),
        OutputFile(
            sql.select_unmatched(schema),
            ORDERS.names,
            settings.key(UNMATCHED_ORDERS_KEY),
            f"{run_prefix}unmatched_",
        ),
    )


def _unload(
    session: Session, redshift: RedshiftResource, settings: Settings, output: OutputFile
) -> int:
    return session.unload(
        statements.unload(
            output.query,
            settings.uri(output.parts_prefix),
            redshift.iam_role,
            redshift.data_region,
            session.connection,
        )
    )


def _split_revenue(rows: Iterable[tuple[Any, ...]]) -> tuple[list[Revenue], list[Revenue]]:
    """Split the rows of `sql.select_revenue` into categories and months, both in order."""
    categories, months = [], []
    for category, month, orders, total, is_month in rows:
        if not is_month:
            categories.append(Revenue(category or "no category", orders, total))
        elif month:
            # Text, such as 2026-11-01 00:00:00: Python's datetime does not reach every year.
            months.append(Revenue(month.rpartition("-")[0], orders, total))
    return categories, sorted(months, key=lambda revenue: revenue.group)


def inspect_output(
    s3: "S3Client", settings: Settings, output: OutputFile, rows: int
) -> UnloadedFile:
    """Read what UNLOAD wrote: its manifest, and the sizes of the parts on S3."""
    if rows == 0:  # An UNLOAD of no rows may write neither a header nor a manifest.
        return UnloadedFile(output, 0, [], "")
    body = s3.get_object(Bucket=settings.bucket, Key=f"{output.parts_prefix}manifest")["Body"]
    manifest = [
        ManifestEntry(
            settings.key_of(entry["url"]),
            entry["meta"]["content_length"],
            entry["meta"]["record_count"],
        )
        for entry in json.loads(body.read())["entries"]
    ]
    stored = {part.key: part for part in list_objects(s3, settings.bucket, output.parts_prefix)}
    return compare_with_manifest(output, rows, manifest, stored)
