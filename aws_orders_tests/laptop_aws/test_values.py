"""COPY from S3 as AWS documents it: how fields are converted.

See https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-conversion.html;
statements and data are our own.
"""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from aws_orders_tests.laptop_aws.conftest import Workplace

D = Decimal
BEANS = "id int, name varchar(20), price decimal(8,2)"
NOTES = "id int, name varchar(20), note varchar(20) DEFAULT 'none'"
# Columns, options, a file, rows.
EXAMPLES: dict[str, tuple[str, str, bytes | str, list[tuple[Any, ...]]]] = {
    "without ROUNDEC decimals are truncated": (
        BEANS, "CSV", "1,a,20.259\n2,b,-20.259\n3,c,5\n4,d,0.999\n5,e,.5\n6,f,\n7,g,+1000.\n",
        [(1, "a", D("20.25")), (2, "b", D("-20.25")), (3, "c", D(5)), (4, "d", D("0.99")),
         (5, "e", D("0.5")), (6, "f", None), (7, "g", D(1000))]),
    "ROUNDEC rounds them": (
        BEANS, "CSV ROUNDEC", "1,a,20.259\n2,b,-20.259\n3,c,20.254\n4,d,0.005\n",
        [(1, "a", D("20.26")), (2, "b", D("-20.26")), (3, "c", D("20.25")), (4, "d", D("0.01"))]),
    "empty fields are NULL if the type has no empty value; \\N is NULL": (
        NOTES, "CSV", ",,\n2,\\N,x\n\\N,a,\\N\n",
        [(2, None, "x"), (None, "", ""), (None, "a", None)]),
    "EMPTYASNULL": (
        NOTES, "CSV EMPTYASNULL", '1,,"a"\n2,"", \n', [(1, None, "a"), (2, None, " ")]),
    "NULL AS '' is EMPTYASNULL": (
        NOTES, "CSV NULL AS ''", "1,,a\n,b,\n", [(1, None, "a"), (None, "b", None)]),
    "NULL AS a word, for every type; empty numbers stay NULL": (
        NOTES, "CSV NULL AS 'n/a'", "1,n/a,n/a \nn/a,,N/A\n,x,\\N\n",
        [(1, None, "n/a "), (None, "", "N/A"), (None, "x", "\\N")]),
    "NULL without AS, with a quote in it": (
        NOTES, "CSV NULL 'it''s'", "1,it's,a\n", [(1, None, "a")]),
    "blank numbers are NULL, blank text is kept": (
        NOTES, "CSV", " ,  ,a\n", [(None, "  ", "a")]),
    "BLANKSASNULL": (
        NOTES, "CSV BLANKSASNULL", '1,   ," "\n2, x ,y\n', [(1, None, None), (2, " x ", "y")]),
    "BLANKSASNULL and EMPTYASNULL": (
        NOTES, "CSV EMPTYASNULL BLANKSASNULL", "1,,  \n", [(1, None, None)]),
    "ACCEPTINVCHARS: a question mark for each byte": (
        NOTES, "CSV ACCEPTINVCHARS", b"1,caf\xe9,gr\xc3\xbcn\n", [(1, "caf?", "grün")]),
    "ACCEPTINVCHARS AS another: an invalid one of three bytes becomes three": (
        NOTES, "CSV ACCEPTINVCHARS AS '^'", b"1,a\xed\xa0\x80b,c\n", [(1, "a^^^b", "c")]),
    "TRUNCATECOLUMNS cuts at the column's bytes, never within a character": (
        "id int, a varchar(5), b char(3)", "CSV TRUNCATECOLUMNS", "1,Grüße aus,abc\n2,ok,wxyz\n",
        [(1, "Grü", "abc"), (2, "ok", "wxy")]),
    "many conversions at once": (
        BEANS, "CSV BLANKSASNULL NULL AS '-' TRUNCATECOLUMNS ACCEPTINVCHARS '^' IGNOREHEADER 1",
        b"id,name,price\n1,-,9.999\n2,  ,-\n3,\xff\xe4nd so it goes on and on,1.005\n",
        [(1, None, D("9.99")), (2, None, None), (3, "^^nd so it goes on a", D("1.00"))]),
    "numbers with white space, signs and zeros around them": (
        "a bigint, b int, c decimal(6,2)", "CSV ROUNDEC",
        " 1,+2,-.5\n007,-0,+5.\n\t8\t, 9 ,  1.25 \n",
        [(1, 2, D("-0.5")), (7, 0, D(5)), (8, 9, D("1.25"))]),
    "ids of 19 digits, as long as they fit": (
        "a bigint, b int", "CSV", "9223372036854775807,1\n-9223372036854775808,2\n"
        "1729384756473829102,3\n",
        [(-(2**63), 2), (1729384756473829102, 3), (2**63 - 1, 1)]),
    "without ROUNDEC a number of 38 digits is truncated too": (
        "id int, a decimal(38,2)", "CSV", "1,123456789012345678901234567890123456.789\n2,.999\n",
        [(1, D("123456789012345678901234567890123456.78")), (2, D("0.99"))]),
    "floating-point numbers may have an exponent": (
        "id int, f real, g double precision", "CSV", "1,1.0E4,-2.5e-3\n2,1e3,.5\n",
        [(1, 1e4, -0.0025), (2, 1e3, 0.5)]),
    "booleans of all kinds": (
        "id int, f boolean", "CSV",
        "1,t\n2,TRUE\n3,y\n4,Yes\n5,1\n6,f\n7,false\n8,N\n9,no\n10,0\n11, \n",
        [(n, n < 6 if n < 11 else None) for n in range(1, 12)]),
    "numbers and booleans of all kinds": (
        "a smallint, b int, c bigint, d real, e double precision, f boolean", "CSV",
        "1,-2,3,4.5,-0.25,true\n2,7,-9223372036854775808,1e3,0,f\n3,1,1,1,1,0\n,,,,,\n",
        [(1, -2, 3, 4.5, -0.25, True), (2, 7, -(2**63), 1000.0, 0.0, False),
         (3, 1, 1, 1.0, 1.0, False), (None,) * 6]),
    "dates and times as they are by default, to the microsecond": (
        "d date, t timestamp", "CSV", "2031-02-03,2031-02-03 14:15:57.119568\n",
        [(dt.date(2031, 2, 3), dt.datetime(2031, 2, 3, 14, 15, 57, 119568))]),
    "'auto' recognises more": (
        "d date, t timestamp", "CSV DATEFORMAT 'auto' TIMEFORMAT AS 'auto'",
        "2031-02-03,2031-02-03 04:05:06.789\n20310204,2031-02-04T04:05:06\n"
        "Feb 5 2031,20310205 040506\n06-Feb-2031,Feb 6 2031 04:05:06\n,\n",
        [(dt.date(2031, 2, 3), dt.datetime(2031, 2, 3, 4, 5, 6, 789000)),
         (dt.date(2031, 2, 4), dt.datetime(2031, 2, 4, 4, 5, 6)),
         (dt.date(2031, 2, 5), dt.datetime(2031, 2, 5, 4, 5, 6)),
         (dt.date(2031, 2, 6), dt.datetime(2031, 2, 6, 4, 5, 6)), (None, None)]),
}  # fmt: skip


