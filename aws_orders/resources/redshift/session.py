"""A session with the verbs that loads are made of."""

import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg2.extensions import connection, cursor
    from psycopg2.sql import Composable
from aws_orders.resources.redshift.errors import (
    LoadRejectedError,
    RejectedRow,
    SkippedRowsUnknownError,
)

ATTEMPTS = 4
FIRST_WAIT_SECONDS = 0.5
# Rows that an error tells of.
REJECTED_SHOWN = 10
# The most that a single-node cluster takes: https://docs.aws.amazon.com/redshift/latest/dg/fetch.html
FETCH_ROWS = 1000
# What COPY says, among its last notices, of rows that MAXERROR let it skip.
SKIPPED = re.compile(r"(\d+) record\(s\) could not be loaded")
NOTICES = 3
# https://docs.aws.amazon.com/redshift/latest/dg/SYS_LOAD_ERROR_DETAIL.html
LOAD_ERRORS = """
    SELECT trim(file_name), line_number, trim(column_name), trim(column_type), trim(error_message)
    FROM sys_load_error_detail
    WHERE query_id = (SELECT max(query_id) FROM sys_load_error_detail
                      WHERE session_id = pg_backend_pid())
    ORDER BY file_name, line_number
    LIMIT %s
"""


class Session:
    """One connection to the warehouse, in autocommit but for `transaction()`."""

    def __init__(self, connection: "connection") -> None:
        self.connection = connection

    def execute(self, statement: "Composable", arguments: tuple[Any, ...] | None = None) -> None:
        """Run a statement that returns nothing."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, arguments)

    def scalar(self, query: "str | Composable", arguments: tuple[Any, ...] | None = None) -> Any:
        """Return the first column of the first row that `query` gives."""
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
        """Return all rows that `query` gives; see `_dates_as_text`."""
        with self.connection.cursor() as cursor:
            if dates_as_text:
                _dates_as_text(cursor)
            cursor.execute(query, arguments)
            return cursor.fetchall()

    def head(self, query: "Composable", rows: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the names of a query's columns, and its first rows, at most `rows`.

        Dates are text, see `_dates_as_text`.
        """
        from psycopg2.sql import SQL, Literal

        with self.connection.cursor() as cursor:
            _dates_as_text(cursor)
            cursor.execute(SQL("{}\nLIMIT {}").format(query, Literal(rows)))
            return [column.name for column in cursor.description or ()], cursor.fetchall()

    def stream(self, query: "Composable") -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a result of any length, `FETCH_ROWS` in memory, in a transaction.

        Redshift has cursors in transactions alone, and one at a time:
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
        """Commit what is done inside, or on any error roll all of it back.

        REPEATABLE READ gives one snapshot throughout; Redshift accepts the words and uses the
        database's own isolation, which is no weaker: https://docs.aws.amazon.com/redshift/latest/dg/r_BEGIN.html
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
        """Run a COPY and return the rows loaded, as the server counts them.

        Raises:
            LoadRejectedError: rows could not be read; nothing was loaded.
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
        """Return the rows that the COPY before, which may skip some, has skipped.

        COPY tells their number in a notice, and system views may lag: they are read until they
        have as many, at most `ATTEMPTS` times.

        Raises:
            SkippedRowsUnknownError: the view never had as many.
        """
        told = SKIPPED.findall("".join(self.connection.notices[-NOTICES:]))
        expected = int(told[-1]) if told else 1
        rows: list[RejectedRow] = []
        for attempt in range(1, ATTEMPTS + 1):
            rows = self.rejected_rows(limit)
            if len(rows) >= expected:
                return rows
            if attempt < ATTEMPTS:
                sleep(FIRST_WAIT_SECONDS * 2**attempt * random.uniform(0.5, 1))  # noqa: S311
        raise SkippedRowsUnknownError(
            f"COPY skipped {expected} rows, but sys_load_error_detail lists {len(rows)}."
        )

    def rejected_rows(self, limit: int) -> list[RejectedRow]:
        """Return the first rows, at most `limit`, that this session's last COPY with some left."""
        with self.connection.cursor() as cursor:
            cursor.execute(LOAD_ERRORS, (limit,))
            return [RejectedRow(*row) for row in cursor.fetchall()]

    def unload(self, statement: "Composable") -> int:
        """Run an UNLOAD and return the rows written, header lines apart."""
        self.execute(statement)
        return int(self.scalar("SELECT pg_last_unload_count()"))


def _dates_as_text(cursor: "cursor") -> None:
    """Make a cursor return dates and times as the server writes them.

    The server knows years that Python's datetime cannot hold, such as 20260 and those BC;
    psycopg2 raises ValueError for them.
    """
    from psycopg2.extensions import new_type, register_type

    date_and_time = (1082, 1114, 1184)  # PostgreSQL's and Redshift's type numbers
    as_text = new_type(date_and_time, "DATES_AS_TEXT", lambda value, _: value)
    register_type(as_text, cursor)
