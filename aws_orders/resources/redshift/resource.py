"""The Redshift resource."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import dagster as dg
from botocore.config import Config
from pydantic import Field, PrivateAttr

from aws_orders.errors import DataError
from aws_orders.resources.aws_errors import name_places
from aws_orders.resources.aws_sessions import new_session
from aws_orders.resources.redshift.connection import Address, PasswordRefusedError, connect
from aws_orders.resources.redshift.credentials import (
    Credentials,
    CredentialsCache,
    of_cluster,
    of_secret,
    of_workgroup,
)

if TYPE_CHECKING:
    from psycopg2.extensions import connection
from aws_orders.resources.redshift.errors import is_passing
from aws_orders.resources.redshift.session import ATTEMPTS, FIRST_WAIT_SECONDS, Session

Result = TypeVar("Result")

# What each way to connect needs.
NEEDED = {
    "password": ("host", "user", "password"),
    "serverless": ("workgroup",),
    "cluster": ("cluster",),
    "secret": ("secret",),
}


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
