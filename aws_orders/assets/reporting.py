"""What all assets share: how they report, and which errors are worth a retry."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg

from aws_orders.contract import Column
from aws_orders.errors import DataError

OWNERS = ["team:orders-platform"]
TAGS = {"domain": "orders"}
# Throttling, lost connections, a service that is away: three tries over a quarter of a minute,
# on top of the shorter retries that the clients make by themselves.
RETRIES = dg.RetryPolicy(
    max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
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
def faults_are_final() -> Iterator[Stopwatch]:
    """Time the work inside; let a fault in the data fail the step at once, without retries."""
    try:
        yield Stopwatch()
    except DataError as fault:
        raise dg.Failure(
            description=str(fault),
            metadata={
                "where": fault.where,
                "expected": fault.expected,
                "found": fault.found,
                "to do": fault.fix,
            },
            allow_retries=False,
        ) from fault


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
