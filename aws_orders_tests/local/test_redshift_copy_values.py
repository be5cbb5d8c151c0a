"""COPY from S3 as AWS documents it: what becomes of a field; one row of the tables each.

After https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-conversion.html;
statements and data are our own.
"""

import datetime as dt
from decimal import Decimal

import pytest

D = Decimal
BEANS = "id int, name varchar(20), price decimal(8,2)"
NOTES = "id int, name varchar(20), note varchar(20) DEFAULT 'none'"
# Columns, options, a file, rows.
EXAMPLES = {
    "without ROUNDEC decimals are cut off, towards zero": (
        BEANS, "CSV", "1,a,20.259\n2,b,-20.259\n3,c,5\n4,d,0.999\n5,e,.5\n6,f,\n7,g,1e3\n",
        [(1, "a", D("20.25")), (2, "b", D("-20.25")), (3, "c", D(5)), (4, "d", D("0.99")),
         (5, "e", D("0.5")), (6, "f", None), (7, "g", D(1000))]),
    "ROUNDEC rounds them": (
        BEANS, "CSV ROUNDEC", "1,a,20.259\n2,b,-20.259\n3,c,20.254\n4,d,0.005\n",
        [(1, "a", D("20.26")), (2, "b", D("-20.26")), (3, "c", D("20.25")), (4, "d", D("0.01"))]),
    "empty fields are NULL where the type has no empty value; \\N is NULL": (
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
def test_copy_converts_values_as_redshift_does(redshift, shows):
    columns, options, file, rows = EXAMPLES[shows]
    redshift.sql(f"CREATE TABLE t ({columns})")
    redshift.put({"in/a": file})
    redshift.copy("t", options)
    assert redshift.sql("SELECT * FROM t ORDER BY 1") == rows


def test_an_omitted_column_takes_its_default(redshift):
    redshift.sql("CREATE TABLE t (id int NOT NULL, city varchar(9), seats int DEFAULT '1000')")
    redshift.put({"in/a": "1,Lima\n2,Quito\n"})
    redshift.copy("t (id, city)")
    assert redshift.sql("SELECT * FROM t ORDER BY 1") == [(1, "Lima", 1000), (2, "Quito", 1000)]


def test_a_column_list_gives_the_order_in_the_file_in_any_case(redshift):
    redshift.sql(f"CREATE TABLE t ({BEANS})")
    redshift.put({"in/a": "price,id,name\n20.259,1,Ann\n,2,\n"})
    redshift.copy(
        't("price", ID, Name)',
        "format as csv ignoreheader 1 roundec emptyasnull timeformat 'auto' dateformat as 'auto'",
    )
    assert redshift.sql("SELECT * FROM t ORDER BY 1") == [(1, "Ann", D("20.26")), (2, None, None)]
