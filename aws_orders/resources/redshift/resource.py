"""The Redshift resource: settings, sessions, and retries after a transient error.

See `connection` for how a connection is opened, `credentials` for user and password, and `session`
for its operations.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import dagster as dg
from botocore.config import Config
from pydantic import Field, PrivateAttr

from aws_orders.errors import DataError
from aws_orders.resources.aws_errors import record_resources
from aws_orders.resources.aws_sessions import new_session
from aws_orders.resources.redshift.connection import Address, PasswordRefusedError, connect
from aws_orders.resources.redshift.credentials import (
    Credentials,
    CredentialsCache,
    cluster_credentials,
    secret_credentials,
    workgroup_credentials,
)
from aws_orders.resources.redshift.errors import ATTEMPTS, FIRST_WAIT_SECONDS, is_transient
from aws_orders.resources.redshift.session import Session
from aws_orders.resources.retries import backoff_seconds

if TYPE_CHECKING:
    from psycopg2.extensions import connection

Result = TypeVar("Result")

# The settings that each authentication method requires.
REQUIRED = {
    "password": ("host", "user", "password"),
    "serverless": ("workgroup",),
    "cluster": ("cluster",),
    "secret": ("secret",),
}


class RedshiftResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """A Redshift warehouse, provisioned or serverless, reached through its endpoint."""

    auth: str = Field(
        default="password",
        description="Source of user and password: 'password' (the fields below), "
        "'serverless' (temporary credentials for a workgroup), 'cluster' (temporary credentials "
        "for a provisioned cluster) or 'secret' (Secrets Manager).",
    )
    workgroup: str = Field(default="", description="Serverless workgroup, for 'serverless'.")
    cluster: str = Field(default="", description="Cluster identifier, for 'cluster'.")
    secret: str = Field(default="", description="ARN or name of the secret, for 'secret'.")
    region_name: str = Field(
        default="", description="Region of the warehouse; default: boto3's chain."
    )
    host: str = Field(
        default="", description="Host name of the endpoint; empty if `auth` can look it up."
    )
    port: int = Field(default=5439, description="Port of the endpoint.")
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
        default="", description="File of trusted root certificates; default: certifi's."
    )
    iam_role: str = Field(
        default="default",
        description="ARN of the role that COPY and UNLOAD use, or 'default' for the warehouse's "
        "default role.",
    )
    data_region: str = Field(
        default="",
        description="Region of the bucket and the products table, if not the warehouse's.",
    )
    connect_timeout_seconds: int = Field(default=30, description="Seconds to connect.")
    statement_timeout_seconds: int = Field(
        default=3600, description="Seconds that a statement may take, including queueing."
    )

    _cache: CredentialsCache = PrivateAttr(default_factory=CredentialsCache)

    def relation(self, table: str) -> str:
        """Return a table's full name, database.schema.table."""
        return f"{self.database}.{self.schema_name}.{table}"

    def check_settings(self) -> None:
        """Check that the settings that `auth` requires are set.

        Raises:
            DataError: some are not; it names their environment variables.
        """
        required = REQUIRED.get(self.auth)
        if required is None:
            raise DataError(
                "The authentication method is not supported.",
                where="REDSHIFT_AUTH",
                expected=", ".join(REQUIRED),
                found=self.auth,
                fix="Set REDSHIFT_AUTH to one of the expected values.",
            )
        if missing := [f"REDSHIFT_{name.upper()}" for name in required if not getattr(self, name)]:
            raise DataError(
                "Settings of the warehouse are missing.",
                where=f"REDSHIFT_AUTH={self.auth}",
                expected=", ".join(f"REDSHIFT_{name.upper()}" for name in required),
                found="no " + ", no ".join(missing),
                fix="Set them in the environment, or set REDSHIFT_AUTH to another value.",
            )

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a session and close it afterwards.

        Raises:
            DataError: a setting, the credentials or the certificate is wrong.
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
        # The secret was rotated or the credentials were revoked after they were fetched.
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
                "The address of the warehouse is not known.",
                where=f"REDSHIFT_AUTH={self.auth}",
                expected="REDSHIFT_HOST, or an endpoint from the source of the credentials",
                found="neither",
                fix="Set REDSHIFT_HOST, or resume the warehouse if it is paused.",
            )
        return connect(address, credentials, self.connect_timeout_seconds)

    def _fetch(self) -> Credentials:
        """Return credentials from the source that `auth` names."""
        find_host = not self.host
        match self.auth:
            case "serverless":
                client = self.aws_client("redshift-serverless")
                return workgroup_credentials(client, self.workgroup, self.database, find_host)
            case "cluster":
                client = self.aws_client("redshift")
                return cluster_credentials(client, self.cluster, self.database, find_host)
            case "secret":
                return secret_credentials(self.aws_client("secretsmanager"), self.secret)
        return Credentials(self.user, self.password)

    def aws_client(self, service: str) -> Any:
        """Return a new boto3 client of a service in the warehouse's region."""
        # A new session, because boto3's default session is not safe for threads.
        session = new_session(region_name=self.region_name or None)
        config = Config(retries={"max_attempts": 5, "mode": "standard"}, connect_timeout=10)
        return record_resources(session.client(service, config=config))  # type: ignore[call-overload]

    def run(
        self, operation: Callable[[Session], Result], sleep: Callable[[float], None] = time.sleep
    ) -> Result:
        """Perform an operation in a new session; after a transient error repeat all of it.

        After a lost connection it is not known whether the last statement took effect, so the
        operation must be idempotent: staging into temporary tables and replacing rows in one
        transaction is.

        Args:
            operation: Called at most `ATTEMPTS` times.
            sleep: Sleep function, for the seconds between attempts (see `backoff_seconds`).
        """
        for attempt in range(1, ATTEMPTS):
            try:
                with self.session() as session:
                    return operation(session)
            except Exception as error:
                if not is_transient(error):
                    raise
                sleep(backoff_seconds(attempt, FIRST_WAIT_SECONDS))
        with self.session() as session:
            return operation(session)
