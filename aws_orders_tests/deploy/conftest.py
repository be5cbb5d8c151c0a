"""A PostgreSQL for Dagster's own storage, and homes with deploy/'s settings that use it."""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml

from aws_orders_tests.deploy.cloudformation import DEPLOY
from laptop_aws import ports, postgres

PASSWORD = "o'clock $tea"
STORAGE_PORT, START_SECONDS = 24_500, 120


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run a PostgreSQL with an empty database for Dagster; return its port."""
    with ports.claimed(STORAGE_PORT) as port:
        yield from _running(tmp_path_factory.mktemp("storage") / "data", port)


def _running(data: Path, port: int) -> Iterator[int]:
    postgres.initialise(data)
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write("host all all 127.0.0.1/32 scram-sha-256\n")
    # The last one of an option counts: TCP beside the socket, and PostgreSQL's own isolation.
    command = [*postgres.command(data), "--listen_addresses=127.0.0.1", f"--port={port}"]
    command.append("--default_transaction_isolation=read committed")
    process = subprocess.Popen(command, cwd=data)
    try:
        with closing(_connected(process, str(data), port)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("CREATE ROLE dagster LOGIN PASSWORD %s", (PASSWORD,))
                cursor.execute("CREATE DATABASE dagster OWNER dagster")
        yield port
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


def _connected(process: "subprocess.Popen[bytes]", host: str, port: int) -> Any:
    """Return a connection as soon as PostgreSQL takes one: later than its socket is there."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return psycopg2.connect(
                dbname="postgres", host=host, port=port, user=postgres.SUPERUSER
            )
        except psycopg2.OperationalError:
            assert process.poll() is None
            assert time.monotonic() < deadline, "PostgreSQL never came up"
            time.sleep(0.05)


def home_with(name: str, home: Path, port: int) -> Path:
    """Make a DAGSTER_HOME of one of the files, on a port of this test's, under its directory."""
    home.mkdir(exist_ok=True)
    settings = yaml.safe_load((DEPLOY / name).read_text())
    settings["storage"]["postgres"]["postgres_db"]["port"] = port
    logs = settings["compute_logs"]["config"]
    logs["local_dir" if "local_dir" in logs else "base_dir"] = str(home / "logs")
    settings["local_artifact_storage"]["config"]["base_dir"] = str(home / "artifacts")
    (home / "dagster.yaml").write_text(yaml.safe_dump(settings))
    return home


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what deploy/'s settings read."""
    for name, value in {
        "DAGSTER_POSTGRES_HOST": "127.0.0.1",
        "DAGSTER_POSTGRES_PASSWORD": PASSWORD,
        "AWS_ORDERS_BUCKET": "b",
        "AWS_ORDERS_RUN_TASK": "arn:aws:ecs:us-east-1:000000000000:task-definition/run:1",
    }.items():
        monkeypatch.setenv(name, value)
