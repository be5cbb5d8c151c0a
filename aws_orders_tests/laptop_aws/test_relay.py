"""PostgreSQL's protocol: simple and extended queries, cancelling, disconnecting."""

import re
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

import psycopg2
import pytest
from psycopg2 import extensions

from aws_orders_tests.laptop_aws.conftest import Workplace, wait_until


def cancel_soon(connection: Any, seconds: float = 0.5) -> threading.Timer:
    timer = threading.Timer(seconds, connection.cancel)
    timer.start()
    return timer


@pytest.fixture
def slow_table(redshift: Workplace) -> Workplace:
    """Return the workplace with a table `slow` that takes 50 ms per row."""
    redshift.sql("CREATE TABLE slow (a bigint)")
    redshift.sql(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END'"
    )
    redshift.sql("CREATE TRIGGER wait BEFORE INSERT ON slow FOR EACH ROW EXECUTE FUNCTION wait()")
    redshift.put({"in/1": "1\n" * 2000})
    return redshift


def backends(place: Workplace, pid: int) -> bool:
    return place.sql(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}") == [(1,)]


def vanish(connection: Any) -> None:
    """Close the socket without a Terminate message, as a killed process does."""
    with socket.socket(fileno=connection.fileno()) as raw:
        raw.shutdown(socket.SHUT_RDWR)
        raw.detach()


def test_copy_and_unload_work_among_other_statements_of_a_query(redshift: Workplace) -> None:
    redshift.put({"in/1": "1\n2\n"})
    redshift.sql(
        "CREATE TABLE t (a int);"
        " COPY t FROM 's3://{bucket}/in/' IAM_ROLE default CSV /* ; */;;"
        " INSERT INTO t VALUES (3); -- and out; again\n"
        "UNLOAD ('SELECT ''a;b'', sum(a) FROM t') TO 's3://{bucket}/out/' IAM_ROLE default"
        " CSV PARALLEL OFF; COPY t FROM 's3://{bucket}/in/' IAM_ROLE default CSV"
    )
    assert redshift.get("out/000") == b"a;b,6\n"
    assert redshift.sql("SELECT count(*) FROM t; SELECT sum(a) FROM t") == [(9,)]


def test_a_query_with_begin_and_commit_is_one_transaction(redshift: Workplace) -> None:
    redshift.sql("CREATE TABLE t (a int)")
    redshift.put({"in/1": "1\n"})
    redshift.sql(
        "BEGIN; COPY t FROM 's3://{bucket}/in/' IAM_ROLE default CSV;"
        " INSERT INTO t SELECT a + 1 FROM t; ROLLBACK"
    )
    assert redshift.sql("SELECT count(*) FROM t") == [(0,)]
    redshift.fails(
        "BEGIN; COPY t FROM 's3://{bucket}/in/' IAM_ROLE default CSV;"
        " COPY t FROM 's3://{bucket}/in/' IAM_ROLE default CSV SLOWLY; COMMIT"
    )
    redshift.sql("ROLLBACK")
    assert redshift.sql("SELECT count(*) FROM t") == [(0,)]


def test_a_copy_is_rolled_back_with_its_transaction(redshift: Workplace) -> None:
    redshift.sql("CREATE TABLE t (a int)")
    redshift.put({"in/1": "1\n"})
    redshift.sql("BEGIN ISOLATION LEVEL SERIALIZABLE; LOCK t; DELETE FROM t")
    redshift.copy("t")
    assert redshift.sql("SELECT * FROM t") == [(1,)]
    redshift.sql("ROLLBACK")
    assert redshift.sql("SELECT * FROM t") == []


@pytest.mark.parametrize("text", ["COPY t FROM ''s3://b/k''", "UNLOAD (x); TRUNCATE t", "a;b"])
def test_sql_inside_quotes_is_not_rewritten(redshift: Workplace, text: str) -> None:
    assert redshift.sql(f"SELECT '{text}' AS a") == [(text.replace("''", "'"),)]
    assert redshift.sql(f"SELECT $x${text}$x$ /* {text.replace('*', '')} */") == [(text,)]
    assert redshift.sql(f"SELECT 1 -- {text}") == [(1,)]


