"""COPY from S3 as AWS documents it, one row of the table each: files, options, and what is loaded.

After https://docs.aws.amazon.com/redshift/latest/dg/r_COPY_command_examples.html and the pages of
COPY's parameters; statements and data are our own.
"""

import datetime as dt
import gzip
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

BEANS = "id int, name varchar(20), price decimal(8,2)"
NULLS = "id int, name varchar(20), note varchar(20) DEFAULT 'none'"
QUOTED = '7,Grinders,"Small ""burr"" grinder"\n8,Kettles,"Steel, glass, or ""smart"""\n'
KINDS = [(7, "Grinders", 'Small "burr" grinder'), (8, "Kettles", 'Steel, glass, or "smart"')]


def manifest(*entries: tuple[str, bool | None]) -> str:
    listed = [
        {"url": f"s3://{{bucket}}/{key}"} | ({} if must is None else {"mandatory": must})
        for key, must in entries
    ]
    return json.dumps({"entries": listed})


@dataclass
class Loads:
    """What a row of the table shows, and what it takes."""

    shows: str
    options: str
    files: dict[str, bytes | str]
    rows: list[tuple[Any, ...]]
    table: str = "id int, name varchar(20), kind varchar(40)"
    source: str = "in/"
    columns: str = ""


FILES = [
    Loads(
        "CSV: quotes around commas, quotes doubled",
        "CSV",
        {"in/a.csv": QUOTED},
        KINDS,
    ),
    Loads(
        "QUOTE AS another character",
        "CSV QUOTE AS '%'",
        {"in/a.csv": '7,Grinders,%Small "burr" grinder%\n8,Kettles,Steel\n'},
        [KINDS[0], (8, "Kettles", "Steel")],
    ),
    Loads(
        "QUOTE without AS, and doubled",
        "FORMAT CSV QUOTE ''''",
        {"in/a.csv": "7,'It''s, well',x\n"},
        [(7, "It's, well", "x")],
    ),
    Loads(
        "CSV with pipes",
        "FORMAT AS CSV DELIMITER '|'",
        {"in/a.csv": '7|a,b|"c|d"\n'},
        [(7, "a,b", "c|d")],
    ),
    Loads("CSV with tabs", "DELIMITER AS '\\t' CSV", {"in/a.tsv": "7\ta\tb\n"}, [(7, "a", "b")]),
    Loads("octal delimiter", "CSV DELIMITER '\\174'", {"in/a": "7|a|b\n"}, [(7, "a", "b")]),
    Loads(
        "delimiter and quote together",
        "CSV DELIMITER ';' QUOTE '~'",
        {"in/a": '7;~a;~~b~;"c"\n'},
        [(7, "a;~b", '"c"')],
    ),
    Loads(
        "white space between delimiter and quotes is ignored",
        "CSV",
        {"in/a": '7, "a, b" ,"c"\n'},
        [(7, "a, b", "c")],
    ),
    Loads(
        "white space without quotes is kept",
        "CSV",
        {"in/a": "7, a , \n"},
        [(7, " a ", " ")],
    ),
    Loads(
        "line ends within quotes",
        "CSV",
        {"in/a": '7,"two\nlines","cr\r\nlf"\n'},
        [(7, "two\nlines", "cr\r\nlf")],
    ),
    Loads(
        "Windows' line ends, and none at the end of a file",
        "CSV",
        {"in/a": "7,a,b\r\n8,c,d\r\n", "in/b": "9,e,f"},
        [(7, "a", "b"), (8, "c", "d"), (9, "e", "f")],
    ),
    Loads("a byte order mark is no data", "CSV", {"in/a": b"\xef\xbb\xbf7,a,b\n"}, [(7, "a", "b")]),
    Loads("an empty file holds no rows", "CSV", {"in/a": "", "in/b": "7,a,b\n"}, [(7, "a", "b")]),
    Loads("GZIP", "CSV GZIP", {"in/a.gz": gzip.compress(QUOTED.encode())}, KINDS),
    Loads(
        "GZIP of several members, and a file of several",
        "GZIP CSV IGNOREHEADER 1",
        {
            "in/a.gz": gzip.compress(b"id,name,kind\n7,a,b\n") + gzip.compress(b"8,c,d\n"),
            "in/b.gz": gzip.compress(b"id,name,kind\n9,e,f\n"),
        },
        [(7, "a", "b"), (8, "c", "d"), (9, "e", "f")],
    ),
    Loads(
        "IGNOREHEADER skips the first line of every file",
        "CSV IGNOREHEADER 1",
        {"in/a": "id,name,kind\n7,a,b\n", "in/b": "id,name,kind\r\n8,c,d\r\n", "in/c": "id"},
        [(7, "a", "b"), (8, "c", "d")],
    ),
    Loads(
        "IGNOREHEADER AS 2",
        "CSV IGNOREHEADER AS 2",
        {"in/a": "made today\nid,name,kind\n7,a,b\n", "in/b": "one line\n"},
        [(7, "a", "b")],
    ),
    Loads(
        "a prefix takes all that begins with it, a backup too",
        "CSV",
        {"in/beans": "1,a,b\n", "in/beans.backup": "2,c,d\n", "in/tea": "3,e,f\n"},
        [(1, "a", "b"), (2, "c", "d")],
        source="in/beans",
    ),
    Loads(
        "a manifest takes what it lists",
        "CSV MANIFEST",
        {
            "in/1": "1,a,b\n",
            "in/2": "2,c,d\n",
            "in/3": "3,e,f\n",
            "lists/m": manifest(("in/1", True), ("in/3", None)),
        },
        [(1, "a", "b"), (3, "e", "f")],
        source="lists/m",
    ),
    Loads(
        "a manifest may miss what is not mandatory",
        "MANIFEST CSV",
        {
            "in/1": "1,a,b\n",
            "lists/m": manifest(("in/no", False), ("in/1", True), ("in/never", None)),
        },
        [(1, "a", "b")],
        source="lists/m",
    ),
    Loads(
        "a manifest's entry is a whole key, no prefix, and counts as often as it stands there",
        "CSV MANIFEST",
        {"in/1": "1,a,b\n", "in/10": "10,c,d\n", "m": manifest(("in/1", True), ("in/1", True))},
        [(1, "a", "b"), (1, "a", "b")],
        source="m",
    ),
    Loads(
        "a manifest that UNLOAD wrote has more keys",
        "CSV MANIFEST",
        {
            "in/1": "1,a,b\n",
            "m": '{"entries":[{"url":"s3://{bucket}/in/1","mandatory":true,'
            '"meta":{"content_length":6,"record_count":1}}],"meta":{"record_count":1}}',
        },
        [(1, "a", "b")],
        source="m",
    ),
]