@pytest.mark.parametrize("shows", EXAMPLES)
def test_copy_converts_values_as_redshift_does(redshift: Workplace, shows: str) -> None:
    columns, options, file, rows = EXAMPLES[shows]
    redshift.sql(f"CREATE TABLE t ({columns})")
    redshift.put({"in/a": file})
    redshift.copy("t", options)
    assert redshift.sql("SELECT * FROM t ORDER BY 1") == rows


NARROW, NO_BREAK, IDEOGRAPHIC = "\u202f", "\u00a0", "\u3000"
# By column type: fields that PostgreSQL or Python accepts and Redshift rejects, with the load
# error.
DIGIT = "Invalid digit, Value '{}', Pos {}, Type: {}"
REJECTED = {
    "bigint": {
        **{space: DIGIT.format(space, 0, "Long") for space in (NO_BREAK, NARROW, IDEOGRAPHIC)},
        "\x1f": DIGIT.format("\x1f", 0, "Long"),
        f"1{NO_BREAK}000": DIGIT.format(NO_BREAK, 1, "Long"),
        f"{NO_BREAK}5": DIGIT.format(NO_BREAK, 0, "Long"),
        "1e3": DIGIT.format("e", 1, "Long"),
        "1E+3": DIGIT.format("E", 1, "Long"),
        "5.0": DIGIT.format(".", 1, "Long"),
        "0x1F": DIGIT.format("x", 1, "Long"),
        "-0X1f": DIGIT.format("X", 2, "Long"),
        "0o17": DIGIT.format("o", 1, "Long"),
        "0b11": DIGIT.format("b", 1, "Long"),
        "1_000": DIGIT.format("_", 1, "Long"),
        '"1,000"': DIGIT.format(",", 1, "Long"),
        "1 000": DIGIT.format(" ", 1, "Long"),
        "1'000": DIGIT.format("'", 1, "Long"),
        "+": DIGIT.format("", 1, "Long"),
        "--5": DIGIT.format("-", 1, "Long"),
        "٢": DIGIT.format("٢", 0, "Long"),
        "NaN": DIGIT.format("N", 0, "Long"),
        "9223372036854775808": "Overflow, Type: Long",
        "-9223372036854775809": "Overflow, Type: Long",
    },
    "integer": {
        "2e1": DIGIT.format("e", 1, "Integer"),
        "0x2": DIGIT.format("x", 1, "Integer"),
        "2147483648": "Overflow, Type: Integer",
    },
    "decimal(12,2)": {
        NO_BREAK: DIGIT.format(NO_BREAK, 0, "Decimal"),
        "1e3": DIGIT.format("e", 1, "Decimal"),
        "1.5E-3": DIGIT.format("E", 3, "Decimal"),
        ".5e1": DIGIT.format("e", 2, "Decimal"),
        "NaN": DIGIT.format("N", 0, "Decimal"),
        " nan ": DIGIT.format("n", 1, "Decimal"),
        "Infinity": DIGIT.format("I", 0, "Decimal"),
        "-inf": DIGIT.format("i", 1, "Decimal"),
        "0x1F": DIGIT.format("x", 1, "Decimal"),
        "1_000.50": DIGIT.format("_", 1, "Decimal"),
        "1_0e-1": DIGIT.format("_", 1, "Decimal"),
        '"1,50"': DIGIT.format(",", 1, "Decimal"),
        '"1,000.50"': DIGIT.format(",", 1, "Decimal"),
        ".": DIGIT.format("", 1, "Decimal"),
        "٢": DIGIT.format("٢", 0, "Decimal"),
        "12345678901": "Overflow, Type: Decimal",
    },
    "double precision": {
        "0x1p3": DIGIT.format("x", 1, "Double"),
        "1_0": DIGIT.format("_", 1, "Double"),
        NO_BREAK: DIGIT.format(NO_BREAK, 0, "Double"),
    },
    "boolean": dict.fromkeys(["on", "off", "tru", "ye", NO_BREAK], "Unknown boolean format"),
    "date": dict.fromkeys(
        ["today", "epoch", "-infinity", "Tomorrow", "now", NO_BREAK], "Invalid Date Format"
    ),
    "timestamp": dict.fromkeys(
        ["now", "today 10:00", '"10:00 yesterday"', "infinity", "2031-01-01 allballs"],
        "Invalid timestamp format or value",
    ),
}


