"""The laptop's Redshift for tests: each test has a new schema, bucket and connection."""

import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import boto3
import psycopg2
import pytest

from laptop_aws import postgres
from laptop_aws.stack import Stack

ROLE = "arn:aws:iam::123456789012:role/redshift"


def wait_until(ready: Callable[[], Any], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "the condition was never met"
        time.sleep(0.02)


@dataclass
class Workplace:
    """A connection with a new schema, a new bucket, and the stack behind them.

    `place` turns `{bucket}` in statements and in files that are put to S3 into the bucket's name.
    """

    stack: Stack
    connection: Any
    schema: str
    bucket: str
    s3: Any

    def login(self) -> dict[str, Any]:
        """Return the login arguments of psycopg2 and redshift_connector."""
        environment = self.stack.environment()
        return {
            "host": "127.0.0.1",
            "port": self.stack.redshift_port,
            "user": environment["REDSHIFT_USER"],
            "password": environment["REDSHIFT_PASSWORD"],
            "database": environment["REDSHIFT_DATABASE"],
        }

    def connect(self, **more: Any) -> Any:
        """Return another session, in autocommit, that finds tables of this test's schema."""
        connection = psycopg2.connect(**self.login() | more)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"SET search_path TO {self.schema}, public")
        return connection

    def place(self, text: str) -> str:
        return text.replace("{bucket}", self.bucket)

    def sql(self, text: str, connection: Any = None) -> list[tuple[Any, ...]]:
        with (connection or self.connection).cursor() as cursor:
            cursor.execute(self.place(text))
            return list(cursor.fetchall()) if cursor.description else []

    def fails(self, text: str, connection: Any = None) -> psycopg2.Error:
        """Send a statement that must fail; return its error."""
        with pytest.raises(psycopg2.Error) as caught:
            self.sql(text, connection)
        return caught.value

    def put(self, files: Mapping[str, bytes | str]) -> None:
        for key, body in files.items():
            data = self.place(body).encode() if isinstance(body, str) else body
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=data)

    def get(self, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def keys(self, prefix: str = "") -> list[str]:
        listing = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [found["Key"] for found in listing.get("Contents", ())]

    def url(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def copy(self, table: str, options: str = "CSV", key: str = "in/") -> None:
        """COPY the objects under a key; `table` may have a column list."""
        self.sql(f"COPY {table} FROM '{self.url(key)}' IAM_ROLE '{ROLE}' {options}")

    def copy_fails(self, table: str, options: str = "CSV", key: str = "in/") -> str:
        with pytest.raises(psycopg2.Error) as caught:
            self.copy(table, options, key)
        return str(caught.value).strip()

    def unload(self, query: str, options: str = "CSV PARALLEL OFF", prefix: str = "out/p_") -> None:
        quoted = query.replace("'", "''")
        self.sql(f"UNLOAD ('{quoted}') TO '{self.url(prefix)}' IAM_ROLE '{ROLE}' {options}")

    def psql(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        login = {f"PG{name.upper()}": str(value) for name, value in self.login().items()}
        environment = os.environ | login | {"PGOPTIONS": f"-c search_path={self.schema},public"}
        return subprocess.run(
            [str(postgres.psql_path()), "-X", "-v", "ON_ERROR_STOP=1", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            **more,
        )


@pytest.fixture
def redshift(stack: Stack) -> Iterator[Workplace]:
    name = f"t{uuid.uuid4().hex[:12]}"
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=name)
    workplace = Workplace(stack, None, name, name, s3)
    with closing(workplace.connect()) as connection, closing(s3):
        workplace.connection = connection
        workplace.sql(f"CREATE SCHEMA {name}")
        yield workplace