VALUES = [
    Loads(
        "an omitted column takes its default",
        "CSV",
        {"in/a": "1,Lima\n2,Quito\n"},
        [(1, "Lima", 1000), (2, "Quito", 1000)],
        table="id smallint NOT NULL, city varchar(30), seats int NOT NULL DEFAULT '1000'",
        columns="(id, city)",
    ),
    Loads(
        "a column list gives the order in the file, in any case",
        "csv ignoreheader 1 roundec emptyasnull timeformat 'auto' dateformat as 'auto'",
        {"in/a": "price,id,name\n20.259,1,Ann\n,2,\n"},
        [(1, "Ann", Decimal("20.26")), (2, None, None)],
        table=BEANS,
        columns='("price", ID, Name)',
    ),
    Loads(
        "without ROUNDEC decimals are cut off, towards zero",
        "CSV",
        {"in/a": "1,a,20.259\n2,b,-20.259\n3,c,5\n4,d,0.999\n5,e,.5\n6,f,\n7,g,1e3\n"},
        [
            (1, "a", Decimal("20.25")),
            (2, "b", Decimal("-20.25")),
            (3, "c", Decimal(5)),
            (4, "d", Decimal("0.99")),
            (5, "e", Decimal("0.5")),
            (6, "f", None),
            (7, "g", Decimal(1000)),
        ],
        table=BEANS,
    ),
    Loads(
        "ROUNDEC rounds them",
        "CSV ROUNDEC",
        {"in/a": "1,a,20.259\n2,b,-20.259\n3,c,20.254\n4,d,0.005\n"},
        [
            (1, "a", Decimal("20.26")),
            (2, "b", Decimal("-20.26")),
            (3, "c", Decimal("20.25")),
            (4, "d", Decimal("0.01")),
        ],
        table=BEANS,
    ),
    Loads(
        "empty fields: NULL where the type has no empty value, else empty; \\N is NULL",
        "CSV",
        {"in/a": ",,\n2,\\N,x\n\\N,a,\\N\n"},
        [(2, None, "x"), (None, "", ""), (None, "a", None)],
        table=NULLS,
    ),
    Loads(
        "EMPTYASNULL",
        "CSV EMPTYASNULL",
        {"in/a": '1,,"a"\n2,"", \n'},
        [(1, None, "a"), (2, None, " ")],
        table=NULLS,
    ),
    Loads(
        "NULL AS '' is EMPTYASNULL",
        "CSV NULL AS ''",
        {"in/a": "1,,a\n,b,\n"},
        [(1, None, "a"), (None, "b", None)],
        table=NULLS,
    ),
    Loads(
        "NULL AS a word, for every type; empty numbers stay NULL",
        "CSV NULL AS 'n/a'",
        {"in/a": "1,n/a,n/a \nn/a,,N/A\n,x,\\N\n"},
        [(1, None, "n/a "), (None, "", "N/A"), (None, "x", "\\N")],
        table=NULLS,
    ),
    Loads(
        "NULL without AS, with a quote in it",
        "CSV NULL 'it''s'",
        {"in/a": "1,it's,a\n"},
        [(1, None, "a")],
        table=NULLS,
    ),
    Loads(
        "blank numbers are NULL, blank text is kept",
        "CSV",
        {"in/a": " ,  ,a\n"},
        [(None, "  ", "a")],
        table=NULLS,
    ),
    Loads(
        "BLANKSASNULL",
        "CSV BLANKSASNULL",
        {"in/a": '1,   ," "\n2, x ,y\n'},
        [(1, None, None), (2, " x ", "y")],
        table=NULLS,
    ),
    Loads(
        "BLANKSASNULL and EMPTYASNULL together",
        "CSV EMPTYASNULL BLANKSASNULL",
        {"in/a": "1,,  \n"},
        [(1, None, None)],
        table=NULLS,
    ),
    Loads(
        "every conversion at once",
        "CSV BLANKSASNULL NULL AS '-' TRUNCATECOLUMNS ACCEPTINVCHARS '^' IGNOREHEADER 1",
        {"in/a": b"id,name,price\n1,-,9.999\n2,  ,-\n3,\xff\xe4nd so it goes on and on,1.005\n"},
        [
            (1, None, Decimal("9.99")),
            (2, None, None),
            (3, "^^nd so it goes on an", Decimal("1.00")),
        ],
        table=BEANS,
    ),
    Loads(
        "ACCEPTINVCHARS: a question mark for each byte",
        "CSV ACCEPTINVCHARS",
        {"in/a": b"1,caf\xe9,gr\xc3\xbcn\n"},
        [(1, "caf?", "grün")],
    ),
    Loads(
        "ACCEPTINVCHARS AS another character: an invalid one of three bytes becomes three",
        "CSV ACCEPTINVCHARS AS '^'",
        {"in/a": b"1,a\xed\xa0\x80b,c\n"},
        [(1, "a^^^b", "c")],
    ),
    Loads(
        "TRUNCATECOLUMNS cuts at the column's bytes, never within a character",
        "CSV TRUNCATECOLUMNS",
        {"in/a": "1,Grüße aus,abc\n2,ok,wxyz\n"},
        [(1, "Grü", "abc"), (2, "ok", "wxy")],
        table="id int, a varchar(5), b char(3)",
    ),
    Loads(
        "numbers and booleans of all kinds",
        "CSV",
        {
            "in/a": "1,-2,3,4.5,-0.25,true\n,,,,,\n1,1,1,1,1,0\n"
            "-32768,7,-9223372036854775808,1e3,0,f\n"
        },
        [
            (-32768, 7, -(2**63), 1000.0, 0.0, False),
            (1, -2, 3, 4.5, -0.25, True),
            (1, 1, 1, 1.0, 1.0, False),
            (None,) * 6,
        ],
        table="a smallint, b int, c bigint, d real, e double precision, f boolean",
    ),
    Loads(
        "dates and times as they are by default, to the microsecond",
        "CSV",
        {"in/a": "2031-02-03,2031-02-03 14:15:57.119568\n"},
        [(dt.date(2031, 2, 3), dt.datetime(2031, 2, 3, 14, 15, 57, 119568))],
        table="d date, t timestamp",
    ),
    Loads(
        "'auto' recognises more",
        "CSV DATEFORMAT 'auto' TIMEFORMAT AS 'auto'",
        {
            "in/a": "2031-02-03,2031-02-03 04:05:06.789\n"
            "20310204,2031-02-04T04:05:06\n"
            "Feb 5 2031,20310205 040506\n"
            "06-Feb-2031,Feb 6 2031 04:05:06\n"
            ",\n"
        },
        [
            (dt.date(2031, 2, 3), dt.datetime(2031, 2, 3, 4, 5, 6, 789000)),
            (dt.date(2031, 2, 4), dt.datetime(2031, 2, 4, 4, 5, 6)),
            (dt.date(2031, 2, 5), dt.datetime(2031, 2, 5, 4, 5, 6)),
            (dt.date(2031, 2, 6), dt.datetime(2031, 2, 6, 4, 5, 6)),
            (None, None),
        ],
        table="d date, t timestamp",
    ),
]

