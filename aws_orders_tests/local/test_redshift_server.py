"""The server as a process of its own: how it starts, starts again, and stops."""

import os
import signal
import subprocess
import sys
from contextlib import closing, contextmanager

import psycopg2

from aws_orders.local import postgres

PASSWORD = "o'clock $tea \\ é"


@contextmanager
def serving(data_dir):
    """Run the server on a PostgreSQL that runs; yield it and its port."""
    command = [sys.executable, "-m", "aws_orders.local.redshift", "--data-dir", str(data_dir)]
    more = {"REDSHIFT_PASSWORD": PASSWORD, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    process = subprocess.Popen(
        [*command, "--port", "0", "--database", "odd db", "--user", "o\"d'd"],
        env=os.environ | more,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            address = process.stderr.readline()
            assert address.startswith("redshift: listening on 127.0.0.1:"), address
            yield process, int(address.rpartition(":")[2])
        finally:
            process.terminate()


@contextmanager
def connected(port):
    login = {"user": "o\"d'd", "password": PASSWORD, "dbname": "odd db"}
    with closing(psycopg2.connect(host="127.0.0.1", port=port, **login)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


def test_data_is_kept_from_start_to_start_and_stopping_waits_for_no_client(tmp_path):
    data_dir = tmp_path / "deep 'er" / "pgdata"
    postgres.initialise(data_dir)
    postgresql = subprocess.Popen(postgres.command(data_dir), cwd=data_dir)
    try:
        with serving(data_dir) as (process, port), connected(port) as cursor:
            cursor.execute("CREATE TABLE t AS SELECT 1 AS a")
            cursor.execute("BEGIN; INSERT INTO t VALUES (2)")
            process.terminate()
            assert process.wait(5) == 0
        with serving(data_dir) as (_, port), connected(port) as cursor:
            cursor.execute("SELECT a FROM t")
            assert cursor.fetchall() == [(1,)]
    finally:
        postgresql.send_signal(signal.SIGINT)
        postgresql.wait(20)


def test_without_a_password_it_does_not_start(tmp_path):
    command = [sys.executable, "-m", "aws_orders.local.redshift", "--data-dir", str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if name != "REDSHIFT_PASSWORD"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert "REDSHIFT_PASSWORD is not set" in done.stderr
