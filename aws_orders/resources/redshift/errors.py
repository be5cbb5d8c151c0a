"""Redshift's errors: rejected rows, and which errors are transient."""

import re
from dataclasses import dataclass

from aws_orders.errors import RetryableError

# Redshift reports a serialization failure as XX000 with 1023 in its text:
# https://docs.aws.amazon.com/redshift/latest/dg/r_BEGIN.html (40001 is PostgreSQL's code for it).
SERIALIZATION_FAILURE = re.compile(r"\b1023\b.*[Ss]erializable isolation", re.DOTALL)


@dataclass(frozen=True)
class RejectedRow:
    """A row that COPY would not load: where it stands and why."""

    file: str
    line: int
    column: str
    type: str
    reason: str


class LoadRejectedError(Exception):
    """A COPY that loaded nothing because of rows it could not read; `rows` has the first few."""

    def __init__(self, rows: list[RejectedRow]) -> None:
        super().__init__(rows)
        self.rows = rows


class SkippedRowsUnknownError(RetryableError):
    """A COPY skipped rows, and the warehouse does not say which."""


def is_passing(error: Exception) -> bool:
    """Tell whether the same work, done again, may meet a better moment."""
    import psycopg2

    if not isinstance(error, psycopg2.Error):
        return False
    if error.pgcode is None:  # the connection failed, or broke
        lost = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
        return lost and "authentication" not in str(error)
    # Class 57P: the server shut down or is starting. 40: rolled back, may be run again.
    # Another session made the same table in the same moment: a catalog's index (23505), the
    # table's name (42P07) or its row type's (42710) says so, whichever is found first.
    if error.pgcode.startswith(("40", "57P", "23505", "42P07", "42710")):
        return True
    return bool(SERIALIZATION_FAILURE.search(str(error)))
