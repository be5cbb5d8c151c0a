"""Rejected rows: their load errors, and MAXERROR.

Columns: https://docs.aws.amazon.com/redshift/latest/dg/SYS_LOAD_ERROR_DETAIL.html and
https://docs.aws.amazon.com/redshift/latest/dg/r_STL_LOAD_ERRORS.html, codes:
https://docs.aws.amazon.com/redshift/latest/dg/r_Load_Error_Reference.html
"""

import gzip

import psycopg2
import pytest

from aws_orders_tests.laptop_aws.conftest import Workplace

FAILED = "Load into table 'orders' failed.  Check 'sys_load_error_detail' system table for details."
DETAIL = """
    SELECT trim(file_name), line_number, trim(column_name), trim(error_message)
    FROM sys_load_error_detail WHERE query_id = pg_last_copy_id() ORDER BY file_name, line_number
"""


@pytest.fixture
def orders(redshift: Workplace) -> Workplace:
    redshift.sql(
        "CREATE TABLE orders (order_id bigint NOT NULL, customer_name varchar(10),"
        " price decimal(12,2), placed_at timestamp)"
    )
    return redshift


def ids(place: Workplace) -> list[int]:
    return [found for (found,) in place.sql("SELECT order_id FROM orders ORDER BY 1")]


BAD_ROWS = [
    # row, column, type, length, code, reason, raw value
    ("a,N,1,", "order_id", "int8", "", 1207, "Invalid digit, Value 'a', Pos 0, Type: Long", "a"),
    ("9,N,1x.5,", "price", "numeric", "12,2", 1207,
     "Invalid digit, Value 'x', Pos 1, Type: Decimal", "1x.5"),
    ("99999999999999999999,N,1,", "order_id", "int8", "", 1204, "Overflow, Type: Long",
     "99999999999999999999"),
    ("9,N,12345678901,", "price", "numeric", "12,2", 1204, "", "12345678901"),
    ("9,Bartholomew,1,", "customer_name", "varchar", "10", 1204,
     "String length exceeds DDL length", "Bartholomew"),
    ("9,Müßiggang,1,", "customer_name", "varchar", "10", 1204,
     "String length exceeds DDL length", "Müßiggang"),
    (",N,1,", "order_id", "int8", "", 1213, "Missing data for not-null field", ""),
    ("9,N,1,soon", "placed_at", "timestamp", "", 1206, "Invalid timestamp format or value", "soon"),
    ("9,N,1,2031-13-01 00:00:00", "placed_at", "timestamp", "", 1206,
     "Invalid timestamp format or value", "2031-13-01 00:00:00"),
    ("9,N,1,,", "", "", "", 1202, "Extra column(s) found", ""),
    ("9,N", "", "", "", None, "Delimiter not found", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "column", "kind", "length", "code", "reason", "value"), BAD_ROWS, ids=lambda v: str(v)
)
def test_a_bad_row_is_recorded_in_redshifts_words_and_nothing_is_loaded(
    orders: Workplace,
    row: str,
    column: str,
    kind: str,
    length: str,
    code: int | None,
    reason: str,
    value: str,
) -> None:
    header = "order_id,customer_name,price,placed_at\n"
    orders.put({"in/1": f"{header}1,A,1,\n", "in/2": f'{header}2,"B\nB",2,\n{row}\n3,C,3,\n'})
    orders.put({"in/3": f"{header}4,D,4,\n"})
    assert orders.copy_fails("orders", "CSV IGNOREHEADER 1 ROUNDEC") == FAILED
    assert ids(orders) == []
    assert orders.sql("SELECT pg_last_copy_count()") == [(0,)]
    [found] = orders.sql(
        "SELECT trim(file_name), line_number, trim(column_name), trim(column_type),"
        " trim(replace(column_length, ' ', '')), error_code, trim(error_message)"
        " FROM sys_load_error_detail WHERE query_id = pg_last_copy_id()"
    )
    where = (orders.url("in/2"), 4, column, kind, length)
    assert found[:5] == where
    assert found[5] == (code or found[5])
    assert reason in found[6]
    [provisioned] = orders.sql(
        "SELECT trim(filename), line_number, trim(colname), trim(type),"
        " trim(replace(col_length, ' ', '')), trim(raw_line), trim(raw_field_value), err_code,"
        " trim(err_reason) FROM stl_load_errors WHERE query = pg_last_copy_id()"
    )
    assert provisioned == (*where, row, value, *found[5:])


