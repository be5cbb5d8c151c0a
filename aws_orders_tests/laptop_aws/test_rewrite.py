"""Redshift's SQL on PostgreSQL: transactions, TRUNCATE, snapshots, DDL and functions."""

import datetime as dt
import re
from contextlib import closing
from typing import Any

import pytest

from aws_orders.resources.redshift.errors import SERIALIZATION_FAILURE
from aws_orders_tests.laptop_aws.conftest import Workplace


def test_counts_belong_to_the_last_statement_of_the_session(redshift: Workplace) -> None:
    counts = "SELECT pg_last_copy_count(), pg_last_unload_count(), pg_last_copy_id()"
    assert redshift.sql(counts) == [(0, 0, -1)]
    redshift.sql("CREATE TABLE t (a int)")
    redshift.put({"in/1": "1\n2\n3\n"})
    redshift.copy("t")
    redshift.unload("SELECT 1 UNION ALL SELECT 2")
    [(copied, unloaded, first)] = redshift.sql(counts)
    assert (copied, unloaded) == (3, 2)
    redshift.copy("t")
    assert redshift.sql(counts)[0][2] > first
    with closing(redshift.connect()) as other:
        assert redshift.sql(counts, other) == [(0, 0, -1)]


def test_truncate_commits_what_was_pending(redshift: Workplace) -> None:
    redshift.sql("CREATE TABLE a (n int); CREATE TABLE b (n int); INSERT INTO b VALUES (1)")
    for statement in ("TRUNCATE b", 'truncate table "b"', f"TRUNCATE TABLE {redshift.schema}.b;"):
        redshift.sql("BEGIN")
        redshift.sql("INSERT INTO a VALUES (1)")
        redshift.sql(statement)
        redshift.sql("ROLLBACK")
    assert redshift.sql("SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)") == [(3, 0)]


def test_truncate_among_other_statements_commits_those_before_it(redshift: Workplace) -> None:
    redshift.sql("CREATE TABLE a (n int); CREATE TABLE b (n int); INSERT INTO b VALUES (1)")
    redshift.sql("BEGIN; INSERT INTO a VALUES (1); TRUNCATE b; ROLLBACK")
    assert redshift.sql("SELECT count(*) FROM a") == [(1,)]


def test_a_truncate_that_fails_fails_the_transaction(redshift: Workplace) -> None:
    redshift.sql("CREATE TABLE a (n int)")
    redshift.sql("BEGIN; INSERT INTO a VALUES (1)")
    assert redshift.fails("TRUNCATE nowhere").pgcode == "42P01"
    redshift.sql("ROLLBACK")
    assert redshift.sql("SELECT count(*) FROM a") == [(0,)]


def test_transactions_are_snapshots_and_the_user_is_no_superuser(redshift: Workplace) -> None:
    redshift.sql("CREATE TABLE t (n int)")
    with closing(redshift.connect()) as other:
        redshift.sql("BEGIN")
        assert redshift.sql("SELECT count(*) FROM t") == [(0,)]
        redshift.sql("INSERT INTO t VALUES (1)", other)
        assert redshift.sql("SELECT count(*) FROM t") == [(0,)]
        redshift.sql("COMMIT")
    assert redshift.sql("SELECT count(*) FROM t") == [(1,)]
    assert redshift.sql("SHOW is_superuser") == [("off",)]


