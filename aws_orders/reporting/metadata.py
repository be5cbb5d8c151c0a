"""What assets and checks share: how they report, and which errors are worth a retry."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field
from urllib3.exceptions import HTTPError

from aws_orders.config import Settings
from aws_orders.contract import Column, Table
from aws_orders.errors import DataError, RetryableError
from aws_orders.reporting.previews import ROWS, first_rows, shown, table
from aws_orders.resources.aws_errors import explained_by_redshift, explaining
from aws_orders.resources.redshift import statements
from aws_orders.resources.redshift.errors import is_passing
from aws_orders.resources.redshift.resource import RedshiftResource

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OWNERS = ["team:orders-platform"]
TAGS = {"domain": "orders"}
# Throttling, lost connections, a service that is away: three tries over some seconds,
# on top of the shorter retries that the clients make by themselves.
RETRIES = dg.RetryPolicy(
    max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)

# What an asset yields that also checks; Dagster reads the annotation.
Reports = Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]


class FetchConfig(dg.Config):
    """What a person may set for a single run of an asset that fetches a feed."""

    force: bool = Field(
        default=False,
        description="Fetch the feed also if its ETag proves that it has not changed.",
    )


class Stopwatch:
    """Measures an asset's work, and turns what came of it into metadata."""

    def __init__(self) -> None:
        self.started = time.monotonic()

    def metadata(self, rows: int | None, details: Mapping[str, Any]) -> dict[str, Any]:
        """Return rows (None: not known) under Dagster's standard key, seconds, and `details`."""
        seconds = time.monotonic() - self.started
        counted = {}
        if rows is not None:
            counted = {"dagster/row_count": rows, "rows per second": round(rows / seconds)}
        return {**counted, "seconds": round(seconds, 3), **details}


@contextmanager
def work() -> Iterator[Stopwatch]:
    """Time the work inside; let a failure that no retry can mend fail the step at once."""
    try:
        with explaining():
            yield Stopwatch()
    except DataError as fault:
        raise _failure(fault) from fault
    except Exception as error:
        if _may_pass(error):
            raise
        # Only COPY and UNLOAD have S3's errors in their text.
        if refused := explained_by_redshift(str(error)):
            raise _failure(refused) from error
        told = f"{type(error).__name__}: {str(error).strip()}"
        raise dg.Failure(told, allow_retries=False) from error


def _failure(fault: DataError) -> dg.Failure:
    details = {"where": fault.where, "expected": fault.expected, "found": fault.found}
    return dg.Failure(str(fault), metadata={**details, "to do": fault.fix}, allow_retries=False)


def _may_pass(error: Exception) -> bool:
    """Tell whether a retry of the step may succeed: throttled, cut off, or not there just now."""
    return isinstance(error, (RetryableError, HTTPError)) or is_passing(error)


def schema(columns: Iterable[Column]) -> dict[str, Any]:
    """Return the contract's columns as Dagster's column schema, under its standard key."""
    return {
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(
                    name=column.name,
                    type=column.type.ddl,
                    description=column.meaning,
                    constraints=dg.TableColumnConstraints(nullable=not column.required),
                    tags={"personal-data": ""} if column.personal else {},
                )
                for column in columns
            ]
        )
    }


def displayed(render: Callable[[], str]) -> dg.MarkdownMetadataValue:
    """Return Markdown for people as metadata; where it cannot be made, one sentence why."""
    return dg.MetadataValue.md(shown(render))


def preview_of(s3: "S3Client", settings: Settings, key: str) -> dg.MarkdownMetadataValue:
    """Return the first rows of a CSV object, e-mail addresses masked, as metadata."""

    def render() -> str:
        header, *rows = first_rows(s3, settings.bucket, key)
        return table(header, rows)

    return displayed(render)


def preview_of_table(redshift: RedshiftResource, of: Table) -> dg.MarkdownMetadataValue:
    """Return some rows of a table in the warehouse, e-mail addresses masked, as metadata."""
    query = statements.sample(redshift.schema_name, of)
    return displayed(lambda: table(*redshift.run(lambda session: session.head(query, ROWS))))


def check_result(
    spec: dg.AssetCheckSpec, faults: int, told: str, metadata: Mapping[str, Any] | None = None
) -> dg.AssetCheckResult:
    """Return what a check found: an error where it blocks, else a warning.

    Args:
        spec: The check.
        faults: How many rows, or other things, are at fault; 0 passes.
        told: What was found, in one sentence.
        metadata: Examples, and the SQL to see all.
    """
    return dg.AssetCheckResult(
        passed=not faults,
        asset_key=spec.asset_key,
        check_name=spec.name,
        severity=dg.AssetCheckSeverity.ERROR if spec.blocking else dg.AssetCheckSeverity.WARN,
        description=told,
        metadata={"at fault": faults, **(metadata or {})},
    )


def stop_if_blocked(
    specs: Sequence[dg.AssetCheckSpec], results: Sequence[dg.AssetCheckResult]
) -> None:
    """Raise DataError where a blocking check failed, which keeps the last file in its place."""
    blocking = {spec.name for spec in specs if spec.blocking}
    failed = [found for found in results if found.check_name in blocking and not found.passed]
    if failed:
        names = ", ".join(str(found.check_name) for found in failed)
        raise DataError(
            f"Blocked by {names}: nothing is published, output/detailed_orders.csv is as it was.",
            where=specs[0].asset_key.to_user_string(),
            expected="every blocking check passes",
            found="\n            ".join(str(found.description) for found in failed),
            fix="See the check in the UI: its examples, and the SQL that finds all. Mend the "
            "source and run again.",
        )


def columns_check(asset: str) -> dg.AssetCheckSpec:
    """Return the declaration of the check that `columns_result` answers."""
    return dg.AssetCheckSpec(
        "columns_are_as_before",
        asset=asset,
        description="The files have the columns that those of the load before had.",
    )


def columns_result(
    context: dg.AssetExecutionContext, spec: dg.AssetCheckSpec, columns: Sequence[str]
) -> tuple[dg.AssetCheckResult, dict[str, Any]]:
    """Compare a load's columns with the last load's.

    Args:
        context: Has the instance that recorded the last load.
        spec: The check.
        columns: The columns of what was loaded; none where nothing was.

    Returns:
        What the check found, and the metadata that the next load is compared with.
    """
    last = context.instance.get_latest_materialization_event(spec.asset_key)
    recorded = last and last.asset_materialization and last.asset_materialization.metadata
    before = list(recorded["columns"].value) if recorded and "columns" in recorded else []
    now = sorted(columns) or before
    appeared = sorted(set(now) - set(before)) if before else []
    vanished = sorted(set(before) - set(now))
    told = f"Appeared: {', '.join(appeared) or 'none'}; vanished: {', '.join(vanished) or 'none'}."
    found = check_result(spec, len(appeared) + len(vanished), told)
    return found, {"columns": dg.MetadataValue.json(now)}
