"""Redshift: a resource on psycopg2, and a session with the verbs that loads are made of.

dagster-aws has a RedshiftClientResource; it logs SQL whole, binds no parameters, does not mark
its password secret, and commits half a transaction on a client-side error. Statements are
written in `sql`; what is loaded when is decided in `loads` and `publication`. Who connects, and
how, is in `redshift_credentials` and `redshift_connection`.
"""

import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import dagster as dg
from botocore.config import Config
from pydantic import Field, PrivateAttr

from aws_orders.errors import DataError
from aws_orders.resources.aws_errors import name_places
from aws_orders.resources.aws_sessions import new_session
from aws_orders.resources.redshift_connection import Address, PasswordRefusedError, connect
from aws_orders.resources.redshift_credentials import (
    Credentials,
    CredentialsCache,
    of_cluster,
    of_secret,
    of_workgroup,
)

if TYPE_CHECKING:
    from psycopg2.extensions import connection, cursor
    from psycopg2.sql import Composable

Result = TypeVar("Result")

# What each way to connect needs.
NEEDED = {
    "password": ("host", "user", "password"),
    "serverless": ("workgroup",),
    "cluster": ("cluster",),
    "secret": ("secret",),
}
ATTEMPTS = 4
FIRST_WAIT_SECONDS = 0.5
# Rows that an error tells of.
REJECTED_SHOWN = 10
# The most that a single-node cluster takes: https://docs.aws.amazon.com/redshift/latest/dg/fetch.html
FETCH_ROWS = 1000
# Redshift reports a serialization failure as XX000 with 1023 in its text:
# https://docs.aws.amazon.com/redshift/latest/dg/r_BEGIN.html (40001 is PostgreSQL's code for it).
SERIALIZATION_FAILURE = re.compile(r"\b1023\b.*[Ss]erializable isolation", re.DOTALL)
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


class SkippedRowsUnknownError(Exception):
    """A COPY skipped rows, and the warehouse does not say which."""


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


class RedshiftResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """A Redshift warehouse, provisioned or serverless, as its endpoint serves it."""

    auth: str = Field(
        default="password",
        description="Where user and password come from: 'password' (the fields below), "
        "'serverless' (temporary ones for a workgroup), 'cluster' (temporary ones for a "
        "provisioned cluster) or 'secret' (Secrets Manager).",
    )
    workgroup: str = Field(default="", description="Serverless workgroup, for 'serverless'.")
    cluster: str = Field(default="", description="Cluster's identifier, for 'cluster'.")
    secret: str = Field(default="", description="Secret's ARN or name, for 'secret'.")
    region_name: str = Field(default="", description="Warehouse's region; default: boto3's chain.")
    host: str = Field(
        default="", description="Endpoint's host name; empty where `auth` can look it up."
    )
    port: int = Field(default=5439, description="Endpoint's port.")
    database: str = Field(description="Database that holds the tables.")
    schema_name: str = Field(default="public", description="Schema that holds the tables.")
    user: str = Field(default="", description="Database user, for 'password'.")
    password: str = Field(
        default="",
        description="The user's password, for 'password'.",
        json_schema_extra={"dagster__is_secret": True},
        repr=False,
    )
    sslmode: str = Field(default="verify-full", description="libpq's sslmode.")
    sslrootcert: str = Field(
        default="", description="File of trusted roots; empty: certifi's, Amazon's among them."
    )
    iam_role: str = Field(
        default="default",
        description="ARN of the role that COPY and UNLOAD use, or 'default' for the warehouse's.",
    )
    data_region: str = Field(
        default="", description="Region of bucket and products table, where not the warehouse's."
    )
    connect_timeout_seconds: int = Field(default=30, description="Time to connect.")
    statement_timeout_seconds: int = Field(
        default=3600, description="Time that a statement may take, queueing included."
    )

    _cache: CredentialsCache = PrivateAttr(default_factory=CredentialsCache)

    def relation(self, table: str) -> str:
        """Return a table's full name, database.schema.table."""
        return f"{self.database}.{self.schema_name}.{table}"

    def check_settings(self) -> None:
        """Check that what `auth` needs is there.

        Raises:
            DataError: it is not; it names the environment variables of `definitions`.
        """
        needed = NEEDED.get(self.auth)
        if needed is None:
            raise DataError(
                "There is no such way to connect.",
                where="REDSHIFT_AUTH",
                expected=", ".join(NEEDED),
                found=self.auth,
                fix="Correct REDSHIFT_AUTH.",
            )
        if missing := [f"REDSHIFT_{name.upper()}" for name in needed if not getattr(self, name)]:
            raise DataError(
                "Settings of the warehouse are missing.",
                where=f"REDSHIFT_AUTH={self.auth}",
                expected=", ".join(f"REDSHIFT_{name.upper()}" for name in needed),
                found="no " + ", no ".join(missing),
                fix="Set them in the environment, or another REDSHIFT_AUTH.",
            )

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a session and close it afterwards.

        Raises:
            DataError: settings, credentials or the certificate are not right.
        """
        with closing(self._connect()) as connection:
            connection.autocommit = True
            session = Session(connection)
            # https://docs.aws.amazon.com/redshift/latest/dg/r_SET_CONFIG.html
            session.scalar(
                "SELECT set_config('statement_timeout', %s, false)",
                (str(self.statement_timeout_seconds * 1000),),
            )
            yield session

    def _connect(self) -> "connection":
        self.check_settings()
        credentials = self._cache.get(self._fetch)
        try:
            return self._open(credentials)
        except PasswordRefusedError:
            if self.auth == "password":
                raise
        # The secret was rotated, or the credentials were revoked, since they were fetched.
        return self._open(self._cache.get(self._fetch, refused=credentials))

    def _open(self, credentials: Credentials) -> "connection":
        address = Address(
            self.host or credentials.host,
            self.port if self.host else credentials.port,
            self.database,
            self.sslmode,
            self.sslrootcert,
        )
        if not address.host:
            raise DataError(
                "The warehouse's address is not known.",
                where=f"REDSHIFT_AUTH={self.auth}",
                expected="REDSHIFT_HOST, or an endpoint where the credentials come from",
                found="neither",
                fix="Set REDSHIFT_HOST; or resume the warehouse, if it is paused.",
            )
        return connect(address, credentials, self.connect_timeout_seconds)

    def _fetch(self) -> Credentials:
        """Ask for credentials, in the words of `auth`."""
        find_host = not self.host
        match self.auth:
            case "serverless":
                client = self.aws_client("redshift-serverless")
                return of_workgroup(client, self.workgroup, self.database, find_host)
            case "cluster":
                client = self.aws_client("redshift")
                return of_cluster(client, self.cluster, self.database, find_host)
            case "secret":
                return of_secret(self.aws_client("secretsmanager"), self.secret)
        return Credentials(self.user, self.password)

    def aws_client(self, service: str) -> Any:
        """Return a new boto3 client of a service in the warehouse's region."""
        # A session of its own: boto3's default one is not made for threads.
        session = new_session(region_name=self.region_name or None)
        config = Config(retries={"max_attempts": 5, "mode": "standard"}, connect_timeout=10)
        return name_places(session.client(service, config=config))  # type: ignore[call-overload]

    def run(
        self, work: Callable[[Session], Result], sleep: Callable[[float], None] = time.sleep
    ) -> Result:
        """Do `work` in a session of its own; after a passing failure, again from the start.

        A lost connection leaves open whether its last statement took effect, so `work` must
        come to the same when all of it is done twice: staging into temporary tables and
        replacing rows in one transaction does.

        Args:
            work: What to do; called at most `ATTEMPTS` times.
            sleep: Waits between attempts: doubling from `FIRST_WAIT_SECONDS`, with jitter.
        """
        for attempt in range(1, ATTEMPTS):
            try:
                with self.session() as session:
                    return work(session)
            except Exception as error:
                if not is_passing(error):
                    raise
                sleep(FIRST_WAIT_SECONDS * 2**attempt * random.uniform(0.5, 1))  # noqa: S311
        with self.session() as session:
            return work(session)


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
