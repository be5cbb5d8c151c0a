"""The laptop's Redshift, running: ministack, PostgreSQL and the server, once for all tests."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psycopg2
import pytest

from aws_orders.local import postgres

PASSWORD = "o'clock $tea"
ROLE = "arn:aws:iam::123456789012:role/redshift"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running(argv: list[str], env: dict[str, str], stop: int = signal.SIGTERM) -> Iterator[None]:
    process = subprocess.Popen(argv, env=env)
    try:
        yield
    finally:
        process.send_signal(stop)
        process.wait(10)


def wait_until(ready: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "never came up"
        time.sleep(0.02)


@dataclass
class Redshift:
    """A running warehouse, and the S3 and DynamoDB it loads from."""

    port: int
    data_dir: Path
    env: dict[str, str]

    def connect(self, **more: Any) -> Any:
        given = {"user": "awsuser", "password": PASSWORD, "dbname": "dev"} | more
        return psycopg2.connect(host="127.0.0.1", port=self.port, **given)

    def client(self, service: str) -> Any:
        keys = {
            "aws_access_key_id": self.env["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": self.env["AWS_SECRET_ACCESS_KEY"],
        }
        endpoint = self.env["AWS_ENDPOINT_URL"]
        return boto3.client(service, endpoint_url=endpoint, region_name="us-east-1", **keys)

    def psql(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(postgres.psql_path()), "-X", "-v", "ON_ERROR_STOP=1", *arguments],
            env=os.environ
            | {
                "PGHOST": "127.0.0.1",
                "PGPORT": str(self.port),
                "PGUSER": "awsuser",
                "PGDATABASE": "dev",
                "PGPASSWORD": PASSWORD,
            },
            capture_output=True,
            text=True,
            **more,
        )


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def redshift_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redshift]:
    aws_port, port = free_port(), free_port()
    env = os.environ | {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{aws_port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "REDSHIFT_PASSWORD": PASSWORD,
    }
    ministack = env | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(aws_port),
        "PERSIST_STATE": "0",
        "S3_PERSIST": "0",
        "SERVICES": "s3,dynamodb,sqs,sns",
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
    }
    data_dir = tmp_path_factory.mktemp("redshift") / "pgdata"
    postgres.initialise(data_dir)
    server = [sys.executable, "-m", "aws_orders.local.redshift"]
    options = ["--data-dir", str(data_dir), "--port", str(port)]
    with (
        running([sys.executable, "-m", "ministack"], ministack),
        running(postgres.command(data_dir), dict(os.environ), signal.SIGINT),
        running([*server, *options], env),
    ):
        wait_until(lambda: _listening(port))
        wait_until(lambda: _healthy(f"{env['AWS_ENDPOINT_URL']}/_ministack/health"))
        yield Redshift(port, data_dir, env)


@dataclass
class Workplace:
    """A connection with a schema of its own, and a bucket of its own."""

    redshift: Redshift
    connection: Any
    schema: str
    bucket: str
    s3: Any

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(text)
            return list(cursor.fetchall()) if cursor.description else []

    def put(self, key: str, body: bytes | str) -> str:
        data = body.encode() if isinstance(body, str) else body
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=data)
        return self.url(key)

    def get(self, key: str) -> str:
        return str(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode())

    def keys(self, prefix: str) -> list[str]:
        listing = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [found["Key"] for found in listing.get("Contents", ())]

    def url(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def copy(self, table: str, key: str, options: str = "CSV ROUNDEC") -> None:
        self.sql(f"COPY {table} FROM '{self.url(key)}' IAM_ROLE '{ROLE}' {options}")

    def load_errors(self) -> list[tuple[Any, ...]]:
        return self.sql(
            "SELECT file_name, line_number, column_name, error_message FROM sys_load_error_detail"
            " WHERE session_id = pg_backend_pid() ORDER BY query_id"
        )


@pytest.fixture
def redshift(redshift_server: Redshift) -> Iterator[Workplace]:
    name = f"t{uuid.uuid4().hex[:12]}"
    s3 = redshift_server.client("s3")
    s3.create_bucket(Bucket=name)
    with closing(redshift_server.connect()) as connection, closing(s3):
        connection.autocommit = True
        place = Workplace(redshift_server, connection, name, name, s3)
        place.sql(f"CREATE SCHEMA {name}")
        place.sql(f"SET search_path TO {name}, public")
        yield place