def test_the_extended_protocol_copies_and_unloads(redshift: Workplace) -> None:
    redshift.put({"in/1": "1\n2\n"})
    copy = f"COPY t FROM '{redshift.url('in/')}' IAM_ROLE default CSV"
    unload = f"UNLOAD ('SELECT 7') TO '{redshift.url('out/')}' IAM_ROLE default CSV PARALLEL OFF"
    script = f"""CREATE TABLE t (a int DISTKEY ENCODE az64) \\bind \\g
        {copy} \\bind \\g
        {unload} \\bind \\g
        {copy} SLOWLY \\bind \\g
        SELECT DATEDIFF(day, '2031-02-03', $1) \\bind 2031-02-05 \\g
        SELECT count(*) FROM t \\bind \\g
        """
    done = redshift.psql("-v", "ON_ERROR_STOP=0", "-At", input=script)
    assert "SLOWLY" in done.stderr
    assert done.stdout.split()[-2:] == ["2", "2"], done.stdout + done.stderr
    assert redshift.get("out/000") == b"7\n"


def test_a_prepared_copy_can_be_executed_repeatedly(redshift: Workplace) -> None:
    redshift.sql("CREATE TABLE t (a int)")
    redshift.put({"in/1": "1\n"})
    script = (
        f"COPY t FROM '{redshift.url('in/')}' IAM_ROLE default CSV \\parse load\n"
        "\\bind_named load \\g\n\\bind_named load \\g\nSELECT count(*) FROM t;\n"
    )
    done = redshift.psql("-At", input=script)
    assert re.fullmatch(r"(COPY( \d+)?\n){2}2", done.stdout.strip()), done.stdout + done.stderr


def test_pipelines_keep_their_order(redshift: Workplace) -> None:
    selects = "".join(f"SELECT {n} \\bind \\sendpipeline\n\\syncpipeline\n" for n in range(200))
    script = f"\\startpipeline\n{selects}\\endpipeline\nSELECT 'after';\n"
    done = redshift.psql("-At", input=script)
    assert done.stdout.split() == [*map(str, range(200)), "after"]


def test_large_results_and_statements_arrive_complete(redshift: Workplace) -> None:
    rows = redshift.sql("SELECT n, repeat('z', n % 500) FROM generate_series(1, 50000) AS n")
    assert rows == [(n, "z" * (n % 500)) for n in range(1, 50001)]
    text = "é;'" * 500_000
    assert redshift.sql("SELECT $x$" + text + "$x$") == [(text,)]


def test_sessions_at_the_same_time_do_not_mix(redshift: Workplace) -> None:
    numbers = range(6)
    for number in numbers:
        redshift.sql(f"CREATE TABLE t{number} (a int)")
        redshift.put({f"in{number}/1": f"{number}\n" * 1000})

    def work(number: int) -> list[tuple[Any, ...]]:
        with closing(redshift.connect()) as own:
            for turn in range(3):
                url = redshift.url(f"in{number}/")
                redshift.sql(f"COPY t{number} FROM '{url}' IAM_ROLE default CSV", own)
                redshift.sql(
                    f"UNLOAD ('SELECT a, count(*) FROM t{number} GROUP BY 1') TO"
                    f" '{redshift.url(f'out{number}/{turn}_')}' IAM_ROLE default CSV PARALLEL OFF",
                    own,
                )
            return redshift.sql("SELECT pg_last_copy_count(), pg_last_unload_count()", own)

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(work, numbers)) == [[(1000, 1)]] * 6
    for number in numbers:
        for turn in range(3):
            found = redshift.get(f"out{number}/{turn}_000")
            assert found == f"{number},{(turn + 1) * 1000}\n".encode()


def test_data_that_looks_like_an_error_is_unchanged(redshift: Workplace) -> None:
    text = "SERROR\nVERROR\nC40001\nMcould not serialize access"
    assert redshift.sql(f"SELECT '{text}', decode('5345524f5200434343', 'hex')::text")[0][0] == text


def test_notifications_do_not_stall_the_session(redshift: Workplace) -> None:
    with closing(redshift.connect()) as other:
        redshift.sql("LISTEN news", other)
        redshift.sql(f"NOTIFY news, '{'x' * 7000}'")
        for _ in range(50):
            redshift.sql("NOTIFY news; SELECT 1", other)
        assert len(other.notifies) == 51