def test_dates_and_booleans_have_specific_errors(redshift: Workplace) -> None:
    redshift.sql("CREATE TABLE t (d date, b boolean, i int, s smallint, f real)")
    lines = ["2031-02-30,,,,", ",maybe,,,", ",,7 8,,", ",,,32768,", ",,,,x1"]
    redshift.put({"in/a": "\n".join(lines)})
    redshift.copy("t", "CSV MAXERROR 100")
    rows = redshift.sql(
        "SELECT line_number, trim(column_name), error_code, trim(error_message)"
        " FROM sys_load_error_detail WHERE query_id = pg_last_copy_id() ORDER BY 1"
    )
    assert [row[:3] for row in rows[:4]] == [
        (1, "d", 1205), (2, "b", 1210), (3, "i", 1207), (4, "s", 1204)
    ]  # fmt: skip
    assert rows[2][3] == "Invalid digit, Value ' ', Pos 1, Type: Integer"
    assert rows[3][3].endswith("Type: Short")
    assert rows[4][1] == "f"


def test_text_that_is_not_utf8_is_recorded(orders: Workplace) -> None:
    orders.put({"in/1": b"1,A,1,\n9,\xff,1,\n"})
    assert orders.copy_fails("orders") == FAILED
    [(url, line, _, reason)] = orders.sql(DETAIL)
    assert (url, line) == (orders.url("in/1"), 2)
    assert reason.lower().startswith("invalid utf8 hex sequence: ff")


def test_wrong_quotes_are_recorded_with_the_field_up_to_them(orders: Workplace) -> None:
    rows = ["1,A,1,", '2,27" wide,1,', '3,"B"C,1,', '4,"D\nD"x,1,', '5,E,1,,,"F"G', "6,F,1,"]
    orders.put({"in/1": "\n".join(rows)})
    orders.copy("orders", "CSV MAXERROR 9")
    assert ids(orders) == [1, 6]
    what = (1214, "Invalid quote formatting for CSV")
    assert orders.sql(
        "SELECT line_number, trim(colname), position, trim(raw_field_value), trim(raw_line),"
        " err_code, trim(err_reason) FROM stl_load_errors WHERE query = pg_last_copy_id()"
        " ORDER BY 1"
    ) == [
        (2, "customer_name", 2, "27", rows[1], *what),
        (3, "customer_name", 3, '"B"', rows[2], *what),
        (4, "customer_name", 5, '"D\nD"', rows[3], *what),
        (6, "", 0, "", rows[4], *what),
    ]


def test_a_row_beyond_4_mb_is_recorded(orders: Workplace) -> None:
    orders.put({"in/1": f"1,A,1,\n2,{'x' * 4 * 1024 * 1024},1,\n3,C,1,\n"})
    orders.copy("orders", "CSV MAXERROR 9")
    assert ids(orders) == [1, 3]
    assert orders.sql(DETAIL) == [
        (orders.url("in/1"), 2, "customer_name", "Input line is longer than 4 MB")
    ]


def test_unclosed_quotes_are_recorded(orders: Workplace) -> None:
    orders.put({"in/1": '1,A,1,\n9,"N,1,\n', "in/2": "2,B,2,\n"})
    assert orders.copy_fails("orders") == FAILED
    [(url, line, _, reason)] = orders.sql(DETAIL)
    assert (url, line) == (orders.url("in/1"), 2)
    assert "quote" in reason.lower()


def test_a_load_error_names_user_session_query_and_table(orders: Workplace) -> None:
    orders.put({"in/1": "1,A,x,\n"})
    orders.copy_fails("orders")
    assert orders.sql(
        "SELECT user_id = current_user::regrole::oid::int, session_id = pg_backend_pid(),"
        " trim(database_name), table_id = 'orders'::regclass::oid::int, position,"
        " abs(extract(epoch FROM start_time - getdate())) < 60"
        " FROM sys_load_error_detail WHERE query_id = pg_last_copy_id()"
    ) == [(True, True, "dev", True, 0, True)]
    assert orders.sql(
        "SELECT userid = current_user::regrole::oid::int, session = pg_backend_pid(),"
        " tbl = 'orders'::regclass::oid::int, position"
        " FROM stl_load_errors WHERE query = pg_last_copy_id()"
    ) == [(True, True, True, 0)]


def test_load_errors_survive_the_rollback_that_they_cause(orders: Workplace) -> None:
    orders.put({"in/1": "x,A,1,\n"})
    orders.sql("BEGIN; INSERT INTO orders VALUES (7)")
    assert orders.copy_fails("orders") == FAILED
    for statement in ("SELECT 1", "COPY orders FROM 's3://{bucket}/in/' IAM_ROLE default CSV"):
        assert orders.fails(statement).pgcode == "25P02"
    orders.sql("ROLLBACK")
    assert ids(orders) == []
    own = (
        "SELECT trim(error_message) FROM sys_load_error_detail WHERE session_id = pg_backend_pid()"
    )
    assert orders.sql(own) == [("Invalid digit, Value 'x', Pos 0, Type: Long",)]
    assert orders.sql(
        "SELECT trim(raw_line), trim(raw_field_value) FROM stl_load_errors"
        " WHERE session = pg_backend_pid()"
    ) == [("x,A,1,", "x")]


