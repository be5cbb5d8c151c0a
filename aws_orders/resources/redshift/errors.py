"""Redshift's errors: rows that COPY rejects, and which errors are worth another attempt.

`is_transient` decides this for every caller: `RedshiftResource.run` repeats an operation, and
`reporting.steps` leaves the step to its retry policy. `resources.aws_errors` parses
S3 and DynamoDB errors in COPY messages; see `connection` for errors while connecting.
"""

import re
from dataclasses import dataclass

from aws_orders.errors import RetryableError

# How often an operation is attempted, and the shortest wait in between (see `retries`).
ATTEMPTS = 4
FIRST_WAIT_SECONDS = 0.5

# Redshift reports a serialization failure as XX000 with 1023 in its text, PostgreSQL as 40001:
# https://docs.aws.amazon.com/redshift/latest/dg/r_BEGIN.html
SERIALIZATION_FAILURE = re.compile(r"\b1023\b.*[Ss]erializable isolation", re.DOTALL)
# By SQLSTATE. Class 40: the transaction was rolled back. Class 57P: the server shut down or is
# starting. The others: another session created the same table at the same moment, and the error
# names the catalog's index (23505), the table (42P07) or its row type (42710).
TRANSIENT_STATES = ("40", "57P", "23505", "42P07", "42710")


@dataclass(frozen=True)
class RejectedRow:
    """A row that COPY rejected: its file, line and column, and the reason."""

    file: str
    line: int
    column: str
    reason: str


class LoadRejectedError(Exception):
    """A COPY rejected rows and loaded nothing; `rows` has the first of them."""

    def __init__(self, rows: list[RejectedRow]) -> None:
        super().__init__(rows)
        self.rows = rows


class SkippedRowsUnknownError(RetryableError):
    """A COPY skipped rows, and the warehouse does not list all of them."""


def is_transient(error: Exception) -> bool:
    """Return whether the same operation may succeed on another attempt."""
    import psycopg2

    if not isinstance(error, psycopg2.Error):
        return False
    if error.pgcode is None:  # the connection failed, or broke
        lost = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
        return lost and "authentication" not in str(error)
    if error.pgcode.startswith(TRANSIENT_STATES):
        return True
    return bool(SERIALIZATION_FAILURE.search(str(error)))