OPERATIONS = [
    Loads(shows, f"CSV {options}", {"in/a": "1,a,b\n"}, [(1, "a", "b")])
    for shows, options in [
        ("no automatic compression, no statistics", "COMPUPDATE OFF STATUPDATE OFF"),
        ("TRUE for ON and FALSE for OFF", "COMPUPDATE FALSE STATUPDATE TRUE"),
        ("COMPUPDATE PRESET", "COMPUPDATE PRESET"),
        ("COMPUPDATE and STATUPDATE alone", "STATUPDATE COMPUPDATE"),
        ("a region", "REGION 'us-east-1'"),
        ("REGION AS", "REGION AS 'us-east-1' MAXERROR AS 10"),
    ]
]


@pytest.mark.parametrize("row", FILES + VALUES + OPERATIONS, ids=lambda row: row.shows)
def test_copy_loads_what_redshift_loads(redshift, row):
    redshift.sql(f"CREATE TABLE t ({row.table})")
    redshift.put(row.files)
    redshift.copy(f"t {row.columns}", row.options, row.source)
    assert sorted(redshift.sql("SELECT * FROM t"), key=repr) == sorted(row.rows, key=repr)
    assert redshift.sql("SELECT pg_last_copy_count()") == [(len(row.rows),)]


def test_copy_takes_the_default_role_and_a_name_with_its_schema(redshift):
    redshift.sql('CREATE TABLE "Odd name" (id int, "Id 2" int)')
    redshift.put({"in/a": "1,2\n"})
    table = f'"{redshift.schema}"."Odd name"("Id 2", ID)'
    redshift.sql(f"copy {table} from '{redshift.url('in/')}' iam_role DEFAULT csv;")
    assert redshift.sql('SELECT id, "Id 2" FROM "Odd name"') == [(2, 1)]


