"""One step of an asset: its duration as metadata, and which errors its retry policy retries.

Every asset and check works inside `timed_step`. This is the only place that decides whether a step
is retried; see `resources.aws_errors`, `resources.transient` and `resources.redshift.errors` for
what each service's errors mean.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg
from urllib3.exceptions import HTTPError

from aws_orders.errors import DataError, RetryableError
from aws_orders.resources.aws_errors import explained_by_redshift, explaining
from aws_orders.resources.redshift.errors import is_transient


class Stopwatch:
    """Measures a step, and returns its metadata."""

    def __init__(self) -> None:
        self.started = time.monotonic()

    def metadata(self, rows: int | None, details: Mapping[str, Any]) -> dict[str, Any]:
        """Return the metadata of a materialization: rows, duration and `details`.

        Args:
            rows: The number of rows, for Dagster's standard key; None: not known.
            details: Further metadata, by key.
        """
        seconds = time.monotonic() - self.started
        counted = {}
        if rows is not None:
            counted = {"dagster/row_count": rows, "rows_per_second": round(rows / seconds)}
        return {**counted, "seconds": round(seconds, 3), **details}


@contextmanager
def timed_step() -> Iterator[Stopwatch]:
    """Time the block; fail the step without retries if a retry cannot succeed.

    Raises:
        dg.Failure: a permanent error, with its place and its fix as metadata.
        Exception: a transient error as it is; the step's retry policy retries it.
    """
    try:
        with explaining():
            yield Stopwatch()
    except DataError as error:
        raise _failure(error) from error
    except Exception as error:
        if isinstance(error, (RetryableError, HTTPError)) or is_transient(error):
            raise
        # Only COPY and UNLOAD report errors of S3 and DynamoDB in their message.
        if explained := explained_by_redshift(str(error)):
            raise _failure(explained) from error
        message = f"{type(error).__name__}: {str(error).strip()}"
        raise dg.Failure(message, allow_retries=False) from error


def _failure(error: DataError) -> dg.Failure:
    metadata = {
        "where": error.where,
        "expected": error.expected,
        "found": error.found,
        "fix": error.fix,
    }
    return dg.Failure(str(error), metadata=metadata, allow_retries=False)