def test_a_wrong_password_and_the_clusters_owner_are_rejected(redshift: Workplace) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        redshift.connect(password="wrong")
    with pytest.raises(psycopg2.OperationalError, match="rdsdb"):
        redshift.connect(user="rdsdb")


def test_encryption_is_declined_and_invalid_messages_end_the_connection(
    redshift: Workplace,
) -> None:
    with socket.create_connection(("127.0.0.1", redshift.stack.redshift_port), 20) as raw:
        raw.sendall(struct.pack(">II", 8, 80877103))
        assert raw.recv(1) == b"N"
        raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with suppress(ConnectionResetError):
            while raw.recv(4096):
                pass  # possibly an error message, then the end


def test_a_running_statement_can_be_cancelled(redshift: Workplace) -> None:
    timer = cancel_soon(redshift.connection)
    with pytest.raises(psycopg2.errors.QueryCanceled):
        redshift.sql("SELECT pg_sleep(30)")
    timer.join()
    assert redshift.sql("SELECT 1") == [(1,)]


def test_a_cancelled_copy_loads_nothing_and_the_session_continues(slow_table: Workplace) -> None:
    timer = cancel_soon(slow_table.connection)
    with pytest.raises(psycopg2.errors.QueryCanceled):
        slow_table.copy("slow")
    timer.join()
    assert slow_table.sql("SELECT count(*) FROM slow") == [(0,)]
    slow_table.sql("CREATE TABLE t (a int)")
    slow_table.copy("t")
    assert slow_table.sql("SELECT count(*) FROM t") == [(2000,)]


def test_a_cancelled_unload_ends_and_the_session_continues(redshift: Workplace) -> None:
    timer = cancel_soon(redshift.connection)
    with pytest.raises(psycopg2.errors.QueryCanceled):
        redshift.unload("SELECT n, pg_sleep(0.05) FROM generate_series(1, 9999) AS n")
    timer.join()
    assert redshift.keys("out/") == []
    redshift.unload("SELECT 1")
    assert redshift.get("out/p_000") == b"1\n"


def test_a_statement_that_takes_too_long_is_ended_by_its_timeout(slow_table: Workplace) -> None:
    slow_table.sql("SET statement_timeout = 500")
    assert "statement timeout" in slow_table.copy_fails("slow")
    slow_table.sql("SET statement_timeout = 0")
    assert slow_table.sql("SELECT count(*) FROM slow") == [(0,)]


def test_a_client_that_disconnects_ends_its_backend(redshift: Workplace) -> None:
    with closing(redshift.connect()) as other:
        pid = other.get_backend_pid()
        redshift.sql("BEGIN; SELECT 1", other)
        assert backends(redshift, pid)
        vanish(other)
    wait_until(lambda: not backends(redshift, pid))


@pytest.mark.parametrize("what", ["COPY", "UNLOAD"])
def test_a_client_that_disconnects_during_a_statement_ends_its_backend(
    slow_table: Workplace, what: str
) -> None:
    with closing(psycopg2.connect(**slow_table.login(), async_=True)) as other:
        wait_for(other)
        pid = other.get_backend_pid()
        cursor = other.cursor()
        target = slow_table.url("in/" if what == "COPY" else "out/")
        statement = (
            f"COPY {slow_table.schema}.slow FROM '{target}' IAM_ROLE default CSV"
            if what == "COPY"
            else f"UNLOAD ('SELECT n, pg_sleep(0.05) FROM generate_series(1, 9999) AS n')"
            f" TO '{target}' IAM_ROLE default CSV"
        )
        cursor.execute(statement)
        busy = f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid} AND state = 'active'"
        wait_until(lambda: slow_table.sql(busy))
        vanish(other)
    wait_until(lambda: not backends(slow_table, pid))
    assert slow_table.sql("SELECT count(*) FROM slow") == [(0,)]
    assert slow_table.keys("out/") == []


def wait_for(connection: Any) -> None:
    while connection.poll() != extensions.POLL_OK:
        pass
