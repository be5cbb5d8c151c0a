"""A session: one connection to the warehouse, with the operations that loads consist of.

The caller chooses the SQL. See `connection` for how it is opened, and `resource` for retries after
a transient error.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aws_orders.resources.redshift.errors import (
    ATTEMPTS,
    FIRST_WAIT_SECONDS,
    LoadRejectedError,
    RejectedRow,
    SkippedRowsUnknownError,
)
from aws_orders.resources.retries import backoff_seconds

if TYPE_CHECKING:
    from psycopg2.extensions import connection, cursor
    from psycopg2.sql import Composable

# How many rejected rows an error names.
REJECTED_SHOWN = 10
# The most that a single-node cluster returns: https://docs.aws.amazon.com/redshift/latest/dg/fetch.html
FETCH_ROWS = 1000
# COPY reports the number of rows that MAXERROR let it skip in one of its last notices.
SKIPPED = re.compile(r"(\d+) record\(s\) could not be loaded")
LAST_NOTICES = 3
# https://docs.aws.amazon.com/redshift/latest/dg/SYS_LOAD_ERROR_DETAIL.html
LOAD_ERRORS = """
    SELECT trim(file_name), line_number, trim(column_name), trim(error_message)
    FROM sys_load_error_detail
    WHERE query_id = (SELECT max(query_id) FROM sys_load_error_detail
                      WHERE session_id = pg_backend_pid())
    ORDER BY file_name, line_number
    LIMIT %s
"""
# PostgreSQL's and Redshift's type numbers of date, timestamp and timestamptz.
DATE_TYPES = (1082, 1114, 1184)


class Session:
    """One connection to the warehouse, in autocommit mode except inside `transaction()`."""

    def __init__(self, connection: "connection") -> None:
        self.connection = connection

    def execute(self, statement: "Composable", arguments: tuple[Any, ...] | None = None) -> None:
        """Execute a statement that returns nothing."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, arguments)

    def scalar(self, query: "str | Composable", arguments: tuple[Any, ...] | None = None) -> Any:
        """Return the first column of a query's first row; None if there is no row."""
        with self.connection.cursor() as cursor:
            cursor.execute(query, arguments)
            row = cursor.fetchone()
            return row[0] if row else None

    def rows(
        self,
        query: "Composable",
        arguments: tuple[Any, ...] | None = None,
        *,
        dates_as_text: bool = False,
    ) -> list[tuple[Any, ...]]:
        """Return all rows of a query; for `dates_as_text` see `_read_dates_as_text`."""
        with self.connection.cursor() as cursor:
            if dates_as_text:
                _read_dates_as_text(cursor)
            cursor.execute(query, arguments)
            return cursor.fetchall()

    def head(self, query: "Composable", rows: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return a query's column names and its first rows, at most `rows`.

        Dates are text; see `_read_dates_as_text`.
        """
        from psycopg2.sql import SQL, Literal

        with self.connection.cursor() as cursor:
            _read_dates_as_text(cursor)
            cursor.execute(SQL("{}\nLIMIT {}").format(query, Literal(rows)))
            return [column.name for column in cursor.description or ()], cursor.fetchall()

    def stream(self, query: "Composable") -> Iterator[tuple[Any, ...]]:
        """Yield a query's rows in a transaction, at most `FETCH_ROWS` of them in memory.

        Redshift supports cursors only in transactions, and one at a time:
        https://docs.aws.amazon.com/redshift/latest/dg/declare.html
        """
        from psycopg2.sql import SQL, Literal

        fetch = SQL("FETCH FORWARD {} FROM streamed").format(Literal(FETCH_ROWS))
        with self.transaction():
            self.execute(SQL("DECLARE streamed CURSOR FOR {}").format(query))
            while rows := self.rows(fetch):
                yield from rows

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit the statements of the block; on any error roll all of them back.

        REPEATABLE READ gives one snapshot for the whole transaction. Redshift accepts the words
        and uses the database's isolation level, which is at least as strong:
        https://docs.aws.amazon.com/redshift/latest/dg/r_BEGIN.html
        """
        with self.connection.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            try:
                yield
            except BaseException:
                if not self.connection.closed:
                    cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")

    def copy(self, statement: "Composable") -> int:
        """Execute a COPY and return the number of rows loaded, as the server counts them.

        Raises:
            LoadRejectedError: COPY rejected rows; nothing was loaded.
        """
        import psycopg2

        try:
            self.execute(statement)
        except psycopg2.Error as error:
            if "load_error" not in str(error):
                raise
            raise LoadRejectedError(self.rejected_rows(REJECTED_SHOWN)) from error
        return int(self.scalar("SELECT pg_last_copy_count()"))

    def skipped_rows(
        self, limit: int, sleep: Callable[[float], None] = time.sleep
    ) -> list[RejectedRow]:
        """Return the rows that the preceding COPY with MAXERROR skipped.

        System views may lag. They are read until they list as many rows as COPY reported in its
        notice, at most `ATTEMPTS` times.

        Args:
            limit: The most rows to return, MAXERROR of that COPY.
            sleep: Sleep function, for the seconds between attempts.

        Raises:
            SkippedRowsUnknownError: the view still lists fewer rows.
        """
        reported = SKIPPED.findall("".join(self.connection.notices[-LAST_NOTICES:]))
        expected = int(reported[-1]) if reported else 1
        rows: list[RejectedRow] = []
        for attempt in range(1, ATTEMPTS + 1):
            rows = self.rejected_rows(limit)
            if len(rows) >= expected:
                return rows
            if attempt < ATTEMPTS:
                sleep(backoff_seconds(attempt, FIRST_WAIT_SECONDS))
        raise SkippedRowsUnknownError(
            f"COPY skipped {expected} rows, but sys_load_error_detail lists {len(rows)}."
        )

    def rejected_rows(self, limit: int) -> list[RejectedRow]:
        """Return the rows, at most `limit`, of this session's last COPY that rejected some."""
        with self.connection.cursor() as cursor:
            cursor.execute(LOAD_ERRORS, (limit,))
            return [RejectedRow(*row) for row in cursor.fetchall()]

    def unload(self, statement: "Composable") -> int:
        """Execute an UNLOAD and return the number of rows written, without header lines."""
        self.execute(statement)
        return int(self.scalar("SELECT pg_last_unload_count()"))


def _read_dates_as_text(cursor: "cursor") -> None:
    """Make a cursor return dates and times as the server writes them.

    The server supports years that Python's datetime does not, such as 20260 and years BC;
    psycopg2 raises ValueError for them.
    """
    from psycopg2.extensions import new_type, register_type

    register_type(new_type(DATE_TYPES, "DATES_AS_TEXT", lambda value, _: value), cursor)