@pytest.mark.parametrize("statement", ["UPDATE t SET n = n + 1", "DELETE FROM t"])
def test_a_conflict_of_two_sessions_is_1023_as_xx000(redshift: Workplace, statement: str) -> None:
    redshift.sql("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
    with closing(redshift.connect()) as other:
        redshift.sql("BEGIN; SELECT * FROM t")
        redshift.sql("UPDATE t SET n = 10", other)
        error = redshift.fails(statement)
        assert error.pgcode == "XX000"
        assert SERIALIZATION_FAILURE.search(str(error))
        redshift.sql("ROLLBACK")
        # A retry succeeds on the same connection.
        redshift.sql(statement)
        redshift.sql("BEGIN; SELECT * FROM t")
        redshift.sql("INSERT INTO t VALUES (5)", other)
        assert redshift.sql("SELECT count(*) FROM t WHERE n = 5") == [(0,)]
        redshift.sql("ROLLBACK")


def test_a_conflict_among_other_statements_is_1023_too(redshift: Workplace) -> None:
    redshift.sql("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
    with closing(redshift.connect()) as other:
        redshift.sql("BEGIN; SELECT * FROM t")
        redshift.sql("UPDATE t SET n = 10", other)
        many = "SELECT repeat('x', 1000) FROM generate_series(1, 300); UPDATE t SET n = 2; SELECT 3"
        assert redshift.fails(many).pgcode == "XX000"
        redshift.sql("ROLLBACK")
    assert redshift.sql("SELECT n FROM t") == [(10,)]


def test_a_read_write_conflict_of_serializable_sessions_is_1023(redshift: Workplace) -> None:
    redshift.sql("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
    begin = "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT sum(n) FROM t"
    with closing(redshift.connect()) as other:
        redshift.sql(begin)
        redshift.sql(begin, other)
        redshift.sql("INSERT INTO t VALUES (2)")
        redshift.sql("INSERT INTO t VALUES (3)", other)
        redshift.sql("COMMIT")
        error = redshift.fails("COMMIT", other)
    assert error.pgcode == "XX000"
    assert SERIALIZATION_FAILURE.search(str(error))


DDL = [
    "CREATE TABLE t (a int, b varchar(9)) DISTSTYLE AUTO",
    "CREATE TABLE t (a int, b varchar(9)) DISTSTYLE EVEN SORTKEY AUTO",
    "CREATE TABLE t (a int, b varchar(9)) DISTSTYLE ALL SORTKEY (a, b)",
    "CREATE TABLE t (a int, b varchar(9)) DISTSTYLE KEY DISTKEY (a) COMPOUND SORTKEY (b, a)",
    "CREATE TABLE t (a int, b varchar(9))\ndistkey(a)\ninterleaved sortkey(a, b);",
    "CREATE TABLE t (a int, b varchar(9)) DISTKEY(\"a\") ENCODE AUTO",
    "CREATE TABLE t (a int ENCODE az64 DISTKEY SORTKEY, b varchar(9) ENCODE zstd)",
    "CREATE TABLE t (a int NOT NULL ENCODE raw, b varchar(9) DEFAULT 'x' ENCODE lzo)",
    "CREATE TABLE IF NOT EXISTS t (a integer encode Delta32k, b varchar (9)) BACKUP NO",
    "CREATE TEMP TABLE t (a int SORTKEY, b varchar(9)) DISTSTYLE EVEN",
    "CREATE TEMPORARY TABLE t BACKUP YES DISTKEY (a) SORTKEY (a) AS SELECT 1 AS a, 'x' AS b",
    "CREATE TABLE t DISTSTYLE ALL AS (SELECT 1 AS a, 'x' AS b)",
]  # fmt: skip


@pytest.mark.parametrize("statement", DDL)
def test_redshifts_table_attributes_are_accepted(redshift: Workplace, statement: str) -> None:
    redshift.sql(statement)
    redshift.sql("DELETE FROM t; INSERT INTO t VALUES (1, 'y')")
    assert redshift.sql("SELECT a, b FROM t") == [(1, "y")]


def test_keys_are_accepted_and_not_enforced_but_not_null_is(redshift: Workplace) -> None:
    # https://docs.aws.amazon.com/redshift/latest/dg/t_Defining_constraints.html
    redshift.sql(
        "CREATE TABLE a (id int PRIMARY KEY, code varchar(9) UNIQUE NOT NULL);"
        " CREATE TABLE b (id int NOT NULL REFERENCES a (id), n int, PRIMARY KEY (id, n),"
        " UNIQUE (n), FOREIGN KEY (id) REFERENCES a (id)) DISTKEY (id)"
    )
    redshift.sql("INSERT INTO a VALUES (1, 'x'), (1, 'x'); INSERT INTO b VALUES (7, 1), (7, 1)")
    assert redshift.fails("INSERT INTO a (id) VALUES (1)").pgcode == "23502"
    assert redshift.fails("INSERT INTO a (code) VALUES ('x')").pgcode == "23502"


def test_words_of_table_attributes_remain_elsewhere(redshift: Workplace) -> None:
    redshift.sql(
        "CREATE TABLE t (a varchar(40) DEFAULT 'DISTSTYLE ALL ENCODE zstd' ENCODE zstd,"
        ' "distkey" int, "sortkey" int) DISTSTYLE EVEN -- SORTKEY (a)'
    )
    redshift.sql('INSERT INTO t ("distkey") VALUES (1) /* DISTKEY(a) */')
    assert redshift.sql('SELECT a, "distkey" FROM t') == [("DISTSTYLE ALL ENCODE zstd", 1)]
    literal = "CREATE TABLE x (a varchar(max) ENCODE zstd) DISTKEY(a)"
    assert redshift.sql(f"SELECT '{literal}'") == [(literal,)]
    assert redshift.sql("SELECT 1 AS encode") == [(1,)]


def test_lengths_of_text_are_redshifts(redshift: Workplace) -> None:
    redshift.sql("CREATE TABLE t (a VARCHAR(MAX), b varchar, c char, d character varying( max ))")
    assert redshift.sql(
        "SELECT column_name, character_maximum_length FROM information_schema.columns"
        f" WHERE table_schema = '{redshift.schema}' AND table_name = 't' ORDER BY 1"
    ) == [("a", 65535), ("b", 256), ("c", 1), ("d", 65535)]
    redshift.sql("INSERT INTO t (a) VALUES (repeat('x', 65535))")
    assert "value too long" in str(redshift.fails("INSERT INTO t (a) VALUES (repeat('x', 65536))"))
    assert redshift.sql("SELECT 'long enough'::varchar(4)") == [("long",)]


REFUSED_ALTERS = {
    "ALTER TABLE t ADD COLUMN b int, ADD COLUMN c int": 'syntax error at or near ","',
    "alter table t drop column a, add c int": 'syntax error at or near ","',
    "BEGIN; ALTER TABLE t ALTER COLUMN a TYPE varchar(9)": "inside a transaction block",
    "ALTER TABLE t ALTER COLUMN a TYPE int USING 1": "only the size of a VARCHAR",
}


@pytest.mark.parametrize("statement", REFUSED_ALTERS)
def test_an_alter_table_that_redshift_rejects_is_rejected(
    redshift: Workplace, statement: str
) -> None:
    redshift.sql("CREATE TABLE t (a varchar(3))")
    assert REFUSED_ALTERS[statement] in str(redshift.fails(statement))


def test_columns_are_added_in_a_transaction_and_widened_outside_one(redshift: Workplace) -> None:
    redshift.sql('CREATE TABLE t ("the a" varchar(3))')
    widen = 'ALTER TABLE t ALTER COLUMN "the a" TYPE varchar(9)'
    redshift.sql("BEGIN")
    redshift.sql("ALTER TABLE t ADD COLUMN b decimal(12, 2)")
    error = redshift.fails(widen)
    assert (error.pgcode, "transaction block" in str(error)) == ("25001", True)
    redshift.sql("ROLLBACK")
    redshift.sql(widen)
    redshift.sql("BEGIN")
    redshift.sql("ALTER TABLE t ADD COLUMN b decimal(12, 2)")
    redshift.sql("COMMIT")
    redshift.sql(f"INSERT INTO t VALUES ('{'x' * 9}', 1)")
    assert "value too long" in str(redshift.fails(f"INSERT INTO t VALUES ('{'é' * 5}', 1)"))


def test_drivers_detect_redshift(redshift: Workplace) -> None:
    [(version,)] = redshift.sql("SELECT version()")
    assert re.fullmatch(r"PostgreSQL 8\.0\.2 on .*, Redshift 1\.0\.\d+", version)


def test_getdate_is_now_to_the_second_without_a_zone(redshift: Workplace) -> None:
    [(now, kind)] = redshift.sql("SELECT GETDATE(), pg_typeof(getdate())::text")
    assert kind == "timestamp without time zone"
    assert now.microsecond == 0
    assert abs(now - dt.datetime.now(dt.UTC).replace(tzinfo=None)) < dt.timedelta(minutes=1)


FUNCTIONS = [
    ("NVL(NULL, 7)", 7),
    ("NVL(NULL, NULL, 'c')", "c"),
    ("nvl(1, 2)", 1),
    ("NVL(NULL::varchar, 'x')", "x"),
    ("NVL(NULL::date, DATE '2031-02-03')", dt.date(2031, 2, 3)),
    ("NVL(NULL, NULL, NULL, 4.5)::text", "4.5"),
    ("DATEDIFF(year, '2030-12-31', '2031-01-01')", 1),
    ("DATEDIFF(year, '2030-01-01', '2030-12-31')", 0),
    ("datediff('yr', DATE '2031-06-01', DATE '2028-01-01')", -3),
    ("DATEDIFF(qtr, '2031-03-31', '2031-04-01')", 1),
    ("DATEDIFF(quarter, '2029-07-01', '2031-02-03')", 6),
    ("DATEDIFF(month, '2031-01-31', '2031-02-01')", 1),
    ("DATEDIFF(mon, '2031-02-01 00:00:00', '2031-02-28 23:59:59')", 0),
    ("DATEDIFF(week, '2031-03-03', '2031-03-31')", 4),
    ("DATEDIFF(day, '2031-02-03 23:59:59', '2031-02-04 00:00:00')", 1),
    ("DATEDIFF(day, TIMESTAMP '2031-02-03 00:00', TIMESTAMP '2031-02-03 23:59')", 0),
    ("DATEDIFF(days, '2031-03-01', '2031-02-01')", -28),
    ("DATEDIFF(d, DATE '2031-02-03', TIMESTAMP '2031-02-05 01:00')", 2),
    ("DATEDIFF(hour, '2031-02-03 10:59:59', '2031-02-03 11:00:00')", 1),
    ("DATEDIFF(hours, '2031-02-03', '2031-02-05')", 48),
    ("DATEDIFF(minute, '2031-02-03 10:00:59', '2031-02-03 10:02:00')", 2),
    ("DATEDIFF(second, '2031-02-03 10:00:00.9', '2031-02-03 10:00:01.1')", 1),
    ("DATEDIFF ( sec , TIMESTAMP '2031-02-03 10:00:01', TIMESTAMP '2031-02-03 10:00:00' )", -1),
    ("DATEDIFF(day, NULL, GETDATE())", None),
    ("DATEDIFF(day, GETDATE(), GETDATE() + INTERVAL '2 days')", 2),
    ("DATEADD(month, 1, '2031-01-31')", dt.datetime(2031, 2, 28)),
    ("dateadd(hours, -25, TIMESTAMP '2031-02-03 00:30')", dt.datetime(2031, 2, 1, 23, 30)),
    ("DATEADD(qtr, 1, DATE '2031-02-03')", dt.datetime(2031, 5, 3)),
    ("DATEDIFF(second, SYSDATE, GETDATE()) BETWEEN -1 AND 1", True),
    ("CASE WHEN DATEDIFF(day, d, '2031-03-01') > 5 THEN 'far' END FROM"
     " (SELECT DATE '2031-02-03' AS d) AS x", "far"),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "value"), FUNCTIONS, ids=lambda v: str(v))
def test_functions_return_what_redshifts_return(
    redshift: Workplace, expression: str, value: Any
) -> None:
    assert redshift.sql(f"SELECT {expression}") == [(value,)]


def test_a_column_may_be_named_like_a_date_part(redshift: Workplace) -> None:
    redshift.sql("CREATE TABLE t (day date, month int); INSERT INTO t VALUES ('2031-02-03', 2)")
    query = "SELECT DATEDIFF(day, day, '2031-02-05'), month FROM t WHERE day = '2031-02-03'"
    assert redshift.sql(query) == [(2, 2)]