def test_copy_appends_and_says_how_many(redshift):
    redshift.sql("CREATE TABLE t (id int)")
    redshift.put({"in/a": "1\n2\n"})
    redshift.copy("t")
    redshift.copy("t")
    assert redshift.sql("SELECT id FROM t ORDER BY 1") == [(1,), (1,), (2,), (2,)]
    told = "INFO:  Load into table 't' completed, 2 record(s) loaded successfully.\n"
    assert redshift.connection.notices[-1] == told


def test_noload_checks_the_files_and_loads_nothing(redshift):
    redshift.sql("CREATE TABLE t (id int)")
    redshift.put({"in/a": "1\n2\n"})
    redshift.copy("t", "CSV NOLOAD")
    assert redshift.sql("SELECT count(*) FROM t") == [(0,)]
    redshift.put({"in/b": "three\n"})
    assert "Load into table 't' failed" in redshift.copy_fails("t", "CSV NOLOAD")
    assert redshift.sql(
        "SELECT trim(file_name), line_number FROM sys_load_error_detail"
        " WHERE query_id = pg_last_copy_id()"
    ) == [(redshift.url("in/b"), 1)]


def test_copy_loads_a_temporary_table_within_a_transaction(redshift):
    redshift.put({"in/a": "1,5\n"})
    redshift.sql("BEGIN; CREATE TEMP TABLE stage (id bigint NOT NULL, seats int)")
    redshift.copy("stage (id, seats)")
    assert redshift.sql("SELECT * FROM stage") == [(1, 5)]
    redshift.sql("ROLLBACK")
    assert "stage" in str(redshift.fails("SELECT * FROM stage"))