@pytest.mark.parametrize("options", ["CSV MAXERROR 1000 ROUNDEC", "CSV MAXERROR 1000"])
@pytest.mark.parametrize("kind", REJECTED)
def test_copy_rejects_values_that_only_postgresql_accepts(
    redshift: Workplace, kind: str, options: str
) -> None:
    redshift.sql(f"CREATE TABLE t (id int, v {kind})")
    for number, (field, reason) in enumerate(REJECTED[kind].items()):
        # One file per field: reading one file row by row does not affect the next.
        redshift.put({f"in/{number}": f"1,\n2,{field}\n3,\n"})
        redshift.copy("t", options, f"in/{number}")
        assert redshift.sql(
            "SELECT line_number, trim(column_name), trim(error_message)"
            " FROM sys_load_error_detail WHERE query_id = pg_last_copy_id()"
        ) == [(2, "v", reason)], field
    assert redshift.sql("SELECT DISTINCT id, v FROM t ORDER BY 1") == [(1, None), (3, None)]


@pytest.mark.parametrize("first", ["NaN", "1e3", "0x1F", "1_000", "now"])
def test_text_columns_accept_text_that_numeric_columns_reject(
    redshift: Workplace, first: str
) -> None:
    redshift.sql("CREATE TABLE t (a varchar(20), b decimal(8,2), at timestamp)")
    redshift.put({"in/a": f"{first},1.5,2031-01-01 00:00:00\n"})
    redshift.copy("t", "CSV ROUNDEC")
    assert redshift.sql("SELECT a, b FROM t") == [(first, D("1.5"))]


def test_an_omitted_column_gets_its_default(redshift: Workplace) -> None:
    redshift.sql("CREATE TABLE t (id int NOT NULL, city varchar(9), seats int DEFAULT '1000')")
    redshift.put({"in/a": "1,Lima\n2,Quito\n"})
    redshift.copy("t (id, city)")
    assert redshift.sql("SELECT * FROM t ORDER BY 1") == [(1, "Lima", 1000), (2, "Quito", 1000)]


def test_a_column_list_gives_the_order_in_the_file_in_any_case(redshift: Workplace) -> None:
    redshift.sql(f"CREATE TABLE t ({BEANS})")
    redshift.put({"in/a": "price,id,name\n20.259,1,Ann\n,2,\n"})
    redshift.copy(
        't("price", ID, Name)',
        "format as csv ignoreheader 1 roundec emptyasnull timeformat 'auto' dateformat as 'auto'",
    )
    assert redshift.sql("SELECT * FROM t ORDER BY 1") == [(1, "Ann", D("20.26")), (2, None, None)]
