"""Clients: psql, psycopg2, and the bytes of the protocol itself."""

import socket
import struct
import subprocess
import sys
import threading
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import extensions

from aws_orders.local.redshift import wire
from aws_orders.local.redshift.errors import RedshiftError
from aws_orders.local.redshift.server import _status_at_end
from aws_orders_tests.local.conftest import free_port, wait_until


def test_psql_works_copies_and_describes(redshift, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("".join(f"{n},{'x' * 100}\n" for n in range(20_000)))
    name = f"{redshift.schema}.t"
    commands = [
        f"CREATE TABLE {name} (a int, b varchar(200))",
        rf"\copy {name} FROM '{rows}' CSV",
        rf"\copy {name} TO '{tmp_path / 'out.csv'}' CSV",
        rf"\d {name}",
        f"SELECT count(*) FROM {name}",
    ]
    done = redshift.redshift.psql(*(part for c in commands for part in ("-c", c)))
    assert done.returncode == 0, done.stderr
    assert "COPY 20000" in done.stdout
    assert "character varying(200)" in done.stdout
    assert (tmp_path / "out.csv").read_text() == rows.read_text()


def test_psql_shows_redshifts_notice_and_tag(redshift):
    prefix = redshift.url("out/p_")
    statement = f"UNLOAD ('SELECT 1') TO '{prefix}' IAM_ROLE default CSV PARALLEL OFF"
    done = redshift.redshift.psql("-c", statement)
    assert done.stdout == "UNLOAD\n"
    assert done.stderr == "INFO:  UNLOAD completed, 1 record(s) unloaded successfully.\n"


def test_large_results_come_through_whole(redshift):
    rows = redshift.sql("SELECT n, repeat('z', n % 500) FROM generate_series(1, 50000) AS n")
    assert rows == [(n, "z" * (n % 500)) for n in range(1, 50001)]


def test_a_wrong_password_and_the_owner_of_the_cluster_are_refused(redshift_server):
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        redshift_server.connect(password="wrong")
    with pytest.raises(psycopg2.OperationalError, match='user "rdsdb" is reserved'):
        redshift_server.connect(user="rdsdb")


def test_the_user_is_no_superuser_and_transactions_are_snapshots(redshift):
    assert redshift.sql("SHOW is_superuser") == [("off",)]
    assert redshift.sql("SHOW transaction_isolation") == [("repeatable read",)]


def test_a_running_statement_can_be_cancelled(redshift):
    timer = threading.Timer(0.3, redshift.connection.cancel)
    timer.start()
    with pytest.raises(psycopg2.errors.QueryCanceled):
        redshift.sql("SELECT pg_sleep(30)")
    timer.join()
    assert redshift.sql("SELECT 1") == [(1,)]


def test_a_cancelled_copy_loads_nothing(redshift):
    redshift.sql("CREATE TABLE t (a bigint)")
    redshift.sql(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END'"
    )
    redshift.sql("CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION slow()")
    redshift.put("in/1.csv", "1\n" * 2000)
    timer = threading.Timer(0.5, redshift.connection.cancel)
    timer.start()
    with pytest.raises(psycopg2.errors.QueryCanceled):
        redshift.copy("t", "in/", "CSV")
    timer.join()
    assert redshift.sql("SELECT count(*) FROM t") == [(0,)]


def test_a_client_that_leaves_ends_its_backend(redshift):
    with closing(redshift.redshift.connect()) as other:
        pid = other.get_backend_pid()
        with other.cursor() as cursor:
            cursor.execute("BEGIN; SELECT 1")
        # Gone without a word, as a killed process is.
        with socket.socket(fileno=other.fileno()) as raw:
            raw.shutdown(socket.SHUT_RDWR)
            raw.detach()

    def gone():
        return redshift.sql(f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid}") == []

    wait_until(gone)


def test_notifications_do_not_stall_the_session(redshift):
    with closing(redshift.redshift.connect()) as other:
        other.set_isolation_level(extensions.ISOLATION_LEVEL_AUTOCOMMIT)
        with other.cursor() as cursor:
            cursor.execute("LISTEN news")
            redshift.sql(f"NOTIFY news, '{'x' * 7000}'")
            for _ in range(50):
                cursor.execute("NOTIFY news")
                cursor.execute("SELECT 1")
        assert len(other.notifies) == 51


def test_encryption_is_declined_and_nonsense_hung_up_on(redshift_server):
    with socket.create_connection(("127.0.0.1", redshift_server.port), 20) as raw:
        raw.sendall(struct.pack(">II", 8, 80877103))
        assert raw.recv(1) == b"N"
        raw.sendall(b"GET ")
        assert raw.recv(1) == b""


def test_pipelines_keep_their_order(redshift):
    selects = "".join(f"SELECT {n} \\bind \\sendpipeline\n\\syncpipeline\n" for n in range(200))
    script = f"\\startpipeline\n{selects}\\endpipeline\nSELECT 'after';\n"
    done = redshift.redshift.psql("-At", input=script)
    assert done.stdout.split() == [*map(str, range(200)), "after"]


def test_copied_data_passes_in_the_extended_protocol_too(redshift):
    name = f"{redshift.schema}.t"
    redshift.sql(f"CREATE TABLE {name} (a int)")
    script = f"COPY {name} FROM STDIN \\bind \\g\n1\n2\n\\.\nSELECT sum(a) FROM {name};\n"
    done = redshift.redshift.psql("-At", input=script)
    assert done.stdout.splitlines()[-1] == "3", done.stderr


def test_the_end_of_an_answer_is_found_behind_what_comes_unasked():
    ready, notice = wire.ready("T"), wire.info("hello")
    assert _status_at_end(b"..." + ready) == "T"
    assert _status_at_end(ready + notice + notice) == "T"
    assert _status_at_end(ready + notice[:-1]) == ""
    assert _status_at_end(ready + wire.complete("SELECT 1")) == ""
    assert _status_at_end(ready[:-1]) == ""


def test_psql_is_told_that_the_extended_protocol_cannot_copy_and_goes_on(redshift):
    copy = f"COPY t FROM '{redshift.url('x')}' IAM_ROLE default CSV"
    script = f"{copy} \\bind \\g\nSELECT 'still', 'here' \\bind \\g\n"
    begun = f"BEGIN;\n{copy} \\bind \\g\nSELECT 'no' \\bind \\g\nROLLBACK;\nSELECT 'a' || 'b';\n"
    done = redshift.redshift.psql("-v", "ON_ERROR_STOP=0", "-At", input=script + begun)
    assert "not supported here in the extended query protocol" in done.stderr
    assert "current transaction is aborted" in done.stderr
    assert "still|here" in done.stdout
    assert "ab" in done.stdout


def test_starting_again_keeps_the_data_and_stopping_is_quick(redshift):
    redshift.sql("CREATE TABLE t AS SELECT 1 AS a")
    place, port = redshift.redshift, free_port()
    argv = ["--data-dir", str(place.data_dir), "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "aws_orders.local.redshift", *argv],
        env=place.env,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr.readline() == f"redshift: listening on 127.0.0.1:{port}\n"
        with closing(
            psycopg2.connect(
                host="127.0.0.1",
                port=port,
                user="awsuser",
                dbname="dev",
                password=place.env["REDSHIFT_PASSWORD"],
            )
        ) as other:
            with other.cursor() as cursor:
                cursor.execute(f"SELECT a FROM {redshift.schema}.t")
                assert cursor.fetchall() == [(1,)]
            process.terminate()
            assert process.wait(5) == 0


def test_a_backend_that_refuses_and_hangs_up_is_told_of_by_its_reason() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        refusal = RedshiftError("the database system is starting up", "57P03")
        theirs.sendall(wire.error(refusal, "FATAL"))
        theirs.close()
        with pytest.raises(RedshiftError, match="starting up") as raised:
            wire.Backend(ours).drain()
    assert raised.value.sqlstate == "57P03"
