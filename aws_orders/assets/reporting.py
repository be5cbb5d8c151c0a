"""What all assets share: how they report, and which errors are worth a retry."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg
from botocore.exceptions import ClientError, HTTPClientError
from urllib3.exceptions import HTTPError

from aws_orders.contract import Column
from aws_orders.errors import DataError
from aws_orders.loads import CountMismatchError, PlanOutdatedError
from aws_orders.resources import redshift
from aws_orders.resources.dynamodb import ThrottledError

OWNERS = ["team:orders-platform"]
TAGS = {"domain": "orders"}
# Throttling, lost connections, a service that is away: three tries over some seconds,
# on top of the shorter retries that the clients make by themselves.
RETRIES = dg.RetryPolicy(
    max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
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
        yield Stopwatch()
    except DataError as fault:
        details = {"where": fault.where, "expected": fault.expected, "found": fault.found}
        raise dg.Failure(
            str(fault), metadata={**details, "to do": fault.fix}, allow_retries=False
        ) from fault
    except Exception as error:
        if _may_pass(error):
            raise
        told = f"{type(error).__name__}: {str(error).strip()}"
        raise dg.Failure(told, allow_retries=False) from error


def _may_pass(error: Exception) -> bool:
    """Tell whether a retry of the step may succeed: throttled, cut off, or not there just now."""
    if isinstance(error, ClientError):
        return bool(error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500)
    passing = (
        ThrottledError,
        CountMismatchError,
        PlanOutdatedError,
        HTTPClientError,
        HTTPError,
    )
    return isinstance(error, passing) or redshift.is_passing(error)


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
