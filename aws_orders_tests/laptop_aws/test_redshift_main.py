"""The relay's process: how it starts, restarts and stops."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from aws_orders_tests.laptop_aws.conftest import Workplace, wait_until
from laptop_aws import postgres
from laptop_aws.stack import Stack

PASSWORD = "o'clock $tea \\ é"


@contextmanager
def postgresql_on(data_dir: Path) -> Iterator[None]:
    process = subprocess.Popen(postgres.command(data_dir), cwd=data_dir)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


@contextmanager
def serving(
    data_dir: Path, environment: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the relay on a running PostgreSQL; yield its process and port."""
    command = [sys.executable, "-m", "laptop_aws.redshift", "--data-dir", str(data_dir)]
    process = subprocess.Popen(
        [*command, "--port", "0", "--database", "odd db", "--user", "o\"d'd"],
        env=os.environ | environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stderr is not None
            address = process.stderr.readline()
            assert address.startswith("redshift: listening on 127.0.0.1:"), address
            yield process, int(address.rpartition(":")[2])
        finally:
            process.terminate()


@contextmanager
def connected(port: int) -> Iterator[Any]:
    login: dict[str, Any] = {"user": "o\"d'd", "password": PASSWORD, "dbname": "odd db"}
    with closing(psycopg2.connect(host="127.0.0.1", port=port, **login)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


def test_data_is_kept_between_starts_and_stopping_does_not_wait_for_clients(tmp_path: Path) -> None:
    data_dir = tmp_path / "deep 'er" / "pgdata"
    postgres.initialise(data_dir)
    environment = {"REDSHIFT_PASSWORD": PASSWORD}
    with postgresql_on(data_dir):
        with serving(data_dir, environment) as (process, port), connected(port) as cursor:
            cursor.execute("CREATE TABLE t AS SELECT 1 AS a")
            cursor.execute("BEGIN; INSERT INTO t VALUES (2)")
            process.terminate()
            assert process.wait(5) == 0
        with serving(data_dir, environment) as (_, port), connected(port) as cursor:
            cursor.execute("SELECT a FROM t")
            assert cursor.fetchall() == [(1,)]


def open_things(process: subprocess.Popen[str], data_dir: Path) -> tuple[int, int, int]:
    """Return the numbers of the relay's descriptors and threads, and of pipes in the data."""
    mine = Path("/proc") / str(process.pid)
    pipes = sum(path.is_fifo() for path in data_dir.rglob("*"))
    return len(list((mine / "fd").iterdir())), len(list((mine / "task").iterdir())), pipes


def test_sessions_leave_no_descriptors_threads_or_pipes(
    tmp_path: Path, stack: Stack, redshift: Workplace
) -> None:
    data_dir = tmp_path / "pgdata"
    postgres.initialise(data_dir)
    more = stack.environment() | {"REDSHIFT_PASSWORD": PASSWORD}
    with postgresql_on(data_dir), serving(data_dir, more) as (process, port):

        def session(number: int) -> None:
            with connected(port) as cursor:
                cursor.execute("CREATE TEMP TABLE t (a int)")
                for source in ("no-such-bucket/", f"{redshift.bucket}/none"):
                    with pytest.raises(psycopg2.Error):
                        cursor.execute(f"COPY t FROM 's3://{source}' IAM_ROLE default CSV")
                with pytest.raises(psycopg2.Error):
                    cursor.execute("UNLOAD ('SELECT 1') TO 's3://no-such/' IAM_ROLE default CSV")
                if number % 2:  # disconnect during a transaction
                    cursor.execute("BEGIN")

        session(0)
        before = open_things(process, data_dir)
        for number in range(10):
            session(number)
        wait_until(lambda: open_things(process, data_dir) <= before)


def test_without_a_password_it_does_not_start(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "laptop_aws.redshift", "--data-dir", str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if name != "REDSHIFT_PASSWORD"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "REDSHIFT_PASSWORD is not set" in done.stderr