def test_bad_rows_of_a_temporary_table_are_recorded_as_well(redshift: Workplace) -> None:
    redshift.put({"in/1": "x\n"})
    redshift.sql("BEGIN; CREATE TEMP TABLE stage (id bigint)")
    assert "Load into table 'stage' failed" in redshift.copy_fails("stage")
    redshift.sql("ROLLBACK")
    own = "SELECT count(*) FROM sys_load_error_detail WHERE session_id = pg_backend_pid()"
    assert redshift.sql(own) == [(1,)]


def bad_and_good(orders: Workplace, bad: int) -> None:
    rows = [f"{n},N,{'x' if n <= bad else n},\n" for n in range(1, 11)]
    orders.put({"in/1": "".join(rows[::2]), "in/2.csv": "".join(rows[1::2])})


@pytest.mark.parametrize(("allowed", "bad"), [(2, 1), (5, 4), (100000, 10)])
def test_fewer_errors_than_maxerror_load_the_good_rows_and_list_the_bad(
    orders: Workplace, allowed: int, bad: int
) -> None:
    bad_and_good(orders, bad)
    orders.copy("orders", f"CSV MAXERROR {allowed}")
    assert ids(orders) == [*range(bad + 1, 11)]
    assert orders.sql("SELECT pg_last_copy_count()") == [(10 - bad,)]
    assert len(orders.sql(DETAIL)) == bad
    infos = "".join(orders.connection.notices)
    assert f"Load into table 'orders' completed, {10 - bad} record(s) loaded successfully." in infos
    assert f"Load into table 'orders' completed, {bad} record(s) could not be loaded." in infos
    assert "Check 'stl_load_errors' system table for details." in infos or "sys_load_error" in infos


@pytest.mark.parametrize(("allowed", "bad"), [(0, 1), (1, 1), (2, 2), (3, 7)])
def test_as_many_errors_as_maxerror_fail_the_load(
    orders: Workplace, allowed: int, bad: int
) -> None:
    bad_and_good(orders, bad)
    assert orders.copy_fails("orders", f"CSV MAXERROR AS {allowed}") == FAILED
    assert ids(orders) == []
    assert len(orders.sql(DETAIL)) >= max(allowed, 1)


def test_every_kind_of_rejected_row_is_skipped_and_listed_with_its_line(orders: Workplace) -> None:
    lines = ["1,A,1,", *(row for row, *_ in BAD_ROWS), '2,"B, b",2,']
    body = "h\n" + "\n".join(lines) + "\n"
    orders.put({"in/1.gz": gzip.compress(body.encode())})
    orders.copy("orders", "CSV GZIP IGNOREHEADER 1 MAXERROR 50 ROUNDEC")
    assert ids(orders) == [1, 2]
    assert [line for _, line, *_ in orders.sql(DETAIL)] == [*range(3, 3 + len(BAD_ROWS))]


def test_maxerror_does_not_apply_to_a_missing_file_or_option(orders: Workplace) -> None:
    orders.put({"in/1": "1,A,1,\n"})
    assert "none" in orders.copy_fails("orders", "CSV MAXERROR 10", "none")
    assert "SLOWLY" in orders.copy_fails("orders", "CSV MAXERROR 10 SLOWLY")


def test_an_error_in_the_statement_keeps_the_last_count(orders: Workplace) -> None:
    orders.put({"in/1": "1,A,1,\n"})
    orders.copy("orders")
    orders.copy_fails("orders", "CSV SLOWLY")
    assert orders.sql("SELECT pg_last_copy_count()") == [(1,)]


def test_lengths_count_bytes_in_insert_as_in_copy(redshift: Workplace) -> None:
    redshift.sql("CREATE TABLE t (a varchar(5))")
    redshift.put({"in/a": "Grüs\n"})
    redshift.copy("t")
    for statement in ("INSERT INTO t VALUES ('Grüße')", "UPDATE t SET a = 'Grüße'"):
        with pytest.raises(psycopg2.Error, match="value too long for type character varying"):
            redshift.sql(statement)
    redshift.sql("ALTER TABLE t ADD COLUMN b varchar(3)")
    assert "value too long" in str(redshift.fails("INSERT INTO t (b) VALUES ('üü')"))
    assert redshift.sql("SELECT a FROM t") == [("Grüs",)]
    redshift.put({"in/a": "Grüße\n"})
    assert "Load into table 't' failed" in redshift.copy_fails("t (a)")
    assert redshift.sql(DETAIL)[0][3] == "String length exceeds DDL length"
